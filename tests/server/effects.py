"""Flags whose effect takes more than one question to see: -R, -C, -m, what -X, -F and -W refuse, and
the words for crawler, ring and spinning."""
import os
import signal
import time
import unittest

import server
from binary import (ADD, APPEND, DELETE, FLAGS, FLUSH, FOREVER, GET, INCR, NOOP, REPLACE, SET, STAT,
                    error, number, reply, request)
from flags import FlagsTest

FLUSHQ = 0x18


class Turns(FlagsTest):
    """-R: a connection that has sent much yields to others, and is told about in conn_yields."""

    GETS = 1000

    def yields(self, *flags):
        """How often a client that pipelines its gets has yielded."""
        under_test = self.start(*flags)
        with under_test.connect() as client:
            client.send(b'get a\r\n' * self.GETS)
            self.assertEqual(client.read(5 * self.GETS), b'END\r\n' * self.GETS)
        return int(under_test.stat('conn_yields'))

    def test_yields(self):
        """As many turns as it takes, but the last; a few more where the gets came in pieces."""
        for flags, least in ((('-R', '1'), 999), (('-R', '10'), 99), (('-R', '20'), 49),
                             (('--max-reqs-per-event=100',), 9)):
            with self.subTest(flags=flags):
                self.assertGreaterEqual(self.yields(*flags), least - 5)
                self.assertEqual(self.settings(self.start(*flags))['reqs_per_event'],
                                 flags[-1].split('=')[-1])

    def test_no_yields(self):
        for most in ('2000', '2147483647'):
            self.assertEqual(self.yields('-R', most), 0)

    @unittest.skipIf(server.ORIGINAL, 'it takes 20 unless told')
    def test_default(self):
        self.assertEqual(self.settings(self.start())['reqs_per_event'], '128')
        self.assertIn(self.yields(), range(4, 12))

    def test_others_are_served(self):
        """All have sent what they have when the server goes on, one before the greedy client and one
        behind it: most of its gets see the others' sets, in whatever order they are taken."""
        under_test = self.start('-R', '10')
        with under_test.connect() as greedy, under_test.connect() as one, under_test.connect() as two:
            for client in (one, greedy, two):
                client.ask(b'get mark\r\n')
            os.kill(under_test.pid, signal.SIGSTOP)
            deadline = time.monotonic() + server.TIMEOUT_S
            while under_test.states() != {'T'} and time.monotonic() < deadline:
                time.sleep(0.01)
            one.send(b'set one 0 0 1\r\nx\r\n')
            greedy.send(b'get one two\r\n' * self.GETS)
            two.send(b'set two 0 0 1\r\nx\r\n')
            os.kill(under_test.pid, signal.SIGCONT)
            self.assertEqual([one.read_line(), two.read_line()], [b'STORED\r\n'] * 2)
            greedy.send(b'quit\r\n')
            answers = greedy.read_all()
            for key in (b'one', b'two'):
                self.assertGreater(answers.count(b'VALUE %s' % key), self.GETS // 2)

    def test_walks_go_on(self):
        """A dump doesn't wait for a turn to be full."""
        under_test = self.start('-R', '2147483647', cores=2)
        keys = 5000
        with under_test.connect() as client:
            client.send(b''.join(b'set k%d 0 0 1 noreply\r\nx\r\n' % n for n in range(keys)))
            client.ask(b'mn\r\n')
            client.send(b'lru_crawler metadump all\r\n')
            lines = iter(client.read_line, b'END\r\n')
            self.assertEqual(sum(line.startswith(b'key=') for line in lines), keys)


class ForbiddenTest(FlagsTest):
    """Questions on a connection each, with their whole answers."""

    def told(self, under_test, said, answer):
        with under_test.connect() as client:
            client.send(said)
            client.end_input()
            self.assertEqual(client.read_all(), answer, said)


class Forbidden(ForbiddenTest):
    """What -X, -F and -W refuse, and what they don't; in memcached's words, which it says too."""

    def test_dumps(self):
        for flag in ('-X', '--disable-dumping'):
            under_test = self.start(flag)
            self.assertEqual(self.settings(under_test)['dump_enabled'], 'no')
            self.told(under_test, b'set a 0 0 1\r\nx\r\n', b'STORED\r\n')
            for verb, answer in ((b'metadump', b'ERROR metadump not allowed\r\n'),
                                 (b'mgdump', b'ERROR key dump not allowed\r\n')):
                for which in (b'all', b'hash', b'1', b'nosuch'):
                    self.told(under_test, b'lru_crawler %s %s\r\n' % (verb, which), answer)
                self.told(under_test, b'lru_crawler %s\r\n' % verb, b'ERROR\r\n')
            for words in (b'', b' on', b' off', b' dump', b' nosuch'):
                self.told(under_test, b'stats detail%s\r\n' % words,
                          b'CLIENT_ERROR stats detail not allowed\r\n')
            for words in (b'', b' 1', b' 1 1', b' x y', b' 500 1'):
                self.told(under_test, b'stats cachedump%s\r\n' % words,
                          b'CLIENT_ERROR stats cachedump not allowed\r\n')
            for words in (b'detail dump', b'detail on', b'cachedump 1 1'):
                self.told(under_test, request(STAT, words), error(STAT, 1))
            self.told(under_test, b'lru_crawler crawl all\r\nget a\r\n',
                      b'OK\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
            with under_test.connect() as client:
                self.assertRegex(client.ask(b'me a\r\n'), b'^ME a ')

    def test_flushes(self):
        """Whatever the time that is asked for."""
        for flag in ('-F', '--disable-flush-all'):
            under_test = self.start(flag)
            self.assertEqual(self.settings(under_test)['flush_enabled'], 'no')
            self.told(under_test, b'set a 0 0 1\r\nx\r\n', b'STORED\r\n')
            for words in (b'', b' 0', b' 10', b' -1', b' abc', b' 1 2'):
                self.told(under_test, b'flush_all%s\r\n' % words,
                          b'CLIENT_ERROR flush_all not allowed\r\n')
            self.told(under_test, b'flush_all noreply\r\nflush_all 10 noreply\r\nmn\r\n', b'MN\r\n')
            self.told(under_test, b'flush_prefix a\r\n', b'CLIENT_ERROR flush_prefix not allowed\r\n')
            for opcode in (FLUSH, FLUSHQ):
                for extras in (b'', bytes(4)):
                    self.told(under_test, request(opcode, b'', extras) + request(NOOP),
                              error(opcode, 0x20) + reply(NOOP))
            self.told(under_test, b'get a\r\n', b'VALUE a 0 1\r\nx\r\nEND\r\n')

    def test_watch(self):
        for flags in ('-W',), ('--disable-watch',):
            under_test = self.start(*flags)
            for words in (b'', b' fetchers', b' nosuch', b' mutations evictions', b' noreply'):
                self.told(under_test, b'watch%s\r\nmn\r\n' % words,
                          b'CLIENT_ERROR watch commands not allowed\r\nMN\r\n')


class NoCas(ForbiddenTest):
    """-C: every item's CAS is 0, and what memcached makes of that."""

    def test_text(self):
        for flag in ('-C', '--disable-cas'):
            under_test = self.start(flag, cores=2)
            self.assertEqual(self.settings(under_test)['cas_enabled'], 'no')
            self.told(under_test, b'set a 0 0 1\r\nx\r\ngets a\r\ngats 0 a\r\n'
                                  b'cas a 0 0 1 0\r\ny\r\ncas a 0 0 1 1\r\ny\r\n'
                                  b'cas b 0 0 1 0\r\ny\r\ncas a 0 0 1 7 noreply\r\ny\r\ngets a b\r\n',
                      b'STORED\r\n' + 2 * b'VALUE a 0 1 0\r\nx\r\nEND\r\n' + 2 * b'EXISTS\r\n'
                      + b'NOT_FOUND\r\nVALUE a 0 1 0\r\nx\r\nEND\r\n')
        self.assertEqual(self.settings(self.start())['cas_enabled'], 'yes')

    def test_meta(self):
        under_test = self.start('-C', cores=2)
        for said, answer in (
                (b'ms a 1 c\r\nx\r\nmg a c v\r\n', b'HD c0\r\nVA 1 c0\r\nx\r\n'),
                (b'ms a 1 C0 c\r\ny\r\nms a 1 C5 c\r\ny\r\n', b'EX c0\r\n' * 2),
                (b'ms a 1 C5 I c\r\ny\r\nms a 1 MR C3\r\ny\r\n', b'EX c0\r\nEX\r\n'),
                (b'ms a 1 MA C3 c\r\ny\r\nms a 1 MP C3 c\r\nz\r\n', b'HD c0\r\n' * 2),
                (b'mg a C0 v\r\nmg a C5 v\r\n', b'HD\r\nVA 3\r\nzxy\r\n'),
                (b'ms none 1 C3\r\nx\r\nms none 1 MR C3\r\nx\r\n', b'NF\r\n' * 2),
                (b'ms new 1 ME C3 c\r\nx\r\n', b'HD c0\r\n'),
                (b'ms a 1 E77 c\r\nw\r\nmg a c\r\nms a 1 C77\r\nv\r\n', b'HD c0\r\n' * 2 + b'EX\r\n'),
                (b'md a C5\r\nmg a v\r\nmd a C0\r\nmg a\r\n', b'EX\r\nVA 1\r\nw\r\nHD\r\nEN\r\n'),
                (b'ma n N0 J5 c v\r\nma n C3 v\r\nma n C0 c v\r\n',
                 b'VA 1 c0\r\n5\r\nEX\r\nVA 1 c0\r\n6\r\n'),
                (b'md n I E5\r\nmg n c\r\nms n 1 c\r\n1\r\n', b'HD\r\nHD c0 X W\r\nHD c0\r\n')):
            self.told(under_test, said, answer)
        with under_test.connect() as client:
            self.assertIn(b' cas=0 ', client.ask(b'me n\r\n'))
            if not server.ORIGINAL:  # whose crawler takes its time
                client.send(b'lru_crawler metadump all\r\n')
                lines = list(iter(client.read_line, b'END\r\n'))[1:]
                self.assertEqual([b' cas=0 ' in line for line in lines], [True] * 2)

    def test_binary(self):
        """What stores a value takes no notice of a CAS."""
        under_test = self.start('-C', cores=2)
        cas = bytes(7) + b'\5'
        for said, answer in (
                (request(SET, b'a', FOREVER, b'x'), reply(SET)),
                (request(SET, b'a', FOREVER, b'y', cas=cas), reply(SET)),
                (request(ADD, b'a', FOREVER, b'z', cas=cas), error(ADD, 2)),
                (request(ADD, b'b', FOREVER, b'z', cas=cas), reply(ADD)),
                (request(REPLACE, b'a', FOREVER, b'r', cas=cas), reply(REPLACE)),
                (request(REPLACE, b'none', FOREVER, b'r', cas=cas), error(REPLACE, 1)),
                (request(APPEND, b'a', b'', b'p', cas=cas), reply(APPEND)),
                (request(GET, b'a'), reply(GET, value=b'rp', extras=FLAGS)),
                (request(DELETE, b'a', cas=cas), error(DELETE, 2)),
                (request(INCR, b'n', number(1, 5)), reply(INCR, value=bytes(7) + b'\5')),
                (request(INCR, b'n', number(1, 5), cas=cas), error(INCR, 2)),
                (request(DELETE, b'a'), reply(DELETE))):
            self.told(under_test, said, answer)


class Memory(FlagsTest):
    """-m: what fits stays, and no more."""

    def test_bound(self):
        count, value = 3000, b'v' * 10000
        for megabytes, is_enough in ((16, False), (64, True)):
            under_test = self.start('-m', str(megabytes))
            with under_test.connect() as client:
                client.send(b''.join(b'set v%d 0 0 10000 noreply\r\n%s\r\n' % (n, value)
                                     for n in range(count)))
                self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')
            self.assertLessEqual(int(under_test.stat('bytes')), megabytes << 20)
            self.assertEqual(under_test.stat('evictions') == '0', is_enough)
            self.assertEqual(under_test.stat('curr_items') == str(count), is_enough)


class Words(FlagsTest):
    """-o"""

    ITEMS = 5000  # some 20 of the crawler's slices

    def crawl(self, *flags):
        """A server that has begun to crawl over its items, none of which has expired."""
        under_test = self.start(*flags)
        with under_test.connect() as client:
            client.send(b''.join(b'set k%d 0 0 1 noreply\r\nx\r\n' % n for n in range(self.ITEMS)))
            self.assertEqual(client.ask(b'lru_crawler crawl all\r\n'), b'OK\r\n')
        return under_test

    def until(self, what, is_so):
        """What it is once it is so."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while not is_so(value := int(what())) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertTrue(is_so(value), value)
        return value

    def checked(self, under_test):
        return self.until(lambda: under_test.stat('crawler_items_checked'), lambda count: count > 0)

    @unittest.skipIf(server.ORIGINAL, 'its crawler takes its time')
    def test_crawler_sleep(self):
        """A second between two slices, or none."""
        fast = self.crawl('-o', 'lru_crawler_sleep=0')
        self.until(lambda: fast.stat('crawler_items_checked'), lambda count: count == self.ITEMS)
        self.assertLess(self.checked(self.crawl('-o', 'lru_crawler_sleep=1000000')), self.ITEMS)

    @unittest.skipIf(server.ORIGINAL, 'its crawler takes its time')
    def test_crawler_tocrawl(self):
        for most, looked_at in ((0, self.ITEMS), (100, 100), (1000, 1000)):
            under_test = self.crawl('-o', 'lru_crawler_tocrawl=%d' % most)
            self.until(lambda: under_test.stat('lru_crawler_running'), lambda count: count == 0)
            self.assertEqual(self.checked(under_test), looked_at)

    def test_maxconns_fast(self):
        under_test = self.start('-c', '3', '-o', 'maxconns_fast')
        clients = [under_test.connect() for _ in range(10)]
        for client in clients[5:]:
            self.assertEqual(client.read_all(), b'ERROR Too many open connections\r\n')
        for client in clients:
            client.close()

    @unittest.skipIf(server.ORIGINAL, 'it has no rings')
    def test_ring_capacity(self):
        """Twenty requests at once find room, or have to wait for it. Where commands are logged each takes
        a message."""
        for flags, waits in (((), False), (('-o', 'ring_capacity=64'), False),
                             (('-o', 'ring_capacity=1'), True)):
            under_test = self.start('-v', '--verbose', *flags, cores=2)
            with under_test.connect() as client:
                for _ in range(20):
                    client.ask(b'get %s\r\n' % b' '.join(b'k%d' % n for n in range(20)))
            self.assertEqual(under_test.stat('mesh_stalls') != '0', waits)

    @unittest.skipIf(server.ORIGINAL, 'it has no reactors')
    def test_spin(self):
        """Who polls for a reply doesn't sleep until it comes. A setting concerns each reactor, so that
        another one can't do it in its place."""
        commands = 200
        for _ in range(40):  # on a busy machine a reply may be there before anybody can sleep
            without, with_it = self.sleeps_with_spin(0, commands), self.sleeps_with_spin(1000000, commands)
            if without > with_it + commands // 5:
                return
        self.fail('%d and %d sleeps' % (without, with_it))

    def sleeps_with_spin(self, spin, commands):
        under_test = self.start('-o', 'spin=%d' % spin, cores=2)
        with under_test.connect() as client:
            for _ in range(commands):
                client.ask(b'verbosity 0\r\n')
        self.assertGreaterEqual(int(under_test.stat('mesh_requests')), commands)
        return int(under_test.stat('reactor_sleeps'))


if __name__ == '__main__':
    server.main()
