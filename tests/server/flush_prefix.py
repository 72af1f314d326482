"""flush_prefix: items whose keys begin so are gone at its OK, whatever stored them and whoever asks, and nothing else."""
import base64
import struct
import time

import server
from binary import FOREVER, GET, SET, request
from datagrams import Datagrams
from restart import FileTest

CORES = (1, 2, 5)
PREFIXES_MAX = 64
TOO_MANY = b'SERVER_ERROR too many prefixes being flushed\r\n'
LARGE = 300_000
UNTIL_S = server.TIMEOUT_S


def keys(prefix, count):
    return [prefix + b'%d' % n for n in range(count)]


def store(client, names, value=b'x'):
    for name in names:
        client.send(b'set %s 0 0 %d noreply\r\n%s\r\n' % (name, len(value), value))
    if client.ask(b'mn\r\n') != b'MN\r\n':
        raise AssertionError('a set was refused')


def present(client, names):
    """Which of the keys are there."""
    found = set()
    client.send(b''.join(b'mg %s k\r\n' % name for name in names) + b'mn\r\n')
    while (line := client.read_line()) != b'MN\r\n':
        if line.startswith(b'HD'):
            found.add(line.split()[1][1:])
    return found


def flush(client, words, answer=b'OK\r\n'):
    told = client.ask(b'flush_prefix %s\r\n' % words)
    if told != answer:
        raise AssertionError('flush_prefix %r: %r' % (words, told))


def until_present(client, names, wanted):
    """Waits until just these of some keys are there."""
    end = time.monotonic() + UNTIL_S
    while (there := present(client, names)) != wanted:
        if time.monotonic() > end:
            raise AssertionError(there)
        time.sleep(0.05)


class FlushPrefix(server.ServerTest):

    def until(self, under_test, name, value):
        """Waits until a statistic has this value."""
        end = time.monotonic() + UNTIL_S
        while int(under_test.stat(name)) != value:
            self.assertLess(time.monotonic(), end, '%s is not %d' % (name, value))
            time.sleep(0.05)

    def test_covers_what_begins_so(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                hit, missed = keys(b'user:1', 200), keys(b'user:2', 200) + [b'user:', b'use', b'xuser:1']
                store(client, hit + missed + [b'user:1'])
                flush(client, b'user:1')
                self.assertEqual(present(client, hit + missed + [b'user:1']), set(missed))
                store(client, hit)
                self.assertEqual(present(client, hit + missed), set(hit + missed))
                flush(client, b'user:1 0')
                flush(client, b'user:2 -1')
                self.assertEqual(present(client, hit + missed), {b'user:', b'use', b'xuser:1'})
                self.assertEqual(int(under_test.stat('cmd_flush_prefix')), 3)
                self.until(under_test, 'flush_prefixes', 0)
                self.assertEqual(int(under_test.stat('flush_prefix_items')), 601)
                self.assertEqual(int(under_test.stat('curr_items')), 3)

    def test_all_protocols(self):
        """Each stores, another one flushes, each asks; keys in base64 are what they stand for."""
        raw = b'k\0\xff 1'
        coded = base64.b64encode(raw)
        for cores in CORES:
            under_test = self.start(cores=cores, flags=('-U', '0'))
            with under_test.connect() as client, under_test.connect() as binary:
                client.ask(b'set kt 0 0 1\r\nx\r\n')
                client.ask(b'ms km 1\r\nx\r\n')
                client.ask(b'ms %s 1 b\r\nx\r\n' % coded)
                binary.send(request(SET, b'kb', FOREVER, b'x'))
                binary.read(24)
                self.assertTrue(client.ask(b'mg %s b v\r\n' % coded).startswith(b'VA 1'))
                client.read(3)
                flush(client, b'k')
                for key in (b'kt', b'km', b'kb'):
                    self.assertEqual(client.ask(b'get %s\r\n' % key), b'END\r\n')
                    self.assertEqual(client.ask(b'gat 0 %s\r\n' % key), b'END\r\n')
                    self.assertEqual(client.ask(b'mg %s v\r\n' % key), b'EN\r\n')
                    self.assertEqual(client.ask(b'me %s\r\n' % key), b'EN\r\n')
                    binary.send(request(GET, key))
                    head = binary.read(24)
                    binary.read(struct.unpack('>I', head[8:12])[0])
                    self.assertEqual(head[6:8], b'\0\1')
                self.assertEqual(client.ask(b'mg %s b v\r\n' % coded), b'EN\r\n')
                for line, answer in ((b'incr kt 1', b'NOT_FOUND\r\n'), (b'delete km', b'NOT_FOUND\r\n'),
                                     (b'touch kb 0', b'NOT_FOUND\r\n'), (b'ma kt', b'NF\r\n'), (b'md kt', b'NF\r\n')):
                    self.assertEqual(client.ask(line + b'\r\n'), answer)
                self.assertEqual(client.ask(b'append kt 0 0 1\r\ny\r\n'), b'NOT_STORED\r\n')
                self.assertEqual(client.ask(b'replace kt 0 0 1\r\ny\r\n'), b'NOT_STORED\r\n')
                self.assertEqual(client.ask(b'cas kt 0 0 1 1\r\ny\r\n'), b'NOT_FOUND\r\n')
                self.assertEqual(client.ask(b'add kt 0 0 1\r\ny\r\n'), b'STORED\r\n')
                self.assertEqual(client.ask(b'add km 0 0 1\r\ny\r\n'), b'STORED\r\n')
                self.assertEqual(present(client, (b'kt', b'km', b'kb')), {b'kt', b'km'})

    def test_stale_items(self):
        """A stale item goes, and nobody wins it; what is stored anew is fresh."""
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            client.ask(b'set stale 0 0 1\r\nx\r\n')
            self.assertEqual(client.ask(b'md stale I T30\r\n'), b'HD\r\n')
            flush(client, b'st')
            self.assertEqual(client.ask(b'mg stale v\r\n'), b'EN\r\n')
            self.assertEqual(client.ask(b'mg stale s v N30\r\n'), b'VA 0 s0 W\r\n')

    def test_over_udp(self):
        under_test = self.start(cores=2, flags=('-U', '%d' % server.free_port()))
        port = int(under_test.command[under_test.command.index('-U') + 1])
        with Datagrams(port) as datagrams, under_test.connect() as client:
            store(client, keys(b'a', 20) + keys(b'b', 20))
            self.assertEqual(datagrams.ask(b'flush_prefix a\r\n'), b'OK\r\n')
            self.assertEqual(present(client, keys(b'a', 20) + keys(b'b', 20)), set(keys(b'b', 20)))
            self.assertEqual(datagrams.ask(b'get a1\r\n'), b'END\r\n')

    def test_large_values(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                names = keys(b'large', 10)
                store(client, names, bytes(LARGE))
                flush(client, b'large1')
                self.assertEqual(present(client, names), set(names) - {b'large1'})
                flush(client, b'l')
                self.assertEqual(present(client, names), set())
                store(client, names, bytes(LARGE))
                self.assertEqual(present(client, names), set(names))

    def test_an_upload_that_began_before(self):
        """It is stored when it is complete: after the flush."""
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client, under_test.connect() as other:
                store(client, [b'large'], b'old')
                client.send(b'set large 0 0 %d\r\n' % LARGE + bytes(LARGE // 2))
                self.until(under_test, 'uploads', 1)
                flush(other, b'la')
                self.assertEqual(present(other, [b'large']), set())
                self.assertEqual(client.ask(bytes(LARGE - LARGE // 2) + b'\r\n'), b'STORED\r\n')
                self.assertEqual(present(other, [b'large']), {b'large'})

    def test_with_a_delay(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            store(client, keys(b'a', 10) + keys(b'b', 10))
            began = time.monotonic()
            flush(client, b'a 3')
            flush(client, b'b 1000')
            store(client, [b'a10'])
            there = present(client, keys(b'a', 11))
            counted = under_test.stat('flush_prefixes')
            if time.monotonic() < began + 2:
                self.assertEqual(there, set(keys(b'a', 11)))
                self.assertEqual(counted, '2')
            until_present(client, keys(b'a', 11) + keys(b'b', 10), set(keys(b'b', 10)))
            self.assertGreater(time.monotonic(), began + 2.5)
            store(client, keys(b'a', 11))
            self.assertEqual(present(client, keys(b'a', 11)), set(keys(b'a', 11)))
            self.until(under_test, 'flush_prefixes', 1)

    def test_without_a_reply(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            store(client, [b'a', b'b', b'noreply1'])
            client.send(b'flush_prefix a noreply\r\nflush_prefix b 0 noreply\r\n')
            self.assertEqual(client.ask(b'flush_prefix noreply\r\n'), b'OK\r\n')
            self.assertEqual(present(client, [b'a', b'b', b'noreply1']), set())

    def test_what_is_refused(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            store(client, [b'a'])
            self.assertEqual(client.ask(b'flush_prefix\r\n'), b'CLIENT_ERROR bad command line format\r\n')
            self.assertEqual(client.ask(b'flush_prefix %s\r\n' % (b'a' * 251)),
                             b'CLIENT_ERROR bad command line format\r\n')
            self.assertEqual(client.ask(b'flush_prefix a b\r\n'), b'CLIENT_ERROR invalid exptime argument\r\n')
            flush(client, b'a' * 250)
            self.assertEqual(present(client, [b'a']), {b'a'})
        under_test = self.start(cores=2, flags=('-F',))
        with under_test.connect() as client:
            store(client, [b'a'])
            flush(client, b'a', b'CLIENT_ERROR flush_prefix not allowed\r\n')
            self.assertEqual(client.ask(b'flush_prefix a noreply\r\nmn\r\n'), b'MN\r\n')
            self.assertEqual(present(client, [b'a']), {b'a'})

    def test_as_many_as_there_may_be(self):
        """Those to come hold their places; what is refused has changed nothing at any core. flush_all does not end them."""
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                names = keys(b'q', 50)
                store(client, names)
                for n in range(PREFIXES_MAX):
                    flush(client, b'p%d 1000' % n)
                for words in (b'q', b'q 1000', b'p1 2000'):
                    flush(client, words, TOO_MANY)
                self.assertEqual(client.ask(b'flush_prefix q noreply\r\nmn\r\n'), b'MN\r\n')
                self.assertEqual(present(client, names), set(names))
                self.assertEqual(int(under_test.stat('flush_prefixes')), PREFIXES_MAX)
                self.assertEqual(int(under_test.stat('cmd_flush_prefix')), PREFIXES_MAX)
                self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')
                self.assertEqual(int(under_test.stat('flush_prefixes')), PREFIXES_MAX)
                flush(client, b'q', TOO_MANY)

    def test_places_come_back(self):
        """From crawls, which also come where the crawler is disabled, and go to the end where it is bounded; and from
        flush_all."""
        for flags in ((), ('-o', 'no_lru_crawler'), ('-o', 'lru_crawler_tocrawl=10')):
            under_test = self.start(cores=2, flags=flags)
            with under_test.connect() as client:
                store(client, keys(b'a', 5000))
                for n in range(PREFIXES_MAX):
                    flush(client, b'p%d 1000' % n if n % 2 else b'a%d' % n)
                self.until(under_test, 'flush_prefixes', PREFIXES_MAX // 2)
                self.assertEqual(int(under_test.stat('lru_crawler_running')), 0)
                flush(client, b'a')
                self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')
                for n in range(PREFIXES_MAX // 2):
                    flush(client, b'b%d 1000' % n)
                flush(client, b'c', TOO_MANY)

    def test_many_at_once(self):
        """Over connections and cores: each is answered, and its items are gone. The same prefix takes one place."""
        under_test = self.start(cores=3)
        failures = []

        def one(number):
            with under_test.connect() as client:
                for n in range(100):
                    names = keys(b'%d:' % number, 5)
                    store(client, names)
                    if client.ask(b'flush_prefix %d:\r\n' % number) != b'OK\r\n' or present(client, names):
                        failures.append((number, n))
        threads = [server.Thread(target=one, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.until(under_test, 'flush_prefixes', 0)

    def test_pipelined(self):
        """Each command takes effect behind what was sent before it, and before what comes behind."""
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                for n in range(200):
                    client.send(b'set a%d 0 0 1\r\nx\r\nflush_prefix a\r\nget a%d\r\nset a%d 0 0 1\r\ny\r\nget a%d\r\n' %
                                (n, n, n, n))
                for n in range(200):
                    self.assertEqual(client.read_line(), b'STORED\r\n')
                    self.assertEqual(client.read_line(), b'OK\r\n')
                    self.assertEqual(client.read_line(), b'END\r\n')
                    self.assertEqual(client.read_line(), b'STORED\r\n')
                    self.assertEqual(client.read_line(), b'VALUE a%d 0 1\r\n' % n)
                    self.assertEqual(client.read(8), b'y\r\nEND\r\n')

    def test_is_told(self):
        """To those who watch, once."""
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as watcher, under_test.connect() as client:
                self.assertEqual(watcher.ask(b'watch deletions\r\n'), b'OK\r\n')
                store(client, [b'a:b'])
                flush(client, b'a:')
                flush(client, b'a: 10')
                client.ask(b'delete a:b\r\n')
                store(client, [b'a:b'])
                client.ask(b'delete a:b\r\n')
                for told in (b'type=flush_prefix key=a%3A delay=0 cfd=', b'type=flush_prefix key=a%3A delay=10 cfd=',
                             b'type=deleted key=a%3Ab cmd=delete'):
                    self.assertIn(told, watcher.read_line())


class Restart(FileTest):

    def check(self, end, cores):
        one = self.begin()
        with one.connect() as client:
            store(client, keys(b'a', 500) + keys(b'b', 500) + keys(b'c', 10))
            flush(client, b'a1')
            flush(client, b'b2')
            flush(client, b'c 4')
            store(client, [b'a11'], b'new')
        end(one)
        two = self.begin(cores=cores)
        with two.connect() as client:
            wanted = {name for name in keys(b'a', 500) if not name.startswith(b'a1')} | {b'a11'}
            self.assertEqual(present(client, keys(b'a', 500)), wanted)
            self.assertEqual(present(client, keys(b'b', 500)),
                             {name for name in keys(b'b', 500) if not name.startswith(b'b2')})
            until_present(client, keys(b'c', 10), set())
            store(client, keys(b'c', 10))
            self.assertEqual(present(client, keys(b'c', 10)), set(keys(b'c', 10)))
        two.stop()

    def test_ended(self):
        self.check(lambda one: one.stop(), self.cores)

    def test_killed(self):
        self.check(lambda one: one.kill(), self.cores)

    def test_moved_to_other_settings(self):
        self.check(lambda one: one.kill(), 3)


if __name__ == '__main__':
    server.main()
