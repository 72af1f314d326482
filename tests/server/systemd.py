"""Under systemd: word of start and stop (sd_notify), and the sockets that it passes. What systemd does
is done here: a datagram socket that the word goes to, sockets from descriptor 3 on. One part is run by
Debian's systemd-socket-activate.
"""
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import server
from listeners import has_ipv6
from process import ServiceTest
from startup import listeners, run

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

    def reloads(self, under_test, users):
        before = time.monotonic_ns() // 1000
        os.kill(under_test.pid, signal.SIGHUP)
        first = self.told()
        self.assertRegex(first, r'\ARELOADING=1\nMONOTONIC_USEC=[0-9]+\Z')
        self.assertIn(int(first.rpartition('=')[2]), range(before, time.monotonic_ns() // 1000 + 1))
        self.assertEqual(self.told(), 'READY=1')
        self.assertEqual('users' in under_test.errors(), users)

    def test_reload(self):
        """With users to be read again and without, and when they can't be read."""
        self.reloads(self.start_told(), users=False)
        path = self.folder + '/users'
        with open(path, 'w', encoding='ascii') as file:
            file.write('alice:correct-horse\n')
        under_test = self.start_told('-Y', path)
        under_test.may_talk = True
        self.reloads(under_test, users=True)
        os.remove(path)
        self.reloads(under_test, users=True)
        self.assertIn('the users stay as they were', under_test.errors())

    def test_daemon(self):
        """Told before the process that systemd knows has ended: which one to look after now."""
        with mock.patch.dict(os.environ, self.environment):
            pid = self.daemon('-l', '127.0.0.1')
        self.words.setblocking(False)
        self.assertEqual(self.told(), 'MAINPID=%d' % pid)
        self.assertEqual(self.told(), 'READY=1\nSTATUS=Listening on 127.0.0.1:%d, 2 cores, 64 MB'
                         % self.port)
        self.answers()


@BUILT_WITH
class Sockets(SystemdTest):
    """Those that are passed are served, in place of the server's own."""

    def test_all_kinds(self):
        passed = [self.unix(), self.tcp()]
        if has_ipv6():
            passed.append(self.listening(socket.AF_INET6, ('::1', 0)))
        under_test = self.serve(*passed)
        self.addCleanup(under_test.stop)
        for one in passed:
            self.answers_at(one.getsockname())
        tcp = [one.getsockname()[:2] for one in passed[1:]]
        self.assertEqual(listeners(under_test.pid), sorted('%s:%d' % one for one in tcp))
        names = ' '.join(['unix:' + self.path] + [('[%s]:%d' if ':' in one[0] else '%s:%d') % one
                                                  for one in tcp])
        self.assertEqual(self.told(), 'READY=1\nSTATUS=Listening on %s, 2 cores, 64 MB' % names)
        self.assertRegex(under_test.output(), r'\Asimplecache \S+ listening on %s, 2 cores, 64 MB '
                         r'\(sockets passed by systemd\)\n\Z' % re.escape(names))

    def test_abstract_unix_socket(self):
        passed = self.listening(socket.AF_UNIX, '')
        name = passed.getsockname()[1:].decode()
        under_test = self.serve(passed, wait=False)
        self.addCleanup(under_test.stop)
        self.assertIn('Listening on unix:@%s, ' % name, self.told())
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(server.TIMEOUT_S)
            client.connect('\0' + name)
            client.sendall(b'mn\r\n')
            self.assertEqual(client.recv(100), b'MN\r\n')

    def test_many_requests(self):
        """From each, to every shard."""
        passed = [self.tcp(), self.unix()]
        under_test = self.serve(*passed)
        self.addCleanup(under_test.stop)
        value = b'x' * 20000
        with under_test.connect() as client, server.Connection(0, host=self.path) as other:
            for number in range(100):
                self.assertEqual(client.ask(b'set k%d 0 0 20000\r\n%s\r\n' % (number, value)),
                                 b'STORED\r\n')
            other.send(b'get %s\r\nquit\r\n' % b' '.join(b'k%d' % n for n in range(100)))
            self.assertEqual(other.read_all(), b''.join(
                b'VALUE k%d 0 20000\r\n%s\r\n' % (n, value) for n in range(100)) + b'END\r\n')

    def test_what_is_told_of_them(self):
        passed = [self.unix(), self.tcp()]
        ports = self.folder + '/ports'
        under_test = self.serve(*passed, environment={'MEMCACHED_PORT_FILENAME': ports})
        self.addCleanup(under_test.stop)
        with under_test.connect() as client:
            client.send(b'stats settings\r\nstats conns\r\nquit\r\n')
            told = client.read_all().decode()
        for line in ('tcpport %d' % under_test.port, 'inter NULL', 'domain_socket NULL'):
            self.assertIn('STAT %s\r\n' % line, told)
        self.assertIn('STAT 3:addr unix:%s\r\n' % self.path, told)
        self.assertIn('STAT 4:addr tcp:127.0.0.1:%d\r\n' % under_test.port, told)
        with open(ports, encoding='ascii') as file:
            self.assertEqual(file.read(), 'TCP INET: %d\n' % under_test.port)

    def test_what_connections_inherit(self):
        passed = self.tcp()
        self.serve(passed).stop()
        self.assertEqual(passed.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)
        self.assertEqual(passed.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)

    def test_flags_are_left_aside(self):
        other = self.folder + '/other'
        for flags in (('-p', str(server.free_port())), ('-p', '0'), ('-l', '127.0.0.2'),
                      ('-s', other)):
            with self.subTest(flags=flags):
                passed = self.tcp()
                under_test = self.serve(passed, flags=flags)
                self.assertEqual(listeners(under_test.pid), ['127.0.0.1:%d' % under_test.port])
                self.assertFalse(os.path.lexists(other))
                self.assertEqual(under_test.errors(), 'simplecache: -p, -l and -s are left aside: '
                                 'served are the sockets that systemd has passed\n')
                self.assertIn('(sockets passed by systemd)', under_test.output())
                under_test.may_talk = True
                under_test.stop()

    def test_they_stay(self):
        """Whoever connects between two servers is served by the second."""
        for blocking in (True, False):
            with self.subTest(blocking=blocking):
                passed = [self.listening(socket.AF_INET, ('127.0.0.1', 0), blocking), self.unix()]
                self.serve(*passed).stop()
                self.assertTrue(stat.S_ISSOCK(os.lstat(self.path).st_mode))
                with server.Connection(passed[0].getsockname()[1]) as first, \
                        server.Connection(0, host=self.path) as second:
                    for client in (first, second):
                        client.send(b'mn\r\n')
                    under_test = self.serve(*passed)
                    for client in (first, second):
                        self.assertEqual(client.read_line(), b'MN\r\n')
                    under_test.stop()
                os.remove(self.path)

    def test_not_accepted_while_stopping(self):
        """A client that doesn't take its answers holds the server up, and others come meanwhile."""
        passed = self.tcp()
        under_test = server.Server(cores=1, launcher=self.launcher(passed),
                                   port=passed.getsockname()[1], inherited=[passed.fileno()])
        with under_test.connect(receive_buffer=2048) as slow, under_test.connect() as idle:
            slow.ask(b'set a 0 0 500000\r\n%s\r\n' % (b'x' * 500000))
            slow.send(b'get a\r\n' * 40)
            slow.read(10)
            idle.ask(b'mn\r\n')
            os.kill(under_test.pid, signal.SIGTERM)
            self.assertEqual(idle.read_all(), b'')  # so the order has been followed
            with under_test.connect() as late:
                late.send(b'mn\r\n')
                under_test.stop()
                self.serve_late(passed, late)

    def serve_late(self, passed, late):
        under_test = self.serve(passed)
        self.assertEqual(late.read_line(), b'MN\r\n')
        under_test.stop()

    @SWITCHES
    def test_root_is_dropped(self):
        """With ports and files that only root may open, which stay root's."""
        passed = self.unix()
        os.chmod(self.path, 0o666)
        under_test = self.serve(passed, flags=('-u', 'nobody'), host=self.path)
        self.assertEqual(os.stat('/proc/%d' % under_test.pid).st_uid, 65534)
        self.answers_at(self.path)
        under_test.stop()
        file = os.lstat(self.path)
        self.assertEqual((file.st_uid, stat.S_IMODE(file.st_mode)), (0, 0o666))

    def test_daemon(self):
        """The process that goes on is another than the one that they were passed to."""
        passed = self.tcp()
        self.port = passed.getsockname()[1]
        self.flags = ['-t', '2'] + (self.switched or server.user_flags())
        os.set_inheritable(passed.fileno(), True)
        launched = self.launcher(passed) + server.program() + self.flags
        with mock.patch.dict(os.environ, self.environment):
            subprocess.run(launched + ['-d', '-P', self.pid_file], check=True, close_fds=False,
                           stdout=subprocess.DEVNULL, timeout=server.TIMEOUT_S)
        with open(self.pid_file, encoding='ascii') as file:
            pid = int(file.read())
        self.addCleanup(self.end, pid)
        self.assertEqual(self.told(), 'MAINPID=%d' % pid)
        self.assertEqual(listeners(pid), ['127.0.0.1:%d' % self.port])
        self.answers()

    def test_limit_on_descriptors(self):
        """They are counted."""
        passed = [self.tcp() for _ in range(40)]
        under_test = self.serve(*passed, nofile=(1050, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with open('/proc/%d/limits' % under_test.pid, encoding='ascii') as limits:
            soft = int(re.search(r'Max open files +(\d+)', limits.read())[1])
        self.assertGreaterEqual(soft, 1024 + 40)
        for one in passed:
            self.answers_at(one.getsockname())
        under_test.stop()


@BUILT_WITH
class WrongSockets(SystemdTest):
    """One line that says what would do."""

    def open_socket(self, *kind):
        made = socket.socket(*kind)
        self.addCleanup(made.close)
        return made

    def test_kinds(self):
        file = tempfile.TemporaryFile()
        self.addCleanup(file.close)
        bound = self.open_socket(socket.AF_INET)
        bound.bind(('127.0.0.1', 0))
        ends = socket.socketpair()
        for end in ends:
            self.addCleanup(end.close)
        stream = 'is no stream socket: use ListenStream= in the .socket unit'
        deaf = 'does not listen: use Accept=no in the .socket unit'
        for passed, problem in (
                (file, 'is no socket: have the .socket unit open sockets alone (ListenStream=)'),
                (self.open_socket(socket.AF_INET, socket.SOCK_DGRAM), stream),
                (self.open_socket(socket.AF_INET6, socket.SOCK_DGRAM), stream),
                (self.open_socket(socket.AF_UNIX, socket.SOCK_DGRAM), stream),
                (self.open_socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), stream),
                (bound, deaf), (ends[0], deaf)):
            with self.subTest(passed=passed):
                self.refused(passed, line='descriptor 3, passed by systemd, ' + problem)
                self.refused(self.tcp(), passed,
                             line='descriptor 4, passed by systemd, ' + problem)

    def test_other_family(self):
        try:
            passed = self.open_socket(socket.AF_VSOCK)
        except OSError:
            self.skipTest('this machine has no sockets of another family')
        self.refused(passed, line='descriptor 3, passed by systemd, is of an unknown family: let '
                                  'ListenStream= name an IP address or a path')

    def test_too_many(self):
        self.refused(*(self.tcp() for _ in range(65)), line='systemd has passed 65 sockets: let '
                                                            'the .socket unit open at most 64')

    def test_wrong_variables(self):
        advice = '; let systemd or systemd-socket-activate set it, or nobody'
        for count, problem in (('2', 'Bad file descriptor'), ('many', 'Invalid argument'),
                               ('-1', 'Invalid argument'), ('', 'Invalid argument'),
                               ('0', 'Invalid argument'),
                               ('99999999999999999999', 'Numerical result out of range')):
            with self.subTest(count=count):
                self.refused(self.tcp(), environment={'LISTEN_FDS': count},
                             line="the sockets that LISTEN_FDS promises can't be had: %s%s"
                             % (problem, advice))
        self.refused(self.tcp(), environment={'LISTEN_PID': 'x'},
                     line="the sockets that LISTEN_FDS promises can't be had: Invalid argument"
                     + advice)

    def test_not_meant_for_us(self):
        """Another process's, or none: the server listens by itself."""
        port = server.free_port()
        under_test = self.serve(self.tcp(), flags=('-p', str(port)), port=port,
                                environment={'LISTEN_PID': '1'})
        self.assertIn('127.0.0.1:%d' % port, listeners(under_test.pid))
        self.assertNotIn('passed by systemd', under_test.output())
        under_test.stop()
        self.start(environment={'LISTEN_FDS': '1'})  # and no LISTEN_PID


@BUILT_WITH
@unittest.skipUnless(shutil.which('systemd-socket-activate'), 'Debian: systemd')
class SocketActivate(SystemdTest):
    """systemd's own program for trying such services: it starts them with the first connection."""

    def test_it(self):
        port = server.free_port()
        kept = [name for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS')
                if name in os.environ]
        launcher = ['systemd-socket-activate', '-l', '127.0.0.1:%d' % port, '-l', self.path,
                    '-E', 'NOTIFY_SOCKET=' + self.folder + '/notify']
        launcher += [part for name in kept for part in ('-E', name)]
        under_test = server.Server(cores=2, port=port, launcher=launcher)
        under_test.may_talk = True  # the launcher does
        self.addCleanup(under_test.stop)
        self.assertEqual(self.told(), 'READY=1\nSTATUS=Listening on 127.0.0.1:%d unix:%s, 2 cores, '
                                      '64 MB' % (port, self.path))
        self.answers_at(self.path)
        self.assertEqual(listeners(under_test.pid), ['127.0.0.1:%d' % port])
        self.assertNotIn('simplecache:', under_test.errors())


@unittest.skipUnless(shutil.which('systemd-analyze'), 'Debian: systemd')
class Units(unittest.TestCase):
    """The unit files, as systemd's own checks see them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.units = [folder.name + '/simplecache.' + kind for kind in ('service', 'socket')]
        source = os.path.join(os.path.dirname(__file__), '../../core/simplecache.')
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
