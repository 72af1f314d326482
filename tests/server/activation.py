"""Socket activation: the sockets that systemd passes are served in place of the server's own. What systemd
does is done by a launcher here, and in one part by Debian's systemd-socket-activate.
"""
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest
from unittest import mock

import server
from listeners import has_ipv6
from startup import listeners
from systemd import BUILT_WITH, SWITCHES, SystemdTest


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
        self.assertRegex(under_test.output(), r'\Asimplecache \S+ listening on %s, 2 cores, 64 MB, at most \d+ MB in all%s '
                         r'\(sockets passed by systemd\)\n\Z' % (re.escape(names), server.ENGINE))

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


if __name__ == '__main__':
    server.main()
