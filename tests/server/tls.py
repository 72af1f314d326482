"""TLS: what a client meets at each kind of address, in both versions, with small and large values; and what
is no TLS."""
import random
import select
import socket
import ssl
import struct
import subprocess
import time
import unittest

import server
from tls_server import TlsTest

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
RECORD = 16384


def values(seed, *sizes):
    """Bytes of each size, which no two sizes and no two places share."""
    numbers = random.Random(seed)
    return [numbers.randbytes(size) for size in sizes]


class Served(TlsTest):
    def setUp(self):
        self.started = time.monotonic()
        self.server = self.start_tls(cores=2, flags=['-m', '256', '-I', '16m'])

    def test_session(self):
        for version in VERSIONS:
            with self.server.tls(context=self.server.context(version=version)) as client:
                self.assertEqual(client.ask(b'set a 0 0 3\r\nabc\r\n'), b'STORED\r\n')
                self.assertEqual(client.ask(b'get a\r\n'), b'VALUE a 0 3\r\n')
                self.assertEqual(client.read(10), b'abc\r\nEND\r\n')
                client.send(b'quit\r\n')
                self.assertEqual(client.socket.recv(10), b'')  # and no unexpected end

    def test_values_of_every_size_by_epoll(self):
        """The other engine sends them, too."""
        self.server.stop()
        self.server = self.start_tls(cores=2, flags=['-m', '256', '-I', '16m', '-o', 'io=epoll'])
        self.test_values_of_every_size()

    def test_values_of_every_size(self):
        """Beside the borders of records, buffers and windows, on both cores."""
        sizes = (0, 1, 1000, 4095, 4096, 16000, RECORD - 40, RECORD - 1, RECORD, RECORD + 1, 2 * RECORD, 65535,
                 65536, 65537, 100000, 1 << 20, 5000000)
        for version in VERSIONS:
            with self.server.tls(context=self.server.context(version=version)) as client:
                for value in values(1, *sizes):
                    key = b'key%d' % len(value)
                    client.send(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value))
                    self.assertEqual(client.read_line(), b'STORED\r\n')
                for value in values(1, *sizes):
                    key = b'key%d' % len(value)
                    self.assertEqual(client.ask(b'get %s\r\n' % key),
                                     b'VALUE %s 0 %d\r\n' % (key, len(value)))
                    self.assertEqual(client.read(len(value) + 7), value + b'\r\nEND\r\n')

    def test_pipelines(self):
        """Many requests in few records, of values that need a lease too; the answers come in order."""
        numbers = random.Random(7)
        with Cut(self.server.ports['tls'], self.server.context()) as client, self.server.connect() as plain:
            for _ in range(20):
                sent, wanted = b'', b''
                for _ in range(numbers.randrange(1, 60)):
                    key = b'k%d' % numbers.randrange(10)
                    value = numbers.randbytes(numbers.choice((3, 100, 5000, 40000)))
                    sent += b'set %s 5 0 %d\r\n%s\r\nget %s\r\n' % (key, len(value), value, key)
                    wanted += b'STORED\r\nVALUE %s 5 %d\r\n%s\r\nEND\r\n' % (key, len(value), value)
                size = numbers.choice((1000, 16384, 100000))
                for start in range(0, len(sent), size):
                    client.encrypt(sent[start:start + size])
                self.assertTrue(client.exchange(len(wanted)) == wanted)
            self.assertEqual(plain.ask(b'mn\r\n'), b'MN\r\n')

    def test_fragments_of_the_stream(self):
        """A client's bytes cut at every size, handshake included."""
        for size in (1, 2, 5, 10, 100, 1000):
            with Cut(self.server.ports['tls'], self.server.context(), size) as client:
                client.write(b'set cut 0 0 30\r\n' + b'x' * 30 + b'\r\nget cut\r\n')
                self.assertEqual(client.read(8 + 16 + 32 + 5), b'STORED\r\nVALUE cut 0 30\r\n' + b'x' * 30 +
                                 b'\r\nEND\r\n')

    def test_short_record_behind_a_long_request(self):
        """What the parser needed of a long request says nothing about the next one, though its record comes in two
        pieces."""
        text = b'set long 0 0 3000\r\n' + b'z' * 3000 + b'\r\n'
        under_test = self.start_tls(flags=['-R', '1'])  # so that it isn't asked for another at once
        for cut in (1, 4, 5, 6, 15):
            with Cut(under_test.ports['tls'], under_test.context()) as client:
                for part in (text[:1000], text[1000:]):
                    client.write(part)
                    time.sleep(0.05)
                self.assertEqual(client.read(8), b'STORED\r\n')
                client.encrypt(b'mn\r\n')
                record = client.going.read()
                for part in (record[:cut], record[cut:]):
                    client.socket.sendall(part)
                    time.sleep(0.05)
                self.assertEqual(client.read(4), b'MN\r\n')

    def test_records_of_one_byte(self):
        """They have a share of each turn, and others are answered meanwhile."""
        text = b'set one 0 0 20000\r\n' + b'y' * 20000 + b'\r\n'
        with Cut(self.server.ports['tls'], self.server.context()) as client, self.server.connect() as plain:
            for byte in text:
                client.encrypt(bytes([byte]))
            client.flush()
            self.assertEqual(plain.ask(b'mn\r\n'), b'MN\r\n')
            self.assertEqual(client.read(8), b'STORED\r\n')
        self.assertGreater(int(self.server.stat('ssl_record_yields')), 0)

    def test_half_close(self):
        """What came before the client's end is answered, by the rules of TLS or of TCP."""
        with Cut(self.server.ports['tls'], self.server.context()) as client:
            client.encrypt(b'mn\r\n' * 1000)
            client.unwrap()
            client.flush()
            self.assertEqual(client.read(4000), b'MN\r\n' * 1000)
        with self.server.tls() as client:
            client.send(b'mn\r\n' * 1000)
            client.raw = socket.socket(fileno=client.socket.detach())
            client.socket = client.raw
            client.socket.settimeout(server.TIMEOUT_S)
            client.socket.shutdown(socket.SHUT_WR)
            self.assertGreater(len(client.read_all()), 4000)

    def test_statistics_and_log(self):
        with self.server.tls('mtls', self.server.context(client='client')) as client, \
                self.server.connect() as plain:
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')
            plain.send(b'stats conns\r\n')
            lines = []
            while not lines or lines[-1] != 'END':
                lines.append(plain.read_line().decode().strip())
            told = [line for line in lines if ':tls ' in line]
            self.assertEqual(len(told), 1)
            self.assertRegex(told[0], r'STAT \d+:tls TLSv1.3 TLS_AES_\w+$')
            self.assertRegex('\n'.join(lines), r'STAT \d+:tls_subject CN=client one,O=Example\\, Inc\.\n')
        self.assertRegex(self.server.errors(), r' TLSv1.3 TLS_AES_\w+, client CN=client one,O=Example')
        for name, wanted in (('ssl_handshakes', '1'), ('ssl_resumed', '0'), ('ssl_handshake_errors', '0')):
            self.assertEqual(self.server.stat(name), wanted, name)
        self.assertLessEqual(int(self.server.stat('time_since_server_cert_refresh')), time.monotonic() - self.started + 1)
        self.assertGreater(int(self.server.stat('ssl_certs_expire_in')), 300 * 86400)


class NoTls(TlsTest):
    def setUp(self):
        self.server = self.start_tls(cores=1, words='ssl_handshake_timeout=300')

    def errors(self):
        return int(self.server.stat('ssl_handshake_errors')) + int(self.server.stat('ssl_proto_errors'))

    def raw(self):
        return server.Connection(self.server.ports['tls'])

    def test_plain_text_is_closed_cleanly(self):
        """An end and no reset, however much has come; memcached resets."""
        for data in (b'get a\r\n', b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', struct.pack('>BBHBBHIIQ', 128, 10, *[0] * 7),
                     b'set a 0 0 100000\r\n' + b'x' * 100000 + b'\r\n'):
            with self.raw() as client:
                client.send(data)
                self.assertEqual(client.socket.recv(100), b'')
        self.settle(self.errors, 4)

    def test_connect_and_close_is_no_error(self):
        for _ in range(10):
            self.raw().close()
        with self.raw() as client:
            client.end_input()
            self.assertEqual(client.read_all(), b'')
        self.settle(lambda: self.server.stat('curr_connections'), '1')
        self.assertEqual(self.errors(), 0)

    def test_time_for_the_handshake(self):
        """However slowly a client goes on; and it is counted."""
        self.server = self.start_tls(cores=1, words='ssl_handshake_timeout=1')
        started = time.monotonic()
        with self.raw() as silent, self.raw() as slow:
            hello = b'\x16\x03\x01\x02\x00\x01' + b'\x00' * 3
            try:
                for byte in hello:
                    slow.send(bytes([byte]))
                    time.sleep(0.1)
            except ConnectionError:
                pass  # on a busy machine its time is over before
            self.assertEqual(slow.read_all(), b'')
            self.assertEqual(silent.read_all(), b'')
        self.settle(lambda: self.server.stat('ssl_in_handshake'), '0')
        self.assertLess(time.monotonic() - started, server.TIMEOUT_S)
        self.assertEqual(self.server.stat('ssl_handshake_timeouts'), '2')

    def test_how_many_are_in_it(self):
        self.server = self.start_tls(cores=2, words='ssl_handshake_timeout=300')
        self.assertEqual(self.server.stat('ssl_in_handshake'), '0')
        with self.raw(), self.raw() as leaves, self.raw() as wrong, self.server.tls() as client:
            client.ask(b'mn\r\n')
            self.settle(lambda: self.server.stat('ssl_in_handshake'), '3')
            wrong.send(b'no TLS at all\r\n')
            self.settle(lambda: self.server.stat('ssl_in_handshake'), '2')
            leaves.close()
            self.settle(lambda: self.server.stat('ssl_in_handshake'), '1')
        self.settle(lambda: self.server.stat('ssl_in_handshake'), '0')

    def test_old_versions(self):
        for option in ('-tls1', '-tls1_1'):
            done = subprocess.run(
                ['openssl', 's_client', '-connect', '127.0.0.1:%d' % self.server.ports['tls'], option, '-cipher',
                 'DEFAULT@SECLEVEL=0'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                check=False, timeout=server.TIMEOUT_S)
            self.assertIn(b'alert protocol version', done.stdout)

    def test_renegotiation(self):
        """TLS 1.2 has it; its client is closed and counted."""
        client = subprocess.Popen(
            ['openssl', 's_client', '-connect', '127.0.0.1:%d' % self.server.ports['tls'], '-tls1_2', '-CAfile',
             self.server.path('ca.pem')], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        self.addCleanup(client.stdin.close)
        client.stdin.write(b'R\n')  # which it reads once the handshake is done
        client.stdin.flush()
        client.wait(server.TIMEOUT_S)
        self.settle(lambda: self.server.stat('ssl_renegotiations'), '1')

    def test_over_the_limit(self):
        """No line of text, which no TLS client reads."""
        under_test = self.start_tls(flags=['-c', '2'])
        with under_test.connect_alone(), under_test.tls():
            with self.assertRaises(OSError):
                under_test.tls()


class Refused(TlsTest):
    """What keeps a server from starting: one clear line each."""

    def lines(self, words, *flags):
        done = subprocess.run(server.program() + server.user_flags() + ['-p', str(server.free_port()), '-Z', '-o',
                                                                        words, *flags],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              text=True, timeout=server.TIMEOUT_S)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count('\n'), 1, done.stderr)
        return done.stderr

    def test_files(self):
        chain, key, ca = (self.folder + '/' + name for name in ('server.pem', 'server.key', 'ca.pem'))
        self.assertIn('certificate chain: (null)', self.lines('ssl_session_cache'))
        self.assertIn('key: (null)', self.lines('ssl_chain_cert=' + chain))
        none = self.folder + '/none'
        for words, text in (
                ('ssl_chain_cert=%s,ssl_key=%s' % (none, key), 'the certificate chain: %s : No such file' % none),
                ('ssl_chain_cert=%s,ssl_key=%s' % (chain, none), 'the key: %s : No such file' % none),
                ('ssl_chain_cert=%s,ssl_key=%s' % (key, key), 'the certificate chain: %s : ' % key),
                ('ssl_chain_cert=%s,ssl_key=%s' % (chain, chain), 'the key: %s : ' % chain),
                ('ssl_chain_cert=%s,ssl_key=%s' % (chain, self.folder + '/client.key'),
                 'client.key : key values mismatch'),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_keyformat=2' % (chain, key), 'the key: %s : ' % key),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_ca_cert=%s' % (chain, key, key), 'CA certificates: %s : ' % key),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_crl=%s' % (chain, key, ca), 'revoked certificates: %s : ' % ca),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_ticket_keys=/dev/null' % (chain, key), 'less than 32 bytes'),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_ciphers=nonsense' % (chain, key), 'cipher(s): nonsense'),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_verify_mode=4' % (chain, key), 'ssl_verify_mode takes a number'),
                ('ssl_chain_cert=%s,ssl_key=%s,ssl_min_version=tls' % (chain, key), 'ssl_min_version takes a')):
            self.assertIn(text, self.lines(words))

    def test_words_without_tls_do_nothing(self):
        self.start(flags=['-o', 'ssl_chain_cert=/none,ssl_verify_mode=2,ssl_session_cache=0'])


class Cut:
    """A client whose bytes can be looked at, cut and changed on their way."""

    def __init__(self, port, context, size=1 << 20):
        self.size = size
        self.socket = socket.create_connection(('127.0.0.1', port), server.TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_hostname='localhost')
        self.until(self.tls.do_handshake)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        data = self.going.read()
        for start in range(0, len(data), self.size):
            self.socket.sendall(data[start:start + self.size])

    def until(self, work):
        """Repeats it with more bytes until it is done."""
        while True:
            try:
                result = work()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(1 << 16)
                if not data:
                    raise EOFError from None
                self.coming.write(data)

    def encrypt(self, data):
        self.tls.write(data)

    def write(self, data):
        self.encrypt(data)
        self.flush()

    def unwrap(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass

    def read(self, length):
        got = b''
        while len(got) < length:
            got += self.until(lambda: self.tls.read(length - len(got)))
        return got

    def exchange(self, length):
        """Sends what is encrypted, and reads so many bytes meanwhile."""
        going, got = self.going.read(), b''
        while len(got) < length:
            readable, writable, _ = select.select([self.socket], [self.socket] if going else [], [], server.TIMEOUT_S)
            if not readable and not writable:
                raise TimeoutError('neither takes nor sends')
            if writable:
                going = going[self.socket.send(going[:1 << 16], socket.MSG_DONTWAIT):]
            if readable:
                self.coming.write(self.socket.recv(1 << 16))
                got += self.available()
        return got

    def available(self):
        """What can be read of what has come."""
        got = b''
        try:
            while True:
                got += self.tls.read(1 << 16)
        except ssl.SSLWantReadError:
            return got


if __name__ == '__main__':
    server.main()
