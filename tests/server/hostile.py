"""Clients that mean harm or know no better: the server keeps answering and keeps its bounds.

The long forms of the tests are chosen by the environment:
  HOSTILE_SECONDS   how long connections are opened and killed (default 3)
  HOSTILE_CLIENTS   how many of them there are at once (default 50)
  HOSTILE_GETS      how many gets the client that never reads pipelines (default 200000,
                    25000 with a sanitizer)
  HOSTILE_CORES     on how many cores (default 3)
e.g. HOSTILE_SECONDS=20 HOSTILE_CLIENTS=200 HOSTILE_GETS=1000000 SIMPLECACHE=build/core/simplecache
     /usr/bin/python3 tests/server/hostile.py
"""
import os
import random
import re
import struct
import time
import unittest

import server
from startup import hide_limit

SECONDS = float(os.environ.get('HOSTILE_SECONDS', 3))
CLIENTS = int(os.environ.get('HOSTILE_CLIENTS', 50))
GETS = int(os.environ.get('HOSTILE_GETS', 25000 if server.SANITIZED else 200000))
CORES = int(os.environ.get('HOSTILE_CORES', 3))
GROWTH_MAX = 8 << 20  # bytes of resident memory that clients that never read may cost
LATENCY_MAX_S = 2.0  # of most; any of them may meet a busy machine


def settled(read, wanted, limit_s=server.TIMEOUT_S):
    """The value of read() once it is as wanted, or what it is at the end."""
    deadline = time.monotonic() + limit_s
    while (value := read()) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


def binary(opcode, key=b'', extras=b'', value=b''):
    """A binary request."""
    body = extras + key + value
    return struct.pack('>BBHBBHIIQ', 0x80, opcode, len(key), len(extras), 0, 0, len(body), 0,
                       0) + body


def fragments(rng):
    """Something to say, cut off anywhere."""
    key = b'key%d' % rng.randrange(200)
    size = rng.choice((1, 100, 5000, 200000))
    said = rng.choice((
        b'get %s\r\n' % key,
        b'get ' + b' '.join(b'key%d' % n for n in range(200)) + b'\r\n',
        b'set %s 0 0 %d\r\n' % (key, size) + b'v' * size + b'\r\n',
        b'set %s 0 0 %d noreply\r\n' % (key, size) + b'v' * size + b'\r\n',
        b'incr %s 1\r\ndelete %s\r\nstats\r\nflush_all\r\n' % (key, key),
        b'get big\r\n' * 20,
        b'append %s 0 0 3\r\nabc\r\n' % key))
    said *= rng.choice((1, 1, 5, 50 if len(said) < 1000 else 1))
    if rng.random() < 0.3:
        said = rng.choice((binary(0x0c, key) * 50, binary(0x01, key, bytes(8), b'v' * size),
                           binary(0x09, key) * 20 + binary(0x0a), binary(0x10)))
    return said[:rng.randrange(len(said) + 1)] if rng.random() < 0.7 else said


def vandal(port, seed, until, trouble):
    """Opens connections, says something, perhaps listens a little, and breaks them off."""
    rng = random.Random(seed)
    while time.monotonic() < until:
        try:
            client = server.Connection(port)
        except OSError as error:
            trouble.append(error)
            return
        client.socket.settimeout(rng.choice((0.001, 0.01)))
        try:
            client.send(fragments(rng))
            if rng.random() < 0.5:
                client.socket.recv(rng.choice((1, 100, 100000)))
            if rng.random() < 0.2:
                client.end_input()
        except OSError:
            pass
        (client.reset if rng.random() < 0.5 else client.close)()


class Disconnects(server.ServerTest):
    """Connections that end in the middle of anything."""

    def test_open_and_kill(self):
        """At random, for a time; then everything is back to where it was."""
        seed = int(os.environ.get('HOSTILE_SEED', time.time()))
        print('# seed %d' % seed)
        under_test = self.start(cores=CORES)
        with under_test.connect_alone() as witness:
            big = b'b' * 100000
            self.assertEqual(witness.ask(b'set big 0 0 100000\r\n%s\r\n' % big), b'STORED\r\n')
            before = under_test.descriptors()
            until, trouble = time.monotonic() + SECONDS, []
            vandals = [server.Thread(target=vandal, args=(under_test.port, '%d.%d' % (seed, n),
                                                             until, trouble))
                       for n in range(CLIENTS)]
            for one in vandals:
                one.start()
            while time.monotonic() < until:
                self.assertEqual(witness.ask(b'verbosity 0\r\n'), b'OK\r\n')
                time.sleep(0.01)
            for one in vandals:
                one.join()
            self.assertEqual(trouble, [])
            self.assertEqual(settled(under_test.descriptors, before), before)
            # what was received of a connection that is gone may still run until here: flush_all, say
            self.assertEqual(witness.ask(b'set big 0 0 2\r\nok\r\n'), b'STORED\r\n')
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'get big\r\n'), b'VALUE big 0 2\r\n')


class Greedy(server.Connection):
    """A client that pipelines gets of one 1 KB value and doesn't read until it is told to."""

    def begin(self, key, count):
        self.key, self.count = key, count
        self.value = (b'%s:' % key).ljust(1024, b'v')
        assert self.ask(b'set %s 0 0 1024\r\n%s\r\n' % (key, self.value)) == b'STORED\r\n'
        self.answer = b'VALUE %s 0 1024\r\n%s\r\nEND\r\n' % (key, self.value)
        self.sent = 0
        self.error = None
        self.sender = server.Thread(target=self.pipeline)
        self.sender.start()

    def shard_of(self, key):
        """CAS values are counter * shards + shard; of two shards here."""
        self.send(b'set %s 0 0 0\r\n\r\ngets %s\r\n' % (key, key))
        return int([self.read_line() for _ in range(4)][1].split()[4]) % 2

    def reactor(self, under_test):
        """The one that the log says its connection is on."""
        opened = re.compile(r'opened by tcp:127\.0\.0\.1:%d on reactor (\d+)\n'
                            % self.socket.getsockname()[1])
        settled(lambda: opened.search(under_test.errors()) is not None, True)
        return int(opened.search(under_test.errors())[1])

    def key_elsewhere(self, under_test):
        """A key that isn't on its connection's shard."""
        here = self.reactor(under_test)
        return next(key for key in (b'greedy%d' % n for n in range(1000))
                    if self.shard_of(key) != here)

    def pipeline(self):
        """All the gets, as fast as the server takes them."""
        commands = b'get %s\r\n' % self.key * self.count
        self.socket.settimeout(None)
        view = memoryview(commands)
        try:
            while self.sent < len(commands):
                self.sent += self.socket.send(view[self.sent:self.sent + (1 << 20)])
        except OSError as error:
            self.error = error

    def stalled(self):
        """Waits until the server takes nothing more; how many bytes it took."""
        while True:
            before = self.sent
            time.sleep(0.5)
            if self.sent == before:
                return before

    def wrong_answers(self):
        """Reads everything; how many answers are missing or wrong."""
        batch = 256
        right = self.answer * batch
        for start in range(0, self.count, batch):
            wanted = right if start + batch <= self.count else self.answer * (self.count - start)
            if self.receive(len(wanted)) != wanted:
                return self.count - start
        return 0

    def receive(self, length):
        """recv_into, without the growing buffer of read()."""
        received = bytearray(length)
        view, at = memoryview(received), 0
        while at < length and (got := self.socket.recv_into(view[at:])):
            at += got
        return received[:at]


class NeverReading(server.ServerTest):
    """Back-pressure: what is not read is not produced."""

    def check(self, cores, keys):
        """One greedy client per key, at once."""
        under_test = self.start(cores=cores)
        clients = [Greedy(under_test.port) for _ in keys]
        self.press(under_test, dict(zip(clients, keys)))

    def press(self, under_test, keys):
        """Clients, each with its key: together they cost little, and nobody else anything."""
        other = under_test.connect()
        self.addCleanup(other.close)
        self.assertEqual(other.ask(b'set small 0 0 0\r\n\r\n'), b'STORED\r\n')
        before = under_test.resident_bytes()
        for client, key in keys.items():
            self.addCleanup(client.close)
            client.begin(key, GETS)
        for client in keys:
            client.stalled()
        growth = under_test.resident_bytes() - before
        latencies = sorted(self.latency_s(other) for _ in range(300))
        worst = latencies[-1]
        print('# resident memory grew by %d KiB, %s of %d bytes of commands taken, longest get of '
              'another client %.1f ms' % (growth >> 10, [client.sent for client in keys],
                                          sum(len(b'get %s\r\n' % key) * GETS
                                              for key in keys.values()), worst * 1000))
        if not server.SANITIZED:
            self.assertLess(growth, GROWTH_MAX)
        self.assertLess(latencies[len(latencies) // 2], LATENCY_MAX_S)
        self.read_all(keys)
        self.assertEqual(other.ask(b'get nothing\r\n'), b'END\r\n')

    def latency_s(self, client):
        begun = time.monotonic()
        self.assertEqual(client.ask(b'get nothing\r\n'), b'END\r\n')
        return time.monotonic() - begun

    def read_all(self, clients):
        """Every client gets every answer, all of them reading at once."""
        wrong = {}
        readers = [server.Thread(target=lambda one=one: wrong.update({one: one.wrong_answers()}))
                   for one in clients]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        for client in clients:
            client.sender.join(server.TIMEOUT_S)
            self.assertIsNone(client.error)
        self.assertEqual(wrong, dict.fromkeys(clients, 0))

    def test_one_core(self):
        self.check(1, [b'greedy'])

    def test_many_cores(self):
        """With enough keys one at least belongs to a shard that isn't the connection's."""
        self.check(CORES, [b'greedy%d' % n for n in range(3)])

    @unittest.skipIf(server.ORIGINAL, 'memcached has no shards')
    def test_each_on_the_others_shard(self):
        """The keys of a connection on either core are on the other, and the rings hold one message:
        no deadlock."""
        under_test = self.start(cores=2, ring_capacity=1, flags=('--verbose', '-o', 'no_conn_moves'))
        clients = [Greedy(under_test.port) for _ in range(4)]
        self.assertEqual({client.reactor(under_test) for client in clients}, {0, 1})
        self.press(under_test, {client: client.key_elsewhere(under_test) for client in clients})


class Crowds(server.ServerTest):
    """More connections than allowed."""

    REFUSED = b'ERROR Too many open connections\r\n'

    def crowd(self, under_test, limit):
        """Up to the limit all are served, above it all are told; leaving makes room again."""
        clients = [under_test.connect_alone()] + [under_test.connect() for _ in range(limit - 1)]
        for client in clients:
            self.addCleanup(client.close)
        for client in clients:
            self.assertEqual(client.ask(b'get a\r\n'), b'END\r\n')
        for _ in range(20):
            with under_test.connect() as client:
                self.assertEqual(client.read_all(), self.REFUSED)
        for client in clients[:5]:
            client.close()
        deadline = time.monotonic() + server.TIMEOUT_S
        served = 0
        while served < 5 and time.monotonic() < deadline:
            client = under_test.connect()
            self.addCleanup(client.close)
            try:
                client.send(b'get a\r\n')
                served += client.read_line() == b'END\r\n'
            except ConnectionError:
                pass
        self.assertEqual(served, 5)
        for client in clients[5:]:
            self.assertEqual(client.ask(b'get a\r\n'), b'END\r\n')

    @unittest.skipIf(server.ORIGINAL, "memcached's limit is not exact")
    def test_limit_on_connections(self):
        under_test = self.start(cores=2, flags=('-c', '20'))
        self.crowd(under_test, 20)

    @unittest.skipIf(server.ORIGINAL, "memcached's limit is not exact")
    def test_limit_on_connections_and_few_descriptors(self):
        """A -c that just fits into a low hard limit on descriptors works as well."""
        under_test = self.start(cores=2, flags=('-c', '30'), nofile=(80, 80))
        self.crowd(under_test, 30)

    @unittest.skipIf(server.ORIGINAL, "memcached's accepting is tested in stats_events")
    def test_out_of_descriptors(self):
        """accept() fails with EMFILE, since the server couldn't see how low the limit is: it
        serves those it has, does not spin, and takes new ones when there is room again."""
        under_test = self.start(cores=2, flags=('-c', '50'), nofile=(35, 35), before=hide_limit)
        witness = under_test.connect()
        self.addCleanup(witness.close)
        self.assertEqual(witness.ask(b'get a\r\n'), b'END\r\n')
        crowd = self.press(under_test, 45)
        self.served(crowd, 45)
        self.assertTrue(settled(lambda: int(under_test.stat('listen_disabled_num', witness)) > 0, True))
        before, begun = self.cpu_s(under_test.pid), time.monotonic()
        time.sleep(0.5)
        if not server.SANITIZED:
            self.assertLess(self.cpu_s(under_test.pid) - before, 0.4 * (time.monotonic() - begun))
        self.assertEqual(witness.ask(b'get a\r\n'), b'END\r\n')
        for client in crowd:
            client.close()
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'get a\r\n'), b'END\r\n')
        self.assertEqual(settled(lambda: under_test.stat('accepting_conns'), '1'), '1')
        self.assertGreater(int(under_test.stat('listen_disabled_num')), 0)
        self.assertGreater(int(under_test.stat('time_in_listen_disabled_us')), 0)

    def press(self, under_test, count):
        """Up to `count` connections; the server may stop listening before that."""
        crowd = []
        for _ in range(count):
            try:
                crowd.append(under_test.connect(timeout=1))
            except (TimeoutError, ConnectionError):
                break
        return crowd

    def served(self, crowd, fewer_than):
        """Some get their answer, not all; the others wait or are told."""
        for client in crowd:
            try:
                client.send(b'get a\r\n')
            except ConnectionError:
                pass
        crowd[0].socket.settimeout(server.TIMEOUT_S)  # the first has come in, and is waited for
        self.assertEqual(crowd[0].ask(b'get a\r\n'), b'END\r\n')
        for client in crowd:
            client.socket.settimeout(0.02)
        answers = [self.answer(client) for client in crowd]
        self.assertLess(answers.count(b'END\r\n'), fewer_than)
        self.assertEqual(set(answers) - {b'END\r\n', b'', self.REFUSED}, set())

    @staticmethod
    def answer(client):
        try:
            return client.read_line()
        except TimeoutError:
            return b''

    @staticmethod
    def cpu_s(pid):
        """CPU time that a process has used, from /proc/PID/stat."""
        with open('/proc/%d/stat' % pid, encoding='ascii') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Garbage(server.ServerTest):
    """Bytes that mean nothing."""

    def test_garbage(self):
        """Each connection ends or answers errors; a neighbour on each core notices nothing."""
        seed = int(os.environ.get('HOSTILE_SEED', time.time()))
        print('# seed %d' % seed)
        rng = random.Random(seed)
        under_test = self.start(cores=CORES)
        neighbours = [under_test.connect() for _ in range(2 * CORES)]
        for number, client in enumerate(neighbours):
            self.addCleanup(client.close)
            self.assertEqual(client.ask(b'set neighbour%d 0 0 1\r\nx\r\n' % number), b'STORED\r\n')
        for _ in range(100):
            self.spout(under_test, self.nonsense(rng))
            number = rng.randrange(len(neighbours))
            client = neighbours[number]
            self.assertEqual(client.ask(b'get neighbour%d\r\n' % number),
                             b'VALUE neighbour%d 0 1\r\n' % number)
            self.assertEqual(client.read(8), b'x\r\nEND\r\n')

    def nonsense(self, rng):
        """Random bytes, with a beginning that leads into either protocol."""
        noise = rng.randbytes(rng.choice((1, 30, 3000, 100000)))
        beginning = rng.choice((b'', b'\x80', b'\x80' + bytes([rng.randrange(40)]) + b'\0\5',
                                b'get ', b'set a 0 0 50\r\n',
                                binary(0x0c, b'key'), b'\0', b'\xff\xff', b'\n' * 100,
                                b'gets ' + b'k' * 3000))
        return beginning + noise

    def spout(self, under_test, noise):
        with under_test.connect() as client:
            try:
                client.send(noise)
                client.end_input()
            except OSError:
                pass  # it may have closed already
            answer = client.read_all()
            if noise[:1] == b'\x80':
                self.assertIn(answer[:1], (b'', b'\x81'))
            else:
                for line in answer.split(b'\r\n')[:1]:
                    self.assertRegex(line, rb'^(|END|ERROR.*|CLIENT_ERROR .*|SERVER_ERROR .*|STORED)$')


if __name__ == '__main__':
    server.main()
