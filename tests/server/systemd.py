"""Under systemd: word of start and stop (sd_notify) as it arrives at a datagram socket, and the unit files as
systemd's own tools see them. Sockets that are passed have tests of their own.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import server
from process import ServiceTest
from startup import run

FAILED = 1

# Runs a command with the given descriptors from 3 on, as systemd does.
LAUNCH = '''
import fcntl, os, sys
passed = [fcntl.fcntl(int(name), fcntl.F_DUPFD, 500) for name in sys.argv[1].split(',') if name]
for number, descriptor in enumerate(passed):
    os.dup2(descriptor, 3 + number)
os.closerange(3 + len(passed), 1024)
os.environ.setdefault('LISTEN_PID', str(os.getpid()))
os.environ.setdefault('LISTEN_FDS', str(len(passed)))
os.execv(sys.argv[2], sys.argv[2:])
'''


def has_libsystemd():
    """Whether the server is built with it."""
    with open(server.program()[0], 'rb') as binary:
        return b'libsystemd.so' in binary.read()


WITH = not server.ORIGINAL and has_libsystemd()
BUILT_WITH = unittest.skipUnless(WITH, 'the server is built without libsystemd')
SWITCHES = unittest.skipIf(os.geteuid() != 0 or server.SANITIZED, 'only root, and no leak sanitizer')


class SystemdTest(ServiceTest):
    """With a socket that word is sent to, which anybody may do."""

    def setUp(self):
        super().setUp()
        self.path = self.folder + '/socket'
        self.words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.words.close)
        self.words.bind(self.folder + '/notify')
        os.chmod(self.folder + '/notify', 0o777)
        self.words.settimeout(server.TIMEOUT_S)
        self.environment = {'NOTIFY_SOCKET': self.folder + '/notify'}

    def told(self):
        """What was sent next."""
        return self.words.recv(65536).decode()

    def nothing_told(self):
        self.words.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.told()

    def listening(self, family, address, blocking=True):
        """A listening socket, as systemd opens them."""
        passed = socket.socket(family)
        self.addCleanup(passed.close)
        passed.bind(address)
        passed.listen(16)
        passed.setblocking(blocking)
        return passed

    def tcp(self):
        return self.listening(socket.AF_INET, ('127.0.0.1', 0))

    def unix(self):
        return self.listening(socket.AF_UNIX, self.path)

    @staticmethod
    def launcher(*passed):
        numbers = ','.join(str(one.fileno()) for one in passed)
        return [sys.executable, '-c', LAUNCH, numbers]

    def serve(self, *passed, flags=(), port=0, **options):
        """A server that is passed these; not stopped at the end of the test."""
        options = {'environment': self.environment, **options}
        port = port or next((one.getsockname()[1] for one in passed
                             if one.family != socket.AF_UNIX), None)
        return server.Server(cores=2, flags=flags, launcher=self.launcher(*passed), port=port,
                             inherited=[one.fileno() for one in passed], **options)

    def answers_at(self, address):
        host, port = (address, 0) if isinstance(address, str) else address[:2]
        with server.Connection(port, host=host) as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    def refused(self, *passed, line, environment=None):
        """One line, and the end; nobody is told of a start."""
        command = self.launcher(*passed)
        for one in passed:
            os.set_inheritable(one.fileno(), True)
        with mock.patch.dict(os.environ, {**self.environment, **(environment or {})}):
            ended = subprocess.run(command + server.program() + server.user_flags(),
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                   check=False, close_fds=False, timeout=server.TIMEOUT_S)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr),
                         (FAILED, '', 'simplecache: %s\n' % line))
        self.nothing_told()


@BUILT_WITH
class Word(SystemdTest):
    """READY=1 once clients can come, STOPPING=1 when they can't any more."""

    def start_told(self, *flags, status=None, **options):
        port = server.free_port()
        under_test = self.start(cores=2, port=port, flags=('-l', '127.0.0.1') + flags, wait=False,
                                environment=self.environment, **options)
        self.assertEqual(self.told(), 'READY=1\nSTATUS=Listening on %s, 2 cores, 64 MB'
                         % (status or '127.0.0.1:%d' % port))
        return under_test

    def test_start_and_stop(self):
        under_test = self.start_told()
        under_test.connect().close()  # at once
        under_test.stop()
        self.assertEqual(self.told(), 'STOPPING=1')
        self.nothing_told()

    def test_each_way_to_stop(self):
        for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(sent=sent):
                self.start_told().stop(sent)
                self.assertEqual(self.told(), 'STOPPING=1')
        under_test = self.start_told('-A')
        with under_test.connect() as client:
            client.send(b'shutdown\r\n')
            self.assertEqual(self.told(), 'STOPPING=1')
        under_test.stop()
        self.nothing_told()

    def test_abstract_socket(self):
        self.words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.words.close)
        self.words.bind('')
        self.words.settimeout(server.TIMEOUT_S)
        self.environment['NOTIFY_SOCKET'] = '@' + self.words.getsockname()[1:].decode()
        self.start_told()

    def test_all_listeners(self):
        port = server.free_port()
        self.start_told('-p', str(port), '-s', self.path,
                        status='127.0.0.1:%d unix:%s' % (port, self.path))

    @SWITCHES
    def test_after_root_is_dropped(self):
        self.start_told('-u', 'nobody')

    def test_failed_start(self):
        """Nothing is told of."""
        other = self.start()
        with mock.patch.dict(os.environ, self.environment):
            status, _, _ = run('-p', str(other.port), '-l', '127.0.0.1', *server.user_flags())
        self.assertEqual(status, FAILED)
        self.nothing_told()

    def test_nobody_there(self):
        """The server serves."""
        for path in ('/no/such/socket', 'neither', ''):
            with self.subTest(path=path):
                under_test = server.Server(environment={'NOTIFY_SOCKET': path})
                under_test.stop()

    def logs(self, under_test, line):
        """At the end of the reactor's turn, which may be later than the word to systemd."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while line not in under_test.errors():
            self.assertLess(time.monotonic(), deadline, line)
            time.sleep(0.02)

    def reloads(self, under_test):
        before = time.monotonic_ns() // 1000
        os.kill(under_test.pid, signal.SIGHUP)
        first = self.told()
        self.assertRegex(first, r'\ARELOADING=1\nMONOTONIC_USEC=[0-9]+\Z')
        self.assertIn(int(first.rpartition('=')[2]), range(before, time.monotonic_ns() // 1000 + 1))
        self.assertEqual(self.told(), 'READY=1')

    def test_reload(self):
        """With users to be read again and without, and when they can't be read."""
        self.reloads(self.start_told())
        path = self.folder + '/users'
        with open(path, 'w', encoding='ascii') as file:
            file.write('alice:correct-horse\n')
        under_test = self.start_told('-Y', path)
        under_test.may_talk = True
        self.reloads(under_test)
        self.logs(under_test, 'users read again')
        os.remove(path)
        self.reloads(under_test)
        self.logs(under_test, 'the users stay as they were')

    def test_daemon(self):
        """Told before the process that systemd knows has ended: which one to look after now."""
        with mock.patch.dict(os.environ, self.environment):
            pid = self.daemon('-l', '127.0.0.1')
        self.words.setblocking(False)
        self.assertEqual(self.told(), 'MAINPID=%d' % pid)
        self.assertEqual(self.told(), 'READY=1\nSTATUS=Listening on 127.0.0.1:%d, 2 cores, 64 MB'
                         % self.port)
        self.answers()


@unittest.skipUnless(shutil.which('systemd-analyze'), 'Debian: systemd')
class Units(unittest.TestCase):
    """The unit files, as systemd's own checks see them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.units = [folder.name + '/simplecache.' + kind for kind in ('service', 'socket')]
        source = os.path.join(os.path.dirname(__file__), '../../core/dist/simplecache.')
        with open(source + 'service.in', encoding='ascii') as template:
            text = template.read().replace('@type@', 'notify')
        # Programs that are there: ours is not installed, and kill may not be.
        text = re.sub('@bindir@/simplecache|/bin/kill', '/bin/sh', text)
        with open(self.units[0], 'w', encoding='ascii') as unit:
            unit.write(text)
        shutil.copy(source + 'socket', self.units[1])

    def analyze(self, *command):
        done = subprocess.run(['systemd-analyze', *command], capture_output=True, text=True,
                              check=False, timeout=server.TIMEOUT_S)
        return done.returncode, done.stderr

    def test_no_mistakes(self):
        self.assertEqual(self.analyze('verify', '--man=no', *self.units), (0, ''))

    def test_hardened(self):
        """An exposure of 1.2 by version 252's reckoning, of 10 at most."""
        status, _ = self.analyze('security', '--offline=true', '--threshold=20', self.units[0])
        self.assertEqual(status, 0)


@unittest.skipIf(WITH or server.ORIGINAL, 'the server is built with libsystemd')
class Without(SystemdTest):
    """A build without libsystemd is silent, but does not pretend to serve what it is passed."""

    def test_silent(self):
        under_test = server.Server(environment=self.environment)
        os.kill(under_test.pid, signal.SIGHUP)
        under_test.stop()
        self.nothing_told()

    def test_sockets(self):
        self.refused(self.tcp(), line='sockets were passed by systemd, which a build without '
                     "libsystemd can't take: disable the .socket unit, or build with "
                     'libsystemd-dev installed')
        self.serve_alone()

    def serve_alone(self):
        under_test = server.Server(environment={'LISTEN_PID': '1', 'LISTEN_FDS': '1'})
        under_test.stop()


if __name__ == '__main__':
    server.main()
