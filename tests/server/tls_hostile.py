"""TLS: bytes that are cut, changed or missing, in the handshake and behind it: the server refuses them, keeps
answering others, and keeps nothing of it."""
import contextlib
import random
import select
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest

import server
from tls import Cut
from tls_server import TlsTest

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
SIZES = (1, 2, 5, 10, 100, 1 << 20)  # of fragments
SEED = random.randrange(1 << 32)
GROWTH_MAX = 8 << 20


def records(data):
    """The places where records begin, and the end."""
    places = [0]
    while places[-1] < len(data):
        places.append(places[-1] + 5 + struct.unpack('>H', data[places[-1] + 3:places[-1] + 5])[0])
    return places


class Recorder(Cut):
    """A client whose encrypted bytes are given out instead of sent."""

    def take(self, *texts):
        for text in texts:
            self.encrypt(text)
        return self.going.read()

    def send(self, data, size):
        try:
            for start in range(0, len(data), size):
                self.socket.sendall(data[start:start + size])
        except OSError:
            pass  # it has been refused by now

    def end_input(self):
        with contextlib.suppress(OSError):  # likewise
            self.socket.shutdown(socket.SHUT_WR)

    def outcome(self):
        """All answers up to the end, and how that was."""
        got = b''
        try:
            while part := self.until(lambda: self.tls.read(1 << 16)):
                got += part
            return got, 'close_notify'
        except EOFError:
            return got, 'end'
        except ssl.SSLError as error:
            return got, str(error)
        except OSError as error:
            return got, type(error).__name__


class Hostile(TlsTest):
    def setUp(self):
        self.server = self.start_tls(cores=2)
        self.random = random.Random(SEED)
        self.addCleanup(lambda: self.settle(lambda: self.server.stat('curr_connections'), '1'))

    def id(self):
        return '%s (seed %d)' % (super().id(), SEED)

    def recorder(self, version):
        return Recorder(self.server.ports['tls'], self.server.context(version=version))

    def test_flipped_bits(self):
        """One in each part of a record: the client learns by an alert, and what came before is answered or not, but
        nothing else."""
        refused = 0
        for version in VERSIONS:
            for size in SIZES:
                for part in range(6):
                    with self.recorder(version) as client:
                        data = bytearray(client.take(b'mn\r\n', b'set f 0 0 5000\r\n' + b'x' * 5000 + b'\r\n', b'mn\r\n'))
                        begins = records(data)
                        head = begins[1]
                        place = head + part if part < 5 else self.random.randrange(head + 5, begins[2])
                        data[place] ^= 1 << self.random.randrange(8)
                        client.send(data, size)
                        client.end_input()
                        got, how = client.outcome()
                        self.assertIn(got, (b'', b'MN\r\n'), (version, size, part))
                        refused += 1
                        if part == 5:
                            self.assertRegex(how, 'alert|ALERT', (version, size))
        self.assertGreater(int(self.server.stat('ssl_proto_errors')), refused // 2)

    def test_truncated(self):
        """The end in the middle of a record, at every place of it: what was whole is answered."""
        for version in VERSIONS:
            with self.recorder(version) as client:
                length = len(client.take(b'mn\r\n', b'get none\r\n'))
            for cut in range(length):
                with self.recorder(version) as client:
                    data = client.take(b'mn\r\n', b'get none\r\n')
                    client.send(data[:cut], self.random.choice(SIZES))
                    client.end_input()
                    whole = sum(place <= cut for place in records(data)) - 1
                    self.assertEqual(client.outcome()[0], b'MN\r\n' * whole)

    def test_order_and_repetition(self):
        """Records that come twice, or in another order."""
        for version in VERSIONS:
            for order in ((1, 0), (0, 0), (0, 1, 1)):
                with self.recorder(version) as client:
                    data = client.take(b'mn\r\n', b'get none\r\n')
                    begins = records(data)
                    client.send(b''.join(data[begins[i]:begins[i + 1]] for i in order), 1 << 20)
                    got, how = client.outcome()
                    self.assertRegex(how, 'alert|ALERT')
                    self.assertIn(got, (b'', b'MN\r\n', b'MN\r\nEND\r\n'))

    def test_oversized(self):
        for version in VERSIONS:
            for length in (16384 + 2049, 65535):
                with self.recorder(version) as client:
                    client.send(b'\x17\x03\x03' + struct.pack('>H', length) + bytes(length), 1 << 20)
                    self.assertRegex(client.outcome()[1], 'alert|ALERT')

    def test_random_bytes(self):
        for _ in range(200):
            with server.Connection(self.server.ports['tls']) as client:
                data = bytearray(self.random.randbytes(self.random.randrange(1, 600)))
                if self.random.randrange(2):
                    data[:5] = b'\x16\x03\x01' + struct.pack('>H', self.random.choice((0, 1, 100, 16384, 20000)))
                client.send(data)
                with contextlib.suppress(OSError):  # it may have been refused by now
                    client.end_input()
                client.read_all()

    def handshake(self, version, limit, client_limit, reset):
        """A handshake that ends after so many bytes of either side; true when it got as far."""
        context = self.server.context(client='client', version=version)
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(coming, going, server_hostname='localhost')
        with socket.create_connection(('127.0.0.1', self.server.ports['mtls']), server.TIMEOUT_S) as client:
            while limit > 0 and client_limit > 0:
                try:
                    tls.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    done = False
                data = going.read()[:client_limit]
                client_limit -= len(data)
                client.sendall(data)
                if done or client_limit <= 0:
                    break
                data = client.recv(min(limit, 1 << 16))
                if not data:
                    break
                limit -= len(data)
                coming.write(data)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            return limit > 0 and client_limit > 0

    def test_end_in_each_state(self):
        """After each byte of a client's first flight, and within all others; by an end and by a reset."""
        for version in VERSIONS:
            for step, place in ((13, lambda cut: (1 << 20, cut)), (29, lambda cut: (cut, 1 << 20))):
                cut, through = 1, False
                while not through:
                    through = self.handshake(version, *place(cut), reset=cut % 2)
                    cut += step
        with self.server.tls() as client:
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')

    def test_client_that_never_reads(self):
        """Its answers wait in bounded memory, and it is let go on when it reads."""
        value = b'v' * 1000
        with self.server.connect() as plain:
            self.assertEqual(plain.ask(b'set big 0 0 1000\r\n%s\r\n' % value), b'STORED\r\n')
        clients = [self.recorder(ssl.TLSVersion.TLSv1_3) for _ in range(4)]
        before = self.server.resident_bytes()
        for client in clients:
            client.socket.setblocking(False)
            data = client.take(*[b'get big\r\n' * 100] * 200)
            sent = 0
            deadline = time.monotonic() + 2
            while sent < len(data) and time.monotonic() < deadline:
                if select.select([], [client.socket], [], 0.2)[1]:
                    sent += client.socket.send(data[sent:sent + 65536])
            client.left = data[sent:]
        if not server.SANITIZED:
            self.assertLess(self.server.resident_bytes() - before, GROWTH_MAX)
        with self.server.tls() as other:
            self.assertEqual(other.ask(b'mn\r\n'), b'MN\r\n')
        answer = b'VALUE big 0 1000\r\n' + value + b'\r\nEND\r\n'
        for client in clients:
            client.going.write(client.left)
            client.socket.setblocking(True)
            got = client.exchange(20000 * len(answer))
            self.assertTrue(got == answer * 20000)
            client.socket.close()

    def test_flood_of_handshakes(self):
        """Those that are in are answered meanwhile."""
        stop, times, made = threading.Event(), [], []

        def flood():
            context = self.server.context()
            while not stop.is_set():
                self.server.tls(context=context).close()
                made.append(1)
        threads = [server.Thread(target=flood) for _ in range(4)]
        deadline = time.monotonic() + 3 * server.TIMEOUT_S
        with self.server.tls() as client:
            for thread in threads:
                thread.start()
            try:
                while len(made) <= 20 or len(times) < 200:
                    began = time.monotonic()
                    self.assertLess(began, deadline, '%d handshakes, %d answers' % (len(made), len(times)))
                    self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')
                    times.append(time.monotonic() - began)
            finally:
                stop.set()
            for thread in threads:
                thread.join()
        self.assertLess(sorted(times)[len(times) // 2], server.TIMEOUT_S / 10)

    def test_keys_that_change_for_ever(self):
        """A client of TLS 1.3 asks for new keys in each record; it gets them, and others their answers."""
        with self.server.tls() as other, self.openssl_client() as process:
            self.until(process, b'---\n')  # the handshake is done
            for _ in range(2000):
                self.type(process, b'K\n')
                # What is read together with the letter of a command is dropped.
                self.until(process, b'KEYUPDATE\n')
            self.assertEqual(other.ask(b'mn\r\n'), b'MN\r\n')
            self.type(process, b'mn\r\n')
            self.until(process, b'MN\r\n')

    def openssl_client(self):
        process = subprocess.Popen(['openssl', 's_client', '-connect', '127.0.0.1:%d' % self.server.ports['tls'],
                                    '-tls1_3', '-CAfile', self.server.path('ca.pem')],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill)
        return process

    @staticmethod
    def type(process, line):
        process.stdin.write(line)
        process.stdin.flush()

    def until(self, process, end):
        """Reads what the client tells, up to a line that ends so."""
        while not (line := process.stdout.readline()).endswith(end):
            self.assertTrue(line, 'it has ended without %r' % end)


if __name__ == '__main__':
    server.main()
