"""The most memory that the process takes: what the start says, that it keeps to it whatever clients do,
that it gives back what has been idle, and that it warns where a container's limit is lower."""
import contextlib
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import server

MIB = 1 << 20
CORE, CONNECTION = 6 * MIB, 24 << 10  # bytes beside -m
IDLE, PROCESS = 2 * MIB, MIB  # when nothing is done: of a core, and of the process
VALUE = 16000
CROWD = 100 if server.SANITIZED else 300
KEYS = 16
PREFIXES = 8000
SETTLE_S = 120  # a limit, and no more: it takes some seconds


def most_in_line(under_test):
    return int(re.search(r' MB, at most (\d+) MB in all', under_test.output())[1])


def binary_get(key):
    return struct.pack('>BBHBBHIIQ', 0x80, 0, len(key), 0, 0, 0, len(key), 0, 0) + key


REQUESTS = (lambda key: b'get %s\r\n' % key, lambda key: b'mg %s v\r\n' % key, binary_get)


@unittest.skipIf(server.ORIGINAL, 'this is ours')
class SumTest(server.ServerTest):
    """The number in the start line, and that of `stats`."""

    def expect(self, most, *flags, cores=1):
        under_test = self.start(cores=cores, flags=flags)
        self.assertEqual(most_in_line(under_test), most)
        told = int(under_test.stat('process_maxbytes'))
        self.assertEqual((told + MIB - 1) // MIB, most)

    def test_sum(self):
        self.expect(64 + 6 + 24)
        self.expect(64 + 2 * 6 + 24, cores=2)
        self.expect(100 + 6 + 3, '-m', '100', '-c', '128')
        self.expect(100 + 6 + 1, '-m', '100', '-c', '1')

    def test_raised_memory(self):
        under_test = self.start(flags=('-m', '64'))
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'cache_memlimit 80\r\n'), b'OK\r\n')
        self.assertEqual(int(under_test.stat('process_maxbytes')), (80 + 6 + 24) * MIB)


class Crowd(server.ServerTest):
    """What a server has beside its stores."""

    def setUp(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(1024, min(hard, 4096)), hard))

    def open(self, cores, *flags):
        under_test = self.start(cores=cores, flags=('-m', str(16 * cores), '-c', str(CROWD + 50), *flags))
        self.under_test, self.cores = under_test, cores
        self.one = under_test.connect()
        self.addCleanup(self.one.close)
        for i in range(KEYS):
            self.assertEqual(self.one.ask(b'set key%d 0 0 %d\r\n%s\r\n' % (i, VALUE, b'v' * VALUE)),
                             b'STORED\r\n')

    def beside(self):
        """Bytes that no file backs, but for the stores'."""
        with open('/proc/%d/status' % self.under_test.pid, encoding='ascii') as file:
            resident = 1024 * sum(int(size) for size in re.findall(r'Rss(?:Anon|Shmem):\s+(\d+)',
                                                                   file.read()))
        return resident - int(self.under_test.stat('store_bytes', self.one))

    def is_bounded(self):
        connections = int(self.under_test.stat('curr_connections', self.one))
        if not server.SANITIZED:
            self.assertLess(self.beside(), self.cores * CORE + connections * CONNECTION)

    def gives_back(self):
        """A sanitizer keeps what was freed."""
        deadline = time.monotonic() + SETTLE_S
        while not server.SANITIZED and self.beside() > self.cores * IDLE + PROCESS:
            self.assertLess(time.monotonic(), deadline, self.beside())
            time.sleep(0.2)

    def crowd(self, requests, ends):
        """Connections that send as much of that as goes without waiting, and never read."""
        clients = []
        for number in range(CROWD):
            client = ends.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(server.TIMEOUT_S)
            client.connect(('127.0.0.1', self.under_test.port))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.send(requests(number))
            clients.append(client)
            if number % 50 == 0:
                self.is_bounded()
        return clients

    def answers(self):
        """Who reads is served meanwhile, all of it."""
        with self.under_test.connect() as client:
            client.send(b''.join(b'get key%d\r\n' % i for i in range(KEYS)))
            for i in range(KEYS):
                self.assertEqual(client.read_line(), b'VALUE key%d 0 %d\r\n' % (i, VALUE))
                self.assertEqual(client.read(VALUE + 7), b'v' * VALUE + b'\r\nEND\r\n')


@unittest.skipIf(server.ORIGINAL, 'this is ours')
class UnreadTest(Crowd):
    """Replies that nobody takes, in all protocols."""

    def check(self, cores):
        self.open(cores)
        wanted = [b''.join(request(b'key%d' % (i % KEYS)) for i in range(200)) for request in REQUESTS]
        with contextlib.ExitStack() as ends:
            self.crowd(lambda number: wanted[number % len(wanted)], ends)
            for _ in range(5):
                self.is_bounded()
                self.answers()

    def test_one_core(self):
        self.check(1)
        self.gives_back()
        self.answers()

    def test_two_cores(self):
        self.check(2)


def binary_dump():
    return struct.pack('>BBHBBHIIQ', 0x80, 0x10, 11, 0, 0, 0, 11, 0, 0) + b'detail dump'


@unittest.skipIf(server.ORIGINAL, 'this is ours')
class LongTest(Crowd):
    """Answers that are made in one piece, which nobody takes."""

    WORDS = b'stats detail dump\r\n', binary_dump()
    TEXT = b''.join(b'PREFIX p%031d get 0 hit 0 set 1 del 0\r\n' % i for i in range(PREFIXES))

    def count_prefixes(self):
        self.assertEqual(self.one.ask(b'stats detail on\r\n'), b'OK\r\n')
        self.one.send(b''.join(b'set p%031d:x 0 0 1 noreply\r\nx\r\n' % i for i in range(PREFIXES)))
        self.assertRegex(self.one.ask(b'version\r\n'), b'VERSION ')

    def is_whole(self, text):
        self.assertEqual(sorted(text.splitlines()), sorted(self.TEXT.splitlines() + [b'END']))

    def text_answer(self, client):
        """Whether it is whole; or it is refused, and the connection goes on."""
        line = client.ask(self.WORDS[0])
        if line == b'SERVER_ERROR out of memory writing stats\r\n':
            self.assertRegex(client.ask(b'version\r\n'), b'VERSION ')
            return False
        self.is_whole(line + client.read(len(self.TEXT) + len(b'END\r\n') - len(line)))
        return True

    def binary_answer(self, client):
        def packet():
            _, _, key, _, _, status, length, _, _ = struct.unpack('>BBHBBHIIQ', client.read(24))
            return status, client.read(length)[key:]
        client.send(self.WORDS[1])
        status, text = packet()
        if status != 0:
            self.assertEqual((status, text), (0x82, b'Out of memory'))
            return False
        self.is_whole(text)
        self.assertEqual(packet(), (0, b''))
        return True

    def both_answers(self):
        with self.under_test.connect() as text, self.under_test.connect() as binary:
            return [self.text_answer(text), self.binary_answer(binary)]

    def until(self, true, remark):
        deadline = time.monotonic() + SETTLE_S
        while not true():
            self.assertLess(time.monotonic(), deadline, remark)
            time.sleep(0.1)

    def keeps_bound(self):
        """In the end: the sums themselves, while they are made, count nowhere."""
        connections = int(self.under_test.stat('curr_connections', self.one))
        most = self.cores * CORE + connections * CONNECTION
        self.until(lambda: server.SANITIZED or self.beside() < most, 'memory that clients hold')

    def check(self, io):
        self.open(2, '-o', 'io=' + io)
        self.count_prefixes()
        self.assertEqual(self.both_answers(), [True, True])
        with contextlib.ExitStack() as ends:
            clients = []
            for number in range(CROWD // 3):
                client = ends.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.settimeout(SETTLE_S)
                client.connect(('127.0.0.1', self.under_test.port))
                client.sendall(8 * self.WORDS[number % 2])
                clients.append(client)
            for client in clients:
                self.assertEqual(len(client.recv(1, socket.MSG_PEEK)), 1)  # its first answer is there
            self.answers()
            self.both_answers()
            self.keeps_bound()
        self.until(lambda: self.both_answers() == [True, True], 'nothing is scarce any more')

    def test_auto(self):
        self.check('auto')

    def test_epoll(self):
        self.check('epoll')


@unittest.skipIf(server.ORIGINAL, 'this is ours')
class StalledTest(Crowd):
    """Values that come in halves."""

    @staticmethod
    def value(number):
        return bytes([97 + number % 26]) * (VALUE + number)

    def half(self, number):
        head = b'set stalled%d 0 0 %d\r\n' % (number, VALUE + number)
        return head + self.value(number)[:VALUE - 100]

    def test_half_values(self):
        self.open(2)
        with contextlib.ExitStack() as ends:
            clients = self.crowd(self.half, ends)
            self.answers()
            for number, client in enumerate(clients):
                client.settimeout(server.TIMEOUT_S)
                client.sendall(self.value(number)[VALUE - 100:] + b'\r\n')
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(100), b'STORED\r\n', number)
            self.is_bounded()
        answer = self.one.ask(b'mg stalled%d v\r\n' % (CROWD - 1))
        self.assertEqual(answer, b'VA %d\r\n' % (VALUE + CROWD - 1))
        self.assertEqual(self.one.read(VALUE + CROWD + 1), self.value(CROWD - 1) + b'\r\n')


@unittest.skipIf(server.ORIGINAL, 'this is ours')
class BusyTest(Crowd):
    """Clients that ask for more at once than messages have space for, and read."""

    def test_many_keys(self):
        self.open(4)
        names = b' '.join(b'key%d' % (i % KEYS) for i in range(50))
        clients = [self.under_test.connect() for _ in range(20)]
        for client in clients:
            self.addCleanup(client.close)
        for _ in range(3):
            for client in clients:
                client.send(b'get %s\r\n' % names)
            for client in clients:
                for i in range(50):
                    self.assertEqual(client.read_line(), b'VALUE key%d 0 %d\r\n' % (i % KEYS, VALUE))
                    client.read(VALUE + 2)
                self.assertEqual(client.read_line(), b'END\r\n')
            self.is_bounded()

    def test_order(self):
        """What is written behind a read is not what that reads, though the read had to be repeated."""
        self.open(4)
        with self.under_test.connect() as client:
            sent, wanted = [], []
            for i in range(2000):
                length = 100 if i % 100 else 3000  # from time to time one that needs more space
                key, old, new = b'order%d' % (i % 50), b'%d' % i, b'x%d' % i
                sent += [b'set %s 0 0 %d noreply\r\n%s\r\n' % (key, length, old.ljust(length)),
                         b'get %s\r\n' % key, b'get %s\r\n' % key,
                         b'set %s 0 0 %d noreply\r\n%s\r\n' % (key, length, new.ljust(length))]
                answer = b'VALUE %s 0 %d\r\n%s\r\nEND\r\n' % (key, length, old.ljust(length))
                wanted += [answer, answer]
                if i % 50 == 49:
                    client.send(b''.join(sent))
                    for answer in wanted:
                        self.assertEqual(client.read(len(answer)), answer)
                    sent, wanted = [], []


@unittest.skipIf(server.ORIGINAL, 'this is ours')
class LimitTest(server.ServerTest):
    """A control group's limit, in a tree of files that stands where the kernel's does."""

    def serve(self, files):
        tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, tree)
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            with open(os.path.join(tree, name), 'w', encoding='ascii') as file:
                file.write(text)
        probe = ['unshare', '-m', 'mount', '--bind', tree, '/sys/fs/cgroup']
        if subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest('no tree can be mounted there')
        mounting = 'mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"'
        command = ['unshare', '-m', 'sh', '-c', mounting, 'sh', tree, *server.program(),
                   *server.user_flags(), '-m', '64', '-c', '1024', '--cores', '1']
        under_test = server.Server(command=command)
        self.addCleanup(under_test.stop)
        return under_test.errors()

    @staticmethod
    def own(version):
        """Names of the group's files, and of the one above, as this machine has them."""
        with open('/proc/self/cgroup', encoding='ascii') as file:
            lines = [line.rstrip('\n').split(':', 2) for line in file]
        if version == 2:
            paths = [path for number, _, path in lines if number == '0']
            return [path.strip('/') + '/memory.max' for path in paths]
        paths = [path for _, names, path in lines if 'memory' in names.split(',')]
        return ['memory/' + path.strip('/') + '/memory.limit_in_bytes' for path in paths]

    def test_warning(self):
        line = ("simplecache: the cgroup's limit on memory is 80 MB, less than the 94 MB that the server may "
                'take (-m, -t, -c): the kernel ends it there\n')
        found = 0
        for version in (1, 2):
            for name in self.own(version):
                name = name.replace('//', '/').lstrip('/')
                with self.subTest(name=name):
                    self.assertEqual(self.serve({name: '%d\n' % (80 * MIB)}), line)
                    self.assertEqual(self.serve({name: '%d\n' % (94 * MIB)}), '')
                    self.assertEqual(self.serve({name: 'max\n'}), '')
                found += 1
        if not found:
            self.skipTest('there are no control groups')


if __name__ == '__main__':
    server.main()
