"""Times without waiting: `debugtime N` moves the clock by N seconds (builds with -Ddebugtime=true, and
memcached-debug); on other builds every test skips."""
import time
import unittest

import server
from binary import FLAGS, FLUSH, GAT, GET, INCR, SET, TOUCH, error, number, request

MONTH_S = 30 * 24 * 3600
X = b'x\r\n'


def value(key, data=b'x', flags=0):
    return b'VALUE %s %d %d\r\n%s\r\nEND\r\n' % (key, flags, len(data), data)


class Times:
    """The cases; one class per number of cores below. A second may pass within a test, so nothing is
    asked in the very second of its end."""

    cores = None

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(cores=cls.cores)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.client = self.server.connect()
        self.addCleanup(self.client.close)
        if self.client.ask(b'debugtime 0\r\n') == b'ERROR\r\n':
            self.skipTest('this build has no debugtime')
        self.said(b'flush_all\r\n', b'OK\r\n')
        self.move(2)

    def said(self, command, wanted):
        self.client.send(command)
        self.assertEqual(self.client.read(len(wanted)), wanted, command)

    def move(self, seconds):
        self.said(b'debugtime %d\r\n' % seconds, b'OK\r\n')
        if server.ORIGINAL:
            time.sleep(2.1)  # until the next tick memcached has gone too far

    def keys_of_all_shards(self):
        return [b'key%d' % n for n in range(50)]

    def all_said(self, command, wanted):
        """The command about each of the keys: whichever shard has it has the same time."""
        for key in self.keys_of_all_shards():
            self.said(command.replace(b'KEY', key), wanted.replace(b'KEY', key))

    def test_expiry(self):
        self.all_said(b'set KEY 0 100 1\r\nx\r\n', b'STORED\r\n')
        self.move(90)
        self.all_said(b'get KEY\r\n', value(b'KEY'))
        self.move(11)
        self.all_said(b'get KEY\r\n', b'END\r\n')

    def test_line_11_thirty_days(self):
        """30 days are relative, and one second more is a date, long past."""
        self.said(b'set a 0 %d 1\r\nx\r\nset b 0 %d 1\r\nx\r\nget a b\r\n' % (MONTH_S, MONTH_S + 1),
                  b'STORED\r\n' * 2 + value(b'a'))
        self.move(MONTH_S - 10)
        self.said(b'get a\r\n', value(b'a'))
        self.move(11)
        self.said(b'get a\r\n', b'END\r\n')

    def test_date(self):
        """An absolute time, as the server's clock has it."""
        self.client.send(b'stats\r\n')
        now = None
        while (line := self.client.read_line()) != b'END\r\n':
            if line.startswith(b'STAT time '):
                now = int(line.split()[2])
        self.said(b'set a 0 %d 1\r\nx\r\nset b 0 %d 1\r\nx\r\nget a b\r\n' % (now + 100, now - 100),
                  b'STORED\r\n' * 2 + value(b'a'))
        self.move(90)
        self.said(b'get a\r\n', value(b'a'))
        self.move(12)
        self.said(b'get a\r\n', b'END\r\n')

    def test_add_and_others_after_expiry(self):
        """An expired item is none, for every command."""
        for key in (b'add', b'rep', b'app', b'inc', b'del', b'tou', b'gat', b'cas', b'mg', b'ma'):
            self.said(b'set %s 0 10 1\r\n1\r\n' % key, b'STORED\r\n')
        self.move(12)
        self.said(b'add add 0 0 1\r\nx\r\n', b'STORED\r\n')
        self.said(b'replace rep 0 0 1\r\nx\r\nappend app 0 0 1\r\nx\r\n', b'NOT_STORED\r\n' * 2)
        self.said(b'incr inc 1\r\ndelete del\r\ntouch tou 0\r\ncas cas 0 0 1 1\r\nx\r\n',
                  b'NOT_FOUND\r\n' * 4)
        self.said(b'gat 0 gat\r\nmg mg v\r\nma ma\r\nmd ma\r\n', b'END\r\nEN\r\nNF\r\nNF\r\n')

    def test_touch(self):
        self.said(b'set a 0 10 1\r\nx\r\nset b 0 0 1\r\nx\r\nset c 0 10 1\r\nx\r\n', b'STORED\r\n' * 3)
        self.said(b'touch a 100\r\ntouch b 10\r\ntouch c 0\r\n', b'TOUCHED\r\n' * 3)
        self.move(20)
        self.said(b'get a b c\r\n', b'VALUE a 0 1\r\nx\r\n' + value(b'c'))
        self.move(90)
        self.said(b'get a b c\r\n', value(b'c'))

    def test_gat(self):
        self.said(b'set a 0 10 1\r\nx\r\nset b 0 0 1\r\nx\r\n', b'STORED\r\n' * 2)
        self.said(b'gat 100 a b\r\n', b'VALUE a 0 1\r\nx\r\n' + value(b'b'))
        self.move(20)
        self.said(b'get a b\r\n', b'VALUE a 0 1\r\nx\r\n' + value(b'b'))
        self.move(90)
        self.said(b'get a b\r\n', b'END\r\n')

    def test_incr_and_append_keep_the_time(self):
        self.said(b'set a 0 100 1\r\n1\r\nset b 0 100 1\r\n1\r\nincr a 1\r\nappend b 0 0 1\r\n1\r\n',
                  b'STORED\r\n' * 2 + b'2\r\nSTORED\r\n')
        self.move(90)
        self.said(b'get a b\r\n', b'VALUE a 0 1\r\n2\r\n' + value(b'b', b'11'))
        self.move(12)
        self.said(b'get a b\r\n', b'END\r\n')

    def test_line_18_flush_in_the_future(self):
        """Items live until then, those set meanwhile too, and those set then stay."""
        self.all_said(b'set KEY 0 0 1\r\nx\r\n', b'STORED\r\n')
        self.said(b'flush_all 100\r\nset late 0 0 1\r\nx\r\n', b'OK\r\nSTORED\r\n')
        self.move(90)
        self.all_said(b'get KEY\r\n', value(b'KEY'))
        self.said(b'get late\r\n', value(b'late'))
        self.move(12)
        self.all_said(b'get KEY\r\n', b'END\r\n')
        self.said(b'get late\r\nset late 0 0 1\r\ny\r\nget late\r\n',
                  b'END\r\nSTORED\r\n' + value(b'late', b'y'))
        self.move(100)
        self.said(b'get late\r\n', value(b'late', b'y'))

    def test_binary(self):
        """Expiry in extras: set, touch, gat, incr that creates, flush."""
        with self.server.connect() as client:
            def done(sent, status=0):
                client.send(sent)
                header = client.read(24)
                self.assertEqual(header[6:8], status.to_bytes(2, 'big'), sent)
                client.read(int.from_bytes(header[8:12], 'big'))
            for key in (b'a', b'b', b'c'):
                done(request(SET, key, FLAGS + b'\0\0\0\x0a', b'1'))
            done(request(TOUCH, b'b', b'\0\0\0\x64'))
            done(request(GAT, b'c', b'\0\0\0\x64'))
            done(request(INCR, b'n', number(1, 5, 10)))
            self.move(12)
            for key, status in ((b'a', 1), (b'b', 0), (b'c', 0), (b'n', 1)):
                done(request(GET, key), status)
            done(request(FLUSH, extras=b'\0\0\0\x0a'))
            done(request(GET, b'b'))
            self.move(12)
            client.send(request(GET, b'b'))
            self.assertEqual(client.read(24 + 9), error(GET, 1))

    def test_meta(self):
        """t counts down; T, N and R."""
        self.said(b'ms a 1 T100\r\nx\r\n', b'HD\r\n')
        self.move(50)
        self.assertRegex(self.client.ask(b'mg a t\r\n'), rb'^HD t(50|4\d)\r\n$')
        self.said(b'mg a R30 v\r\n', b'VA 1\r\n' + X)
        self.move(25)
        self.said(b'mg a R30 v\r\nmg a R30 v\r\n', b'VA 1 W\r\n' + X + b'VA 1 Z\r\n' + X)
        self.said(b'mg a T100 v\r\n', b'VA 1 Z\r\n' + X)
        self.move(90)
        self.said(b'mg a\r\n', b'HD Z\r\n')
        self.move(12)
        self.said(b'mg a\r\nmg a N30 v\r\nmg a N30 v\r\n', b'EN\r\nVA 0 W\r\n\r\nVA 0 Z\r\n\r\n')
        self.move(32)
        self.said(b'mg a\r\n', b'EN\r\n')

    def test_meta_last_access(self):
        self.said(b'ms a 1\r\nx\r\n', b'HD\r\n')
        self.move(50)
        self.assertRegex(self.client.ask(b'mg a l h u\r\n'), rb'^HD l5\d h0\r\n$')
        self.assertRegex(self.client.ask(b'mg a l h\r\n'), rb'^HD l5\d h0\r\n$')
        self.move(10)
        self.assertRegex(self.client.ask(b'me a\r\n'), rb'^ME a exp=-1 la=1\d .*fetch=yes ')

    def test_meta_delete_and_arithmetic(self):
        self.said(b'ms a 1\r\nx\r\nmd a I T30\r\nma n N30\r\nma m N100\r\nma m T200\r\n', b'HD\r\n' * 5)
        self.said(b'ms p 1 MA N30\r\nx\r\n', b'HD\r\n')
        self.move(20)
        self.said(b'mg a v\r\nmg n v\r\nmg p v\r\n', b'VA 1 X W\r\nx\r\nVA 1\r\n0\r\nVA 1\r\nx\r\n')
        self.move(12)
        self.said(b'mg a\r\nmg n\r\nmg p\r\nmg m v\r\n', b'EN\r\n' * 3 + b'VA 1\r\n1\r\n')

    def stat(self, name):
        return int(self.server.stat(name))

    def test_crawler_reclaims(self):
        """Expired items give their memory back without being asked for."""
        self.client.send(b''.join(b'set crawl%d 0 50 1 noreply\r\nx\r\n' % n for n in range(1000)))
        self.said(b'set stays 0 0 1\r\nx\r\n', b'STORED\r\n')
        self.move(52)
        self.said(b'lru_crawler crawl all\r\n', b'OK\r\n')
        deadline = time.monotonic() + server.TIMEOUT_S
        while self.stat('curr_items') != 1 and time.monotonic() < deadline:
            self.client.ask(b'lru_crawler crawl all\r\n')
            self.move(1)
        self.assertEqual(self.stat('curr_items'), 1)
        self.assertGreaterEqual(self.stat('crawler_reclaimed'), 1)
        self.said(b'get stays\r\n', value(b'stays'))

    def test_dumps_hide_the_expired(self):
        self.said(b'set a 0 50 1\r\nx\r\nset b 0 0 1\r\nx\r\n', b'STORED\r\n' * 2)
        self.move(52)
        self.said(b'lru_crawler mgdump hash\r\n', b'OK\r\nmg b\r\nEN\r\n')


class OneCore(Times, unittest.TestCase):
    cores = 1


class FiveCores(Times, unittest.TestCase):
    cores = 5


if __name__ == '__main__':
    server.main()
