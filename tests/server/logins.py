"""Logins: -Y FILE with lines user:password (memcached's way for the text protocol), and SASL PLAIN
over the binary protocol, with the same file or with -S and the file that MEMCACHED_SASL_PWDB names.

Against memcached the text part runs with any 1.6.45, the binary part with one built with SASL.
"""
import os
import re
import signal
import socket
import struct
import tempfile
import time
import unittest

import server
from binary import (FOREVER, GET, GETQ, NOOP, QUIT, SASL_AUTH, SASL_LIST, SASL_STEP, SET, STAT,
                    VERSION, error, reply, request)

REFUSED = b'CLIENT_ERROR unauthenticated\r\n'
FAILED = b'CLIENT_ERROR authentication failure\r\n'
MALFORMED = b'CLIENT_ERROR bad authentication token format\r\n'
PASSWORD = 'correct-horse'


def login(user, password, more=b'', command=b'set any 0 0'):
    """The text protocol's login."""
    token = b'%s %s' % (user.encode(), password.encode())
    return command + b' %d%s\r\n%s\r\n' % (len(token), more, token)


def plain(user, password, opcode=SASL_AUTH, mechanism=b'PLAIN', zid=b''):
    """The binary protocol's login (RFC 4616)."""
    return request(opcode, mechanism, b'', zid + b'\0%s\0%s' % (user.encode(), password.encode()))


class Logins(server.ServerTest):
    """A server with a file of users, readable by the user that memcached changes to."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.path = os.path.join(folder.name, 'users')
        self.write('alice:%s\nbob:builder\n' % PASSWORD)

    def write(self, text):
        with open(self.path, 'w', encoding='ascii') as file:
            file.write(text)
        os.chmod(self.path, 0o644)

    def begin(self, *flags, cores=2):
        """A server that doesn't answer before a login, once it listens."""
        under_test = self.start(cores=cores, flags=('-Y', self.path, *flags), wait=False)
        self.await_listening(under_test)
        return under_test

    def await_listening(self, under_test):
        under_test.may_talk = True  # of wrong logins
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                under_test.connect().close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline or under_test.process.poll() is not None:
                    raise
                time.sleep(0.01)

    def said(self, client, command, wanted):
        client.send(command)
        self.assertEqual(client.read(len(wanted)), wanted)


class Text(Logins):
    def test_before_login_nothing_is_answered_or_stored(self):
        under_test = self.begin()
        commands = (b'get a\r\n', b'version\r\n', b'stats\r\n', b'flush_all\r\n', b'delete a\r\n',
                    b'add a 0 0 1\r\n', b'incr a 1\r\n', b'bogus word\r\n',
                    b'lru_crawler metadump all\r\n')
        for command in commands:
            with self.subTest(command=command), under_test.connect() as client:
                self.said(client, command, REFUSED)
        with under_test.connect() as client:
            self.said(client, b'set a 0 0 5\r\nvalue\r\n', MALFORMED)
            self.said(client, login('alice', PASSWORD) + b'get a any\r\n', b'STORED\r\nEND\r\n')

    def test_login(self):
        under_test = self.begin()
        with under_test.connect() as client:
            self.said(client, login('alice', PASSWORD), b'STORED\r\n')
            self.said(client, b'set a 0 0 1\r\nx\r\nget a\r\nmg a v\r\n',
                      b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nVA 1\r\nx\r\n')
            self.said(client, login('alice', 'again'), b'STORED\r\n')  # a set as any other now
            self.said(client, b'get any\r\n', b'VALUE any 0 11\r\nalice again\r\nEND\r\n')
        with under_test.connect() as client:
            self.said(client, login('bob', 'builder'), b'STORED\r\n')

    def test_login_and_commands_in_one_go(self):
        """What follows a login in the same packet waits for its outcome."""
        under_test = self.begin()
        for fragment in (None, 1, 5):
            with self.subTest(fragment=fragment), under_test.connect() as client:
                client.send(login('alice', PASSWORD) + b'set a 0 0 1\r\nx\r\nget a any\r\n', fragment)
                self.said(client, b'', b'STORED\r\n' * 2 + b'VALUE a 0 1\r\nx\r\nEND\r\n')

    def test_wrong_logins(self):
        under_test = self.begin()
        for user, password in (('alice', 'wrong'), ('alice', PASSWORD[:-1]), ('alice', ''),
                               ('alice', PASSWORD + 'x'), ('mallory', PASSWORD), ('', PASSWORD),
                               ('alic', PASSWORD), ('bob', PASSWORD)):
            with self.subTest(user=user, password=password), under_test.connect() as client:
                self.said(client, login(user, password), FAILED)
                self.said(client, b'get a\r\n', REFUSED)
                self.said(client, login('alice', PASSWORD), b'STORED\r\n')

    @unittest.skipIf(server.ORIGINAL, 'memcached has another log')
    def test_guessers_who_reset(self):
        """The log has their addresses, though nobody is there any more when their connections are accepted."""
        under_test = self.start(cores=2, flags=('-Y', self.path, '-v', '-l', '127.0.0.1,[::1]'), wait=False)
        self.await_listening(under_test)
        os.kill(under_test.pid, signal.SIGSTOP)
        names = []
        for host, name in (('127.0.0.1', 'tcp:127.0.0.1:%d'), ('::1', 'tcp6:[::1]:%d')):
            guesser = socket.create_connection((host, under_test.port), server.TIMEOUT_S)
            names.append(name % guesser.getsockname()[1])
            guesser.sendall(login('alice', 'wrong'))
            guesser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            guesser.close()
        os.kill(under_test.pid, signal.SIGCONT)
        for name in names:
            for line in ('opened by %s on', 'wrong login from %s, 1 on'):
                self.await_said(under_test, line % name)

    def await_said(self, under_test, line):
        deadline = time.monotonic() + server.TIMEOUT_S
        while line not in under_test.errors() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIn(line, under_test.errors())

    def test_login_without_a_password(self):
        under_test = self.begin()
        for token in (b'', b'alice', b'alice:' + PASSWORD.encode()):
            with self.subTest(token=token), under_test.connect() as client:
                self.said(client, b'set any 0 0 %d\r\n%s\r\n' % (len(token), token), MALFORMED)

    def test_another_connection_is_not_logged_in(self):
        under_test = self.begin()
        with under_test.connect() as one, under_test.connect() as other:
            self.said(one, login('alice', PASSWORD), b'STORED\r\n')
            self.said(other, b'get any\r\n', REFUSED)

    def test_a_file_read_again(self):
        """SIGHUP; connections that are logged in stay so."""
        under_test = self.begin()
        with under_test.connect() as client:
            self.said(client, login('alice', PASSWORD), b'STORED\r\n')
            self.write('alice:%s\ncarol:new\n' % 'changed')
            under_test.process.send_signal(signal.SIGHUP)
            self.wait_for_login(under_test, 'carol', 'new')
            for user, password in (('alice', PASSWORD), ('bob', 'builder')):
                with under_test.connect() as other:
                    self.said(other, login(user, password), FAILED)
            self.said(client, b'get any\r\n', b'END\r\n')

    def wait_for_login(self, under_test, user, password):
        deadline = time.monotonic() + server.TIMEOUT_S
        while time.monotonic() < deadline:
            with under_test.connect() as client:
                if client.ask(login(user, password)) == b'STORED\r\n':
                    return
            time.sleep(0.1)
        self.fail('%s can not log in' % user)

    @unittest.skipIf(server.ORIGINAL, 'memcached ends on a bad file')
    def test_a_bad_file_read_again(self):
        """The users stay as they were."""
        under_test = self.begin('--verbose')
        self.write('nonsense\n')
        under_test.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + server.TIMEOUT_S
        while 'line 1' not in under_test.errors() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIn(self.path, under_test.errors())
        self.assertIn('line 1', under_test.errors())
        with under_test.connect() as client:
            self.said(client, login('alice', PASSWORD), b'STORED\r\n')


def memory_of(pid):
    """What a process may write to, in pieces, but for the large ranges, which are stores' and messages'."""
    with open('/proc/%d/maps' % pid, encoding='ascii') as maps, open('/proc/%d/mem' % pid, 'rb') as memory:
        for line in maps:
            start, end, rights = re.match(r'(\w+)-(\w+) (\S+)', line).groups()
            length = int(end, 16) - int(start, 16)
            if rights.startswith('rw') and length <= 64 << 20:
                memory.seek(int(start, 16))
                yield memory.read(length)


@unittest.skipIf(server.ORIGINAL or server.SANITIZED, 'asked of ours alone, and of its own memory')
class Secrets(Logins):
    """What clients have sent is overwritten where it was received, if it came as a whole."""

    def test_no_password_stays_in_memory(self):
        under_test = self.begin()
        words = ['%s-%d-of-its-own' % (PASSWORD, n) for n in range(4)]
        for n, word in enumerate(words):
            with under_test.connect() as client:
                client.send(login('alice', word) if n < 2 else plain('alice', word))
                self.said(client, b'', FAILED if n < 2 else error(SASL_AUTH, 0x20))
        found = [word for piece in memory_of(under_test.pid) for word in words if word.encode() in piece]
        self.assertEqual(found, [])


class Files(Logins):
    """A file that can't be used stops the start: one line, which names the file and the line."""

    def refused(self, names):
        under_test = server.Server(flags=('-Y', self.path), wait=False)
        try:
            status = under_test.process.wait(server.TIMEOUT_S)
        finally:
            under_test.kill()
        self.assertGreater(status, 0)
        self.assertIn(self.path, under_test.errors())
        if not server.ORIGINAL:
            self.assertRegex(under_test.errors(), r'^[^\n]+\n$')
            for name in names:
                self.assertIn(name, under_test.errors())

    def test_malformed(self):
        for text, where in (('nonsense\n', 'line 1'), ('a:b\nc:d\nnonsense\n', 'line 3')):
            with self.subTest(text=text):
                self.write(text)
                self.refused([where])

    def test_no_password_is_told(self):
        if server.ORIGINAL:
            self.skipTest('asked of ours alone')
        self.write('a:b\n%s\n' % PASSWORD)
        under_test = server.Server(flags=('-Y', self.path), wait=False)
        under_test.process.wait(server.TIMEOUT_S)
        under_test.kill()
        self.assertNotIn(PASSWORD, under_test.errors())

    def test_empty(self):
        self.write('')
        self.refused([])

    def test_missing(self):
        os.unlink(self.path)
        self.refused([])


@unittest.skipIf(server.ORIGINAL, "memcached has no -Y for it, and its -S logs in user@host")
class Binary(Logins):
    """SASL PLAIN on a server with -Y."""

    authenticated = reply(SASL_AUTH, value=b'Authenticated')
    failed = error(SASL_AUTH, 0x20)

    def stored(self, client):
        client.send(request(SET, b'a', FOREVER, b'1') + request(GET, b'a'))
        answers = client.read(24 + 29)
        self.assertEqual((answers[1], answers[6:8], answers[25], answers[-1:]),
                         (SET, b'\0\0', GET, b'1'))

    def test_mechanisms(self):
        with self.begin().connect() as client:
            self.said(client, request(SASL_LIST), reply(SASL_LIST, value=b'PLAIN'))

    def test_login(self):
        under_test = self.begin()
        with under_test.connect() as client:
            self.said(client, plain('alice', PASSWORD), self.authenticated)
            self.stored(client)
        with under_test.connect() as client:
            self.said(client, plain('bob', 'builder', zid=b'bob'), self.authenticated)
            self.stored(client)

    def test_login_and_commands_in_one_go(self):
        under_test = self.begin()
        for fragment in (None, 1, 30):
            with self.subTest(fragment=fragment), under_test.connect() as client:
                client.send(plain('alice', PASSWORD) + request(NOOP), fragment)
                self.said(client, b'', self.authenticated + reply(NOOP))

    def test_before_login_nothing_is_answered_or_stored(self):
        """memcached closes with the error."""
        under_test = self.begin()
        for sent in (request(NOOP), request(GET, b'a'), request(SET, b'a', FOREVER, b'1'),
                     request(GETQ, b'a'), request(STAT), request(QUIT), request(0x7e)):
            with self.subTest(sent=sent), under_test.connect() as client:
                client.send(sent)
                self.assertEqual(client.read_all(), error(sent[1], 0x20))
        with under_test.connect() as client:
            self.said(client, plain('alice', PASSWORD), self.authenticated)
            self.said(client, request(GET, b'a'), error(GET, 1))

    def test_version_needs_no_login(self):
        with self.begin().connect() as client:
            client.send(request(VERSION))
            self.assertEqual(client.read(24)[:8], b'\x81\x0b' + bytes(6))

    def test_wrong_logins(self):
        """A client may try again."""
        under_test = self.begin()
        for sent in (plain('alice', 'wrong'), plain('mallory', PASSWORD), plain('', PASSWORD),
                     plain('alice', ''), plain('alice', PASSWORD + 'x'),
                     plain('alice', PASSWORD, mechanism=b'CRAM-MD5'),
                     request(SASL_AUTH, b'PLAIN', b'', b'alice')):
            with self.subTest(sent=sent), under_test.connect() as client:
                self.said(client, sent, self.failed)
                self.said(client, plain('alice', PASSWORD), self.authenticated)
                self.stored(client)

    def test_step_without_a_beginning(self):
        with self.begin().connect() as client:
            self.said(client, plain('alice', 'wrong', SASL_STEP), error(SASL_STEP, 0x20))

    def test_text_and_binary_of_one_server(self):
        under_test = self.begin()
        with under_test.connect() as text, under_test.connect() as binary:
            self.said(text, login('alice', PASSWORD), b'STORED\r\n')
            self.said(binary, plain('alice', PASSWORD), self.authenticated)
            self.stored(binary)
            self.said(text, b'get a\r\n', b'VALUE a 3735928559 1\r\n1\r\nEND\r\n')

    def text_logins(self, secret):
        return login('alice', secret), login('mallory', secret)

    def test_log(self):
        """Wrong logins are logged with the address, never with the password."""
        under_test = self.begin('--verbose')
        secret = 'not-for-any-log'
        ports = []
        for sent in (plain('alice', secret), plain('mallory', secret), *self.text_logins(secret)):
            with under_test.connect() as client:
                ports.append(client.socket.getsockname()[1])
                client.send(sent)
                self.assertTrue(client.read(24))
        deadline = time.monotonic() + server.TIMEOUT_S
        wanted = [r'127\.0\.0\.1:%d' % port for port in ports]
        while time.monotonic() < deadline and not all(re.search(one, under_test.errors())
                                                      for one in wanted):
            time.sleep(0.05)
        for one in wanted:
            self.assertRegex(under_test.errors(), one)
        for password in (secret, PASSWORD):
            self.assertNotIn(password, under_test.errors())


class Sasl(Binary):
    """The same with -S and memcached's variable: the binary protocol alone."""

    test_text_and_binary_of_one_server = None

    def text_logins(self, secret):
        return ()

    def test_nothing_is_answered_over_text(self):
        with self.begin().connect(timeout=1) as client:
            client.send(b'version\r\n')
            try:
                answer = client.read_all()
            except TimeoutError:
                answer = bytes(client.buffer)
            self.assertNotIn(b'VERSION', answer)

    def begin(self, *flags, cores=2):
        os.environ['MEMCACHED_SASL_PWDB'] = self.path
        try:
            under_test = self.start(cores=cores, flags=('-S', *flags), wait=False)
        finally:
            del os.environ['MEMCACHED_SASL_PWDB']
        self.await_listening(under_test)
        return under_test


if __name__ == '__main__':
    server.main()
