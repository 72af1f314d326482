"""Found by those that start `memcached` themselves: test suites of clients, with the very command lines that
they use, and Debian's service. The server is started by that name, from the PATH, and real clients look
for it where each suite does.

The ports are those of the suites, so they get a network of their own where this process may have one;
elsewhere a case is skipped whose port is taken.

Debian: python3-pymemcache, python3-binary-memcached, libmemcached-tools, memcached (its service).
"""
import ctypes
import fcntl
import itertools
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import bmemcached
from pymemcache.client.base import Client

import server
from listeners import has_ipv6

NEW_NETWORK = 0x40000000  # of unshare(2)
SET_INTERFACE_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
PR_SET_CHILD_SUBREAPER = 36
UNIT = '/lib/systemd/system/memcached.service'
DEFAULT = 11211

LIBC = ctypes.CDLL(None, use_errno=True)

# Whose line it is, the line, and where it looks for the server: a port or a unix socket. {socket} and {pid}
# are files in a folder of the test.
LINES = (
    ('python-binary-memcached, pylibmc', 'memcached', DEFAULT),
    ('python-binary-memcached', 'memcached -p5000', 5000),
    ('python-binary-memcached', 'memcached -s{socket}', '{socket}'),
    ('gomemcache, ccache, libmemcached', 'memcached -s {socket}', '{socket}'),
    ('aiomcache', 'memcached -s {socket} -a 0766 -m 64', '{socket}'),
    ('dalli, Proc::Guard, libmemcached', 'memcached -p 21345', 21345),
    ('dalli', 'memcached -o idle_timeout=1 -p 21345', 21345),
    ('pifpaf', "memcached '-p 11212'", 11212),
    ('finagle', 'memcached -l localhost -p 11901', 11901),
    ('nginx-tests', 'memcached -l 127.0.0.1 -p 8081 -U 0 -t 1', 8081),
    ('memcached for Ruby', 'memcached -vv -U 0 -p 43042', 43042),
    ('OpenStack-Helm', 'memcached -v -p 11211 -U 0 -X -c 1024 -m 64', DEFAULT),
    ('php-memcached', 'memcached -d -p 11211', DEFAULT),
    ('openSUSE, of php-memcached', 'memcached -d -s {socket}', '{socket}'),
    ('openSUSE, of php-memcached', 'memcached -d', DEFAULT),
    ('anybody', 'memcached -d -P {pid} -p 11212', 11212),
    ('anybody', 'memcached -l 127.0.0.1:5000', 5000),
    ('anybody', 'memcached -d -m 64 -p 11211 127.0.0.1', DEFAULT),
    ('libmemcached', 'memcached -U 43052 -v', 43052),
    ('memcached for Ruby', 'memcached -M -s {socket} -vv', '{socket}'),
    ('Homebrew', 'memcached --listen=127.0.0.1 --port=11212 --daemon --pidfile={pid}', 11212),
)

# The same for root alone.
LINES_OF_ROOT = (
    ('Debian, of clients for Ruby', 'memcached -u nobody', DEFAULT),
    ('anybody', 'memcached -vv -u root', DEFAULT),
    ('Movable Type', 'memcached -d -u root', DEFAULT),
    ('Gentoo, of pylibmc', 'memcached -d -p 11219 -u nobody -l localhost -P {pid}', 11219),
)


def has_own_network():
    """Tries to get one, with a loopback of its own."""
    if LIBC.unshare(NEW_NETWORK) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SET_INTERFACE_FLAGS, struct.pack('16sH14x', b'lo', UP_AND_RUNNING))
    return True


def has_name(host):
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def setUpModule():
    """In the network of all, one such run at a time."""
    if not has_own_network():
        lock = open('/tmp/simplecache-ports-%d' % os.geteuid(), 'w', encoding='ascii')
        unittest.addModuleCleanup(lock.close)
        fcntl.flock(lock, fcntl.LOCK_EX)


@unittest.skipIf(server.ORIGINAL, 'memcached finds itself')
class SuiteTest(unittest.TestCase):
    """With a folder that is first in PATH and has our `memcached`, and one for files."""

    def setUp(self):
        server.need('memcping', 'libmemcached-tools')
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # a daemon's end is seen here
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o777)
        self.folder = folder.name
        os.mkdir(self.folder + '/bin', 0o755)
        self.link = self.folder + '/bin/memcached'
        os.symlink(os.path.realpath(server.program()[0]), self.link)
        self.environment = dict(os.environ, PATH='%s/bin:%s' % (self.folder, os.environ['PATH']))
        self.files = {'socket': self.folder + '/memcached.sock', 'pid': self.folder + '/m.pid'}

    def start(self, *command):
        """Starts it by its name, as suites do."""
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.addCleanup(output.close)
        self.addCleanup(errors.close)
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=errors)
        self.addCleanup(self.end, process)
        process.output = output
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def run_line(self, line):
        """A line as a shell takes it; for a daemon, once it has ended."""
        words = shlex.split(line.format(**self.files))
        process = self.start(*words)
        if '-d' in words or '--daemon' in words:
            self.assertEqual(process.wait(server.TIMEOUT_S), 0)
        return process

    def pid_at(self, where, host='127.0.0.1'):
        """The process that answers there, once one does."""
        host, port = (host, where) if isinstance(where, int) else (where, 0)
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                with server.Connection(port, host=host) as client:
                    client.send(b'stats\r\nquit\r\n')
                    found = re.search(rb'STAT pid (\d+)', client.read_all())
                if found:
                    return int(found[1])
                raise ConnectionError('closed for its silence')
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def stop(self, pid):
        """By SIGTERM; the status must be 0."""
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + server.TIMEOUT_S
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.assertEqual(os.waitstatus_to_exitcode(status), 0)
                return
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        raise AssertionError('does not end on SIGTERM')

    def need_free(self, where):
        """Skips where another program has the port, which it can't without a network of our own."""
        if isinstance(where, int):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(('127.0.0.1', where))
                except OSError:
                    self.skipTest('port %d is taken' % where)

    def tool(self, name, where, *arguments):
        """A tool of libmemcached and its output; it must end well."""
        servers = where if isinstance(where, str) else '127.0.0.1:%d' % where
        done = subprocess.run([name, '--servers=' + servers, *arguments], capture_output=True,
                              check=False, text=True, timeout=server.TIMEOUT_S)
        self.assertEqual(done.returncode, 0, (name, servers, done.stdout, done.stderr))
        return done.stdout

    def is_found(self, where, pid):
        """By clients of two families, which share what is stored."""
        place = where if isinstance(where, str) else ('127.0.0.1', where)
        client = Client(place)
        self.assertTrue(client.set('of', str(where), noreply=False))
        client.close()
        self.tool('memcping', where)
        self.assertEqual(self.tool('memccat', where, 'of'), '%s\n' % where)
        self.assertIn('pid: %d\n' % pid, self.tool('memcstat', where))
        client = Client(place)  # the first may have been idle for too long
        self.addCleanup(client.close)
        self.assertEqual(client.stats()[b'pid'], pid)


class Lines(SuiteTest):
    """Each command line, at its place."""

    def found_by(self, project, line, where):
        with self.subTest(project=project, line=line):
            if 'localhost' in line and not has_name('localhost'):
                self.skipTest('this machine has no name localhost')
            where = where.format(**self.files) if isinstance(where, str) else where
            self.need_free(where)
            self.run_line(line)
            pid = self.pid_at(where)
            with open('/proc/%d/comm' % pid, encoding='ascii') as name:
                self.assertEqual(name.read(), 'memcached\n')  # for pgrep and killall
            self.is_found(where, pid)
            if '{pid}' in line:
                with open(self.files['pid'], encoding='ascii') as file:
                    self.assertEqual(int(file.read()), pid)
            self.stop(pid)
            for path in self.files.values():
                self.assertFalse(os.path.lexists(path))

    def test_lines(self):
        for line in LINES:
            self.found_by(*line)

    @unittest.skipIf(os.geteuid() != 0 or server.SANITIZED, 'only root, and no leak sanitizer')
    def test_lines_of_root(self):
        for line in LINES_OF_ROOT:
            self.found_by(*line)

    def test_modes(self):
        for line, mode in (('memcached -s {socket}', 0o700),
                           ('memcached -s {socket} -a 0766 -m 64', 0o766)):
            self.run_line(line)
            pid = self.pid_at(self.files['socket'])
            self.assertEqual(os.lstat(self.files['socket']).st_mode & 0o777, mode)
            self.stop(pid)

    def test_ipv6(self):
        """With a port of its own and without one."""
        if not has_ipv6():
            self.skipTest('this machine has no ::1')
        for line, port in (('memcached -l::1', DEFAULT), ('memcached -l ::1 -p 5000', 5000),
                           ('memcached -l [::1]:5000', 5000)):
            with self.subTest(line=line):
                self.need_free(port)
                pid = self.run_line(line).pid
                self.assertEqual(self.pid_at(port, host='::1'), pid)
                self.is_found('[::1]:%d' % port, pid)
                self.stop(pid)


class AllAtOnce(SuiteTest):
    """python-binary-memcached's suite starts all of its servers first, and in no certain order: the one
    without flags and the one with -l::1 are after the same port."""

    COMMANDS = (('memcached',), ('memcached', '-p5000'), ('memcached', '-s{socket}'),
                ('memcached', '-l::1'))

    def places(self):
        return '127.0.0.1:11211', '127.0.0.1:5000', self.files['socket']

    def test_every_order(self):
        for port in (DEFAULT, 5000):
            self.need_free(port)
        for commands in itertools.permutations(self.COMMANDS):
            with self.subTest(commands=commands):
                self.in_order(commands)

    def in_order(self, commands):
        processes = []
        for command in commands:
            processes.append(self.start(*(part.format(**self.files) for part in command)))
            self.until_settled(processes[-1])
        for place in self.places():
            client = bmemcached.Client(place, socket_timeout=server.TIMEOUT_S)
            self.assertTrue(client.set('key', place), place)
            self.assertEqual(client.get('key'), place)
            client.disconnect_all()
        if has_ipv6():  # which Debian's version of that client doesn't know
            client = Client('[::1]:11211')
            self.assertTrue(client.set('key', 'six', noreply=False))
            client.close()
        for command, process in zip(commands, processes):
            if self.is_one_too_many(command, commands):
                self.assertEqual(process.poll(), 1)
            else:
                self.stop(process.pid)

    def is_one_too_many(self, command, commands):
        """Whether its place is taken, or not there."""
        plain, six = self.COMMANDS[0], self.COMMANDS[-1]
        return command == six and (commands.index(plain) < commands.index(six) or not has_ipv6())

    def until_settled(self, process):
        """Until it says that it listens, or has ended."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while process.poll() is None and os.fstat(process.output.fileno()).st_size == 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)


class Name(SuiteTest):
    """What those look at that look for memcached first."""

    def output(self, *flags):
        done = subprocess.run(['memcached', *flags], env=self.environment, capture_output=True,
                              check=False, text=True, timeout=server.TIMEOUT_S)
        self.assertEqual(done.stderr, '')
        return done.returncode, done.stdout

    def test_version(self):
        """dalli takes `memcached -h | head -1`, many scripts the second word of `memcached -V`."""
        first = r'\Amemcached [1-9]\.\d+\.\d+ \(simplecache\)'
        status, text = self.output('-h')
        self.assertEqual(status, 0)
        self.assertRegex(text, first)
        for flag in ('-V', '--version'):
            status, text = self.output(flag)
            self.assertEqual(status, 0)
            self.assertRegex(text, first + r'\n\Z')

    def test_own_name(self):
        done = subprocess.run(server.program() + ['-V'], capture_output=True, check=True, text=True)
        self.assertRegex(done.stdout, r'\Asimplecache [1-9]\.\d+\.\d+\n\Z')

    def test_help(self):
        """finagle asks for `-help`; nginx-tests look for what they would like to use."""
        for flag in ('-help', '-h', '--help'):
            status, text = self.output(flag)
            self.assertEqual(status, 0)
            self.assertIn('-t', text)
            self.assertNotIn('repcached', text)

    def test_tls(self):
        """gomemcache asks in this order, so as to be refused where the build has no TLS."""
        done = subprocess.run(['memcached', '--enable-ssl', '--version'], env=self.environment,
                              capture_output=True, check=False, timeout=server.TIMEOUT_S)
        self.assertEqual(done.returncode == 0, os.environ.get('TLS', '1') == '1')


@unittest.skipUnless(os.path.exists(UNIT), 'Debian: memcached')
@unittest.skipIf(os.geteuid() != 0 or server.SANITIZED, 'only root, and no leak sanitizer')
class DebianService(SuiteTest):
    """The command of memcached's unit, as Debian has it, with our program in memcached's place. It is a
    wrapper that reads a file of flags; both are copied with no more changed than paths that are
    taken or not there."""

    def setUp(self):
        super().setUp()
        self.need_free(DEFAULT)
        with open(UNIT, encoding='utf-8') as unit:
            self.unit = unit.read()

    def command(self):
        """That of ExecStart, with copies, and the words of the file of flags."""
        wrapper, flags = re.search(r'(?m)^ExecStart=(\S+) (\S+)$', self.unit).groups()
        with open(wrapper, encoding='utf-8') as script, open(flags, encoding='utf-8') as file:
            script, text = script.read(), file.read()
        self.assertEqual(script.count('"/usr/bin/memcached"'), 1)
        script = script.replace('"/usr/bin/memcached"', '"%s"' % self.link)
        copies = self.folder + '/wrapper', self.folder + '/memcached.conf'
        for path, content in zip(copies, (script, self.adapt(text))):
            with open(path, 'w', encoding='utf-8') as copy:
                copy.write(content)
        return ['perl', *copies]

    def adapt(self, text):
        """The pid file's folder is made when the machine starts, and may be another server's."""
        self.assertRegex(text, r'(?m)^-P \S+$')
        self.user = pwd.getpwnam(re.search(r'(?m)^-u (\S+)$', text)[1])
        os.mkdir(self.folder + '/run')
        os.chown(self.folder + '/run', self.user.pw_uid, self.user.pw_gid)
        self.pid_file = self.folder + '/run/memcached.pid'
        return re.sub(r'(?m)^-P \S+$', '-P ' + self.pid_file, text)

    def restricted(self):
        """The unit's limits that a process can be given without systemd."""
        kept = re.search(r'(?m)^CapabilityBoundingSet=(.+)$', self.unit)[1].split()
        self.assertIn('NoNewPrivileges=true', self.unit)
        bounds = ',+'.join(name.lower().replace('cap_', '') for name in kept)
        return ['setpriv', '--bounding-set=-all,+' + bounds, '--inh-caps=-all', '--no-new-privs']

    def test_service(self):
        if not shutil.which('perl'):
            self.skipTest('the wrapper is in Perl')
        process = self.start(*self.restricted(), *self.command())
        pid = self.pid_at(DEFAULT)
        self.assertEqual(pid, process.pid)  # as systemd takes it for the main process
        self.is_found(DEFAULT, pid)
        with open('/proc/%d/cmdline' % pid, 'rb') as words:
            self.assertEqual(words.read().decode().split('\0')[1:-1],
                             ['-m', '64', '-p', '11211', '-u', 'memcache', '-l', '127.0.0.1',
                              '-P', self.pid_file])
        self.assertEqual(os.stat('/proc/%d' % pid).st_uid, self.user.pw_uid)
        with open(self.pid_file, encoding='ascii') as file:
            self.assertEqual(file.read(), '%d\n' % pid)
        self.stop(pid)
        self.assertFalse(os.path.exists(self.pid_file))


if __name__ == '__main__':
    server.main()
