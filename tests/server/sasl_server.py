"""A server that asks the system's SASL, its users, and programs that answer for it: what the tests of
SASL have in common.

Debian: sasl2-bin, libsasl2-modules, libsasl2-modules-db.
"""
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import server
from binary import NOOP, SASL_AUTH, SASL_STEP, VERSION, request

BUILT = os.environ.get('SASL', '1') == '1'
PASSWORD = 'correct-horse'
OK = (0, b'Authenticated')
REFUSED = (0x20, b'Auth failure.')


def plain(user, password, zid=''):
    """The credentials of RFC 4616."""
    return ('%s\0%s\0%s' % (zid, user, password)).encode()


def auth(value=b'', mechanism=b'PLAIN'):
    return request(SASL_AUTH, mechanism, b'', value)


def step(value=b'', mechanism=b'PLAIN'):
    return request(SASL_STEP, mechanism, b'', value)


class SaslServer(server.Server):
    """`folder` has its memcached.conf."""

    def __init__(self, folder, flags=(), **options):
        self.folder = folder
        super().__init__(flags=['-S', *flags], wait=False,
                         environment={'SASL_CONF_PATH': folder}, **options)
        self.may_talk = True  # of its configuration, and of wrong logins
        self.wait_listening()

    def wait_listening(self):
        """Returns once the server answers."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.connect() as client:
                    client.send(request(VERSION))
                    if client.read(24)[1:2] == bytes([VERSION]):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        self.kill()
        raise AssertionError('%s does not answer: %s' % (self.command, self.errors()))

    def stop(self, sent=signal.SIGTERM):
        super().stop(sent)
        if not server.ORIGINAL and 'panic' in self.errors():
            raise AssertionError(self.errors())

    def connect(self, **options):
        return SaslConnection(self.port, **{'host': self.host, **options})

    def login(self, user='alice', password=PASSWORD):
        """A client that has logged in."""
        client = self.connect()
        answer = client.say(auth(plain(user, password)))
        if answer != (0, b'Authenticated'):
            raise AssertionError('%s can not log in: %s' % (user, answer))
        return client

    def statistic(self, name, **login):
        """Of `stats`, for which somebody logs in."""
        with self.login(**login) as client:
            return client.statistic(name)


class SaslConnection(server.Connection):
    def read_packet(self):
        """The status, the key and the value of an answer."""
        header = self.read(24)
        if len(header) < 24:
            return None, None, header
        key, extras, status, body = struct.unpack('>2xHBxHI12x', header)
        rest = self.read(body)
        return status, rest[extras:extras + key], rest[extras + key:]

    def statistic(self, name):
        """Of `stats`."""
        self.send(request(0x10))
        found = None
        while True:
            key, value = self.read_packet()[1:]
            if not key:
                return found
            if key == name.encode():
                found = value.decode()

    def read_answer(self):
        """The status and the value; 'closed' at the end."""
        status, _, value = self.read_packet()
        return 'closed' if status is None else (status, value)

    def say(self, *packets):
        """The answer to the last of the packets, each sent once the one before is answered."""
        for packet in packets:
            try:
                self.send(packet)
            except OSError:
                return 'closed'
            answer = self.read_answer()
        return answer

    def may(self):
        """Whether it is logged in; the connection ends if not."""
        return self.say(request(NOOP)) == (0, b'')


class SaslTest(unittest.TestCase):
    """Each case with a folder of its own, users in a sasldb2, and servers that end with it."""

    cores = 2

    def setUp(self):
        for name in ('saslpasswd2', 'saslauthd'):
            server.need(name, 'sasl2-bin')
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)
        self.add_user('alice', PASSWORD)

    def path(self, name):
        return os.path.join(self.folder, name)

    def add_user(self, user, password, realm=None):
        subprocess.run(['saslpasswd2', '-p', '-c', '-f', self.path('sasldb2'),
                        *(['-u', realm] if realm else []), user],
                       input=password.encode(), check=True, timeout=server.TIMEOUT_S)
        os.chmod(self.path('sasldb2'), 0o644)

    def configure(self, *lines, mech_list='PLAIN CRAM-MD5 SCRAM-SHA-1 DIGEST-MD5', methods='auxprop'):
        with open(self.path('memcached.conf'), 'w', encoding='ascii') as file:
            print('pwcheck_method:', methods, file=file)
            print('auxprop_plugin: sasldb\nsasldb_path:', self.path('sasldb2'), file=file)
            print('saslauthd_path:', self.path('mux'), file=file)
            if mech_list:
                print('mech_list:', mech_list, file=file)
            for line in lines:
                print(line, file=file)

    def begin(self, flags=(), **options):
        under_test = SaslServer(self.folder, flags, cores=options.pop('cores', self.cores), **options)
        self.addCleanup(under_test.stop)
        return under_test

    def wait_for(self, true, what):
        """Until it is, up to a limit."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while not true():
            if time.monotonic() > deadline:
                self.fail('it does not come to that: ' + what)
            time.sleep(0.01)


class Saslauthd:
    """What listens in saslauthd's place, and answers nothing before release(). Its protocol: four
    strings, each behind its length in two bytes, and one back."""

    def __init__(self, path):
        self.asked = []  # users, in order
        self.right = PASSWORD
        self.released = threading.Event()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(64)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, client.makefile('rb') as file:
                user, password = self.read(file), self.read(file)
                self.asked.append(user)
                self.released.wait()
                try:
                    client.sendall(b'\0\2' + (b'OK' if password == self.right else b'NO'))
                except OSError:
                    pass

    @staticmethod
    def read(file):
        return file.read(int.from_bytes(file.read(2), 'big')).decode()

    def release(self):
        self.released.set()

    def close(self):
        self.release()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class ImapServer:
    """What a real saslauthd asks with -a rimap: one password is right, and with `hangs` it answers
    nothing."""

    def __init__(self, hangs=False):
        self.hangs = hangs
        self.asked = 0
        self.clients = []
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.clients.append(client)
            client.sendall(b'* OK\r\n')
            line = client.recv(1000)
            self.asked += 1
            if not self.hangs:
                right = b'"%s"' % PASSWORD.encode() in line
                client.sendall(line.split()[0] + (b' OK\r\n' if right else b' NO\r\n'))
                client.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for client in self.clients:
            client.close()
