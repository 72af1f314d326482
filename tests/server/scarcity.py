"""The start where something is scarce or refused: it serves with less, and says so in one line; where that
can't be, one line says of what there is too little."""
import ctypes
import errno
import fcntl
import itertools
import os
import platform
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import server
from startup import CAP_SYS_RESOURCE, FAILED, drop_capabilities, forbid, limit_addresses, listeners, run

CALLS = {  # by name, as this machine numbers them
    'x86_64': {'setsockopt': 54, 'sysinfo': 99, 'setgroups': 116, 'signalfd4': 289, 'getrandom': 318,
               'clone3': 435},
    'aarch64': {'setsockopt': 208, 'sysinfo': 179, 'setgroups': 159, 'signalfd4': 74, 'getrandom': 278,
                'clone3': 435},
}.get(platform.machine())
NO_CALLS = 'the numbers of system calls are not known here'
SIOCSIFFLAGS, SIOCSIFADDR, LOOPBACK_UP = 0x8914, 0x8916, 0x49
TOO_MANY = b'ERROR Too many open connections\r\n'


def limit_descriptors(most):
    """A hard limit for the program that is run next, which it can't raise."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    drop_capabilities(CAP_SYS_RESOURCE)


def may_unshare(*flags):
    return subprocess.run(['unshare', *flags, 'true'], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipIf(server.ORIGINAL, 'these lines are ours')
class ScarcityTest(server.ServerTest):
    """Servers that serve with less, and what they say of it."""

    users = itertools.count()  # who have nothing else, and of whom the kernel counts nothing else

    def program(self):
        return server.program() + server.user_flags()

    def program_of_own_user(self):
        """For root alone."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        copy = shutil.copy(server.program()[0], folder.name)  # others may not reach it
        user = 500000 + 8 * os.getpid() + next(self.users)
        return ['setpriv', '--reuid=%d' % user, '--regid=%d' % user, '--clear-groups', copy]

    def serves(self, line, *flags, cores=None, **options):
        """Whose stderr is that line (a pattern) and no other; without cores the default is taken."""
        command = self.program() + list(flags)
        if cores:
            command += ['--cores', str(cores)]
        under_test = server.Server(command=command, **options)
        self.addCleanup(under_test.stop)
        self.assertRegex(under_test.errors(), r'\A%s\Z' % (line and 'simplecache: %s\n' % line))
        return under_test

    def refused(self, line, *flags, before=None):
        """It doesn't start, and says that line (a pattern) and no other."""
        status, stdout, stderr = run('-p', str(server.free_port()), *flags, *server.user_flags(),
                                     before=before)
        self.assertEqual((status, stdout), (FAILED, ''))
        self.assertRegex(stderr, r'\Asimplecache: %s\n\Z' % line)
        return stderr

    @staticmethod
    def setting(under_test, name):
        with under_test.connect() as client:
            client.send(b'stats settings\r\nquit\r\n')
            return int(re.search(rb'STAT %s (\d+)' % name.encode(), client.read_all())[1])

    def holds(self, under_test, connections):
        """So many are served at a time; one more is told, and comes in when another has left."""
        clients = [under_test.connect_alone()] + [under_test.connect() for _ in range(connections - 1)]
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')
        with under_test.connect() as one_more:
            self.assertEqual(one_more.read_all(), TOO_MANY)
        clients[0].close()
        deadline = time.monotonic() + server.TIMEOUT_S
        answer = TOO_MANY
        while answer == TOO_MANY and time.monotonic() < deadline:
            with under_test.connect() as client:
                answer = client.ask(b'mn\r\n')
        self.assertEqual(answer, b'MN\r\n')


class Descriptors(ScarcityTest):
    """ulimit -n, without the right to raise it."""

    LINE = r'the limit on descriptors is %d \(ulimit -n, LimitNOFILE=\): %s'

    def serves_within(self, limit, changes, *flags, **options):
        return self.serves(self.LINE % (limit, changes), *flags,
                           before=lambda: limit_descriptors(limit), **options)

    def test_defaults(self):
        """1024 is what many shells and services are given."""
        under_test = self.serves_within(1024, r'-c \d+ instead of 1024')
        self.assertGreater(self.setting(under_test, 'maxconns'), 950)
        self.assertEqual(under_test.stat('max_connections'),
                         str(self.setting(under_test, 'maxconns')))

    def test_enough(self):
        self.serves('', '-c', '900', before=lambda: limit_descriptors(1024))
        self.serves('', before=lambda: limit_descriptors(2048))

    def test_soft_limit(self):
        """Is raised without a word."""
        self.serves('', before=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))

    def test_given(self):
        """As many as fit, and those can be had at a time."""
        under_test = self.serves_within(64, r'-c \d+ instead of 10000', '-c', '10000', cores=2)
        self.assertEqual(under_test.stat('threads'), '2')
        connections = self.setting(under_test, 'maxconns')
        self.assertGreaterEqual(connections, 45)
        self.holds(under_test, connections)

    def test_more_than_there_can_be(self):
        under_test = self.serves(r'(the limit on descriptors is \d+ .*|there can\'t be more '
                                 r'connections): -c \d+ instead of 2000000', '-c', '2000000')
        self.assertLessEqual(self.setting(under_test, 'maxconns'), 1000000)

    @unittest.skipIf(server.SANITIZED, 'sanitizers need too much for so many')
    def test_many_cores(self):
        """Each has a descriptor for its ring, or two for epoll, and is of no use without a connection."""
        for engine, least in (('auto', 13), ('epoll', 13)) if server.SANDBOX else (('uring', 20), ('epoll', 13)):
            with self.subTest(engine=engine):
                self.serves_many_cores(engine, least)

    def serves_many_cores(self, engine, least):
        under_test = self.serves_within(64, r'-t \d+ instead of 64, -c \d+ instead of 1024',
                                        '-m', '1024', '-o', 'io=' + engine, cores=64)
        cores = int(under_test.stat('threads'))
        connections = self.setting(under_test, 'maxconns')
        self.assertGreater(cores, least)
        self.assertLess(connections, cores + 3)
        self.assertGreaterEqual(connections, cores)
        self.assertEqual(len([name for name in under_test.threads() if 'reactor' in name]), cores)
        self.holds(under_test, connections)

    def test_least(self):
        """Below the least that is named nothing starts; with it one client is served, on a pid file,
        a daemon's pipe and all."""
        for cores in ('1', '16'):
            for limit in (8, 10):
                said = self.refused(r'the limit on descriptors is %d, and at least \d+ are needed: '
                                    r'raise it \(ulimit -n, LimitNOFILE=\)' % limit,
                                    '--cores', cores, '-m', '128',
                                    before=lambda: limit_descriptors(limit))
        least = int(re.search(r'at least (\d+)', said)[1])
        self.assertLess(least, 20)
        with tempfile.TemporaryDirectory() as folder:
            under_test = self.serves_within(least, '-t 1 instead of 16, -c 1 instead of 1024',
                                            '-m', '128', '-P', folder + '/pid', cores=16)
            with open(folder + '/pid', encoding='ascii') as file:
                self.assertEqual(file.read(), '%d\n' % under_test.pid)
            self.holds(under_test, 1)
            under_test.stop()


@unittest.skipIf(server.SANDBOX, 'io_uring is refused here, so there are no rings')
class LockedMemory(ScarcityTest):
    """ulimit -l: the kernel counts the memory of rings against it, of all processes of a user, and of those that have
    ended a little longer."""

    LINE = r'the limit on locked memory is %d KB \(ulimit -l, LimitMEMLOCK=\), so rings are small%s'

    def program(self):
        return self.program_of_own_user() if os.geteuid() == 0 else super().program()

    @staticmethod
    def limit(kib):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (kib << 10, kib << 10))

    def test_small_rings(self):
        """They do for many clients at a time, each with more in flight than such a ring has entries."""
        under_test = self.serves('(%s)?' % self.LINE % (64, r'(: -t \d instead of 4)?'), '-o', 'io=uring', cores=4,
                                 before=lambda: self.limit(64))
        clients = [under_test.connect() for _ in range(600)]
        for client in clients:
            self.addCleanup(client.close)
            client.send(b'set %d 0 0 100\r\n%s\r\n' % (id(client), b'x' * 100) * 20)
        for client in clients:
            self.assertEqual(client.read(20 * 8), b'STORED\r\n' * 20)
        for client in clients:
            client.send(b'get %d\r\n' % id(client))
        for client in clients:
            self.assertRegex(client.read_line(), b'^VALUE ')

    def test_many_cores(self):
        """What is usual, 8 MB, is enough for about 90 rings; a restart counts those of before too."""
        port, program = server.free_port(), self.program()
        self.program = lambda: program
        for _ in range(2):
            under_test = self.serves('(%s)?' % self.LINE % (2048, r'(: -t \d+ instead of 48)?'),
                                     '-m', '512', '-o', 'io=uring', cores=48, port=port,
                                     before=lambda: self.limit(2048))
            self.assertEqual(under_test.stat('threads'), '48')
            under_test.stop()

    def test_nothing(self):
        """Is told, unless the kernel doesn't count."""
        under_test = server.Server(command=[*self.program(), '--cores', '2', '-o', 'io=uring'], wait=False,
                                   before=lambda: self.limit(0))
        self.addCleanup(under_test.kill)
        deadline = time.monotonic() + server.TIMEOUT_S
        while not under_test.output() and under_test.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if under_test.output():
            self.skipTest('this kernel does not count rings as locked memory')
        self.assertEqual(under_test.process.wait(server.TIMEOUT_S), FAILED)
        self.assertRegex(under_test.errors(), r'\Asimplecache: (-o io=uring: )?no memory for io_uring: raise the '
                                              r'locked-memory limit \(ulimit -l, [^\n]*\n\Z')


class Memory(ScarcityTest):
    """-m, -t and -I against each other and against the machine."""

    def test_cores_by_default(self):
        """Rather fewer of them than more memory than -m; without -m too."""
        cpus = len(os.sched_getaffinity(0))
        for megabytes in (8, 31, 64, 512):
            under_test = self.serves('', '-m', str(megabytes))
            self.assertEqual(under_test.stat('limit_maxbytes'), str(megabytes << 20))
            self.assertLessEqual(int(under_test.stat('threads')),
                                 min(cpus, max(megabytes // 16, 1)))

    def test_cores_given(self):
        """More memory then, and how to avoid it, which is true."""
        under_test = self.serves('-m raised to 128 MB, the least for 16 cores: -t 8 keeps it at 64',
                                 '-m', '64', cores=16)
        self.assertEqual(under_test.stat('limit_maxbytes'), str(128 << 20))
        under_test = self.serves('', '-m', '64', cores=8)
        self.assertEqual(under_test.stat('limit_maxbytes'), str(64 << 20))

    def test_large_items_and_cores(self):
        """memcached serves this: fewer cores, as each would need four times as much memory."""
        under_test = self.serves(r"-t lowered to 1, as -I may be a quarter of a core's memory: -m 160 "
                                 'allows 4', '-I', '10m', '-m', '64', cores=4)
        self.assertEqual(under_test.stat('threads'), '1')
        self.assertEqual(under_test.stat('limit_maxbytes'), str(64 << 20))
        length = (10 << 20) - 200
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 %d\r\n%s\r\n' % (length, b'x' * length)),
                             b'STORED\r\n')
        under_test = self.serves('', '-I', '10m', '-m', '160', cores=4)
        self.assertEqual(under_test.stat('threads'), '4')

    def test_large_items(self):
        """Up to half of -m memcached takes too; more is a mistake with both."""
        under_test = self.serves('-I lowered to 16777216, a quarter of -m: -m 120 allows 31457280',
                                 '-I', '30m', '-m', '64')
        self.assertEqual(self.setting(under_test, 'item_size_max'), 16 << 20)
        self.assertEqual(run('-I', '33m', '-m', '64'),
                         (64, '', 'simplecache: -I is more than half of -m: give -m 132 or more\n'))

    def test_more_than_there_is(self):
        """memcached promises anything."""
        under_test = self.serves(r'there are \d+ MB of memory: -m \d+ instead of 100000000',
                                 '-m', '100000000', cores=2)
        there = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
        self.assertLess(int(under_test.stat('limit_maxbytes')), there)
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 1\r\na\r\n'), b'STORED\r\n')

    @unittest.skipIf(server.SANITIZED, 'sanitizers need addresses')
    def test_few_addresses(self):
        """What is left of -m can be filled. The least is told."""
        line = r'addresses are limited \(ulimit -v, LimitAS=, vm.overcommit_memory\): %s'
        for size, flags, changes in (
                (130, ('-t', '2'), r'-m \d+ instead of 64(, -t 1 instead of 2)?(, -c \d+ instead of 1024)?'),
                (300, ('-t', '2', '-m', '1024'), r'-m \d+ instead of 1024'),
                (1000, ('-t', '4', '-m', '1024'), r'-m \d+ instead of 1024'),
                (4000, ('-t', '200', '-m', '1600', '-o', 'ring_capacity=4096'),
                 r'-m \d+ instead of 1600, -t \d+ instead of 200')):
            with self.subTest(size=size):
                under_test = self.serves(line % changes, *flags,
                                         before=lambda: limit_addresses(size << 20))
                self.fill(under_test)
        self.refused('there are too few addresses even for one core and the least -m: raise the limit '
                     r'\(ulimit -v, LimitAS=\), or set the sysctl vm.overcommit_memory to 0',
                     before=lambda: limit_addresses(60 << 20))

    def fill(self, under_test):
        """With more than there is room for, by several clients."""
        value = b'x' * 50000
        rounds = int(under_test.stat('limit_maxbytes')) // len(value) // 4
        clients = [under_test.connect() for _ in range(5)]
        for number in range(rounds):
            for client in clients:
                client.send(b'set k%d-%d 0 0 50000\r\n%s\r\n' % (number, id(client), value))
            for client in clients:
                self.assertEqual(client.read_line(), b'STORED\r\n')
        for client in clients:
            client.close()
        self.assertGreater(int(under_test.stat('curr_items')), rounds)


class Threads(ScarcityTest):
    """ulimit -u, which counts those of a user."""

    LINE = r'no %sthreads? can be started: Resource temporarily unavailable'

    def setUp(self):
        if os.geteuid() != 0 or server.SANITIZED:
            self.skipTest('only root chooses a user who has none yet; a sanitizer starts its own')

    def command(self):
        return [*self.program_of_own_user(), '-t', '4']

    def test_as_many_as_there_may_be(self):
        """Three, and one of them is the main one."""
        under_test = server.Server(command=self.command(), before=lambda: resource.setrlimit(
            resource.RLIMIT_NPROC, (3, 3)))
        self.addCleanup(under_test.stop)
        self.assertRegex(under_test.errors(), r'\Asimplecache: ' + self.LINE % 'more ' +
                         r' \(ulimit -u, LimitNPROC=, TasksMax=\): -t 2 instead of 4\n\Z')
        self.assertEqual(under_test.stat('threads'), '2')
        with under_test.connect() as client:
            for number in range(20):
                self.assertEqual(client.ask(b'set %d 0 0 1\r\na\r\n' % number), b'STORED\r\n')

    def test_none(self):
        done = subprocess.run(self.command() + ['-p', str(server.free_port())], check=False,
                              stderr=subprocess.PIPE, text=True, timeout=server.TIMEOUT_S,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)))
        self.assertEqual(done.returncode, FAILED)
        self.assertRegex(done.stderr, r'\Asimplecache: ' + self.LINE % '' +
                         r'; raise the limit on them \(ulimit -u, LimitNPROC=, TasksMax=\)\n\Z')


@unittest.skipIf(CALLS is None, NO_CALLS)
class Sandboxes(ScarcityTest):
    """That refuse a system call, as their filters do: with EPERM, or as if it didn't exist."""

    def serves_without(self, call, line, *flags, **options):
        for error in (errno.EPERM, errno.ENOSYS):
            with self.subTest(call=call, error=error):
                said = line.replace('ERROR', os.strerror(error))
                under_test = self.serves(said, *flags, cores=2,
                                         before=lambda: forbid(error, CALLS[call]), **options)
                with under_test.connect() as client:
                    self.assertEqual(client.ask(b'set a 0 0 1\r\na\r\n'), b'STORED\r\n')

    def test_sysinfo(self):
        self.serves_without('sysinfo', r'sysinfo\(2\) is refused here, as by a sandbox: ERROR; '
                                       '/proc/meminfo is read instead')

    def test_getrandom(self):
        self.serves_without('getrandom', r'getrandom\(2\) is refused here, as by a sandbox: ERROR; '
                                         '/dev/urandom is read instead')

    def test_getrandom_for_logins(self):
        """What is kept of a password is hashed with random bytes too."""
        with tempfile.NamedTemporaryFile('w', suffix='users') as users:
            users.write('a:b\n')
            users.flush()
            under_test = server.Server(
                flags=('-Y', users.name), wait=False,
                before=lambda: forbid(errno.EPERM, CALLS['getrandom']))
            under_test.may_talk = True
            self.addCleanup(under_test.stop)
            deadline = time.monotonic() + server.TIMEOUT_S
            while not under_test.output() and time.monotonic() < deadline:
                time.sleep(0.01)
            with under_test.connect() as client:
                self.assertEqual(client.ask(b'set a 0 0 3\r\na b\r\n'), b'STORED\r\n')
            with under_test.connect() as client:
                self.assertEqual(client.ask(b'set a 0 0 3\r\na c\r\n'),
                                 b'CLIENT_ERROR authentication failure\r\n')

    def test_setsockopt(self):
        """memcached serves too; an address of IPv6 can do without none of its own."""
        self.serves_without('setsockopt', r'setsockopt\(2\) is refused here, as by a sandbox: ERROR; '
                                          'connections are without TCP_NODELAY and keep-alive', '-l', '127.0.0.1')

    def test_signalfd(self):
        self.refused(r"can't receive signals: signalfd\(2\): Operation not permitted",
                     before=lambda: forbid(errno.EPERM, CALLS['signalfd4']))

    @unittest.skipIf(server.SANITIZED, 'sanitizers start threads')
    def test_clone(self):
        """glibc has another way where it is told that the call doesn't exist."""
        self.refused(r'no thread can be started: Operation not permitted; let the sandbox allow '
                     r'clone3\(2\), or refuse it with ENOSYS',
                     before=lambda: forbid(errno.EPERM, CALLS['clone3']))
        self.serves('', before=lambda: forbid(errno.ENOSYS, CALLS['clone3']))

    @unittest.skipIf(os.geteuid() != 0, 'only root switches users')
    def test_setgroups(self):
        """memcached serves too where it is told EPERM, as in a user namespace without groups."""
        self.serves(r'-u root: the supplementary groups stay as they are: setgroups\(2\) is refused '
                    'here: Operation not permitted',
                    before=lambda: forbid(errno.EPERM, CALLS['setgroups']))
        self.refused("-u root: can't switch to that user: Function not implemented",
                     before=lambda: forbid(errno.ENOSYS, CALLS['setgroups']))

    def test_nothing_instead(self):
        """The files that would be read aren't there either."""
        if not may_unshare('-rm'):
            self.skipTest('no mount namespaces here')
        for call, folder, line, starts in (
                ('sysinfo', '/proc', '-m is not compared with the memory there is', True),
                ('getrandom', '/dev', 'keys are hashed with a random number', False)):
            with self.subTest(call=call):
                hidden = ['unshare', '-rm', 'sh', '-c', 'mount -t tmpfs none %s; exec "$@"' % folder,
                          'sh', *server.program(), '-u', 'root']
                under_test = server.Server(command=hidden, wait=starts,
                                           before=lambda: forbid(errno.EPERM, CALLS[call]))
                self.addCleanup(under_test.kill)
                if not starts:
                    self.assertEqual(under_test.process.wait(server.TIMEOUT_S), FAILED)
                self.assertRegex(under_test.errors(), r'(?m)^simplecache: %s\(2\) is refused here, as '
                                 'by a sandbox: Operation not permitted; .*%s$' % (call, line))


def serve_in_namespace(loopback):
    """Called in a network namespace of its own. Brings its loopback up with both addresses, or but for
    127.0.0.1, and prints where the server listens and what it says."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack('16sh14x', b'lo', LOOPBACK_UP))
        if loopback == '::1':
            fcntl.ioctl(control, SIOCSIFADDR,
                        struct.pack('16sHH4s8x', b'lo', socket.AF_INET, 0, bytes(4)))
    under_test = server.Server(port=11211, host=loopback)
    under_test.may_talk = True
    print(listeners(under_test.pid))
    print(under_test.errors(), end='')
    under_test.stop()


class Addresses(ScarcityTest):
    """Loopback addresses that aren't there, or are taken; nothing to listen on."""

    def in_namespace(self, loopback):
        if not may_unshare('-rn'):
            self.skipTest('no network namespaces here')
        code = 'import scarcity; scarcity.serve_in_namespace(%r)' % loopback
        done = subprocess.run(['unshare', '-rn', sys.executable, '-B', '-c', code], check=True,
                              cwd=os.path.dirname(os.path.abspath(__file__)), text=True,
                              stdout=subprocess.PIPE, timeout=2 * server.TIMEOUT_S)
        return [line for line in done.stdout.splitlines() if ' -u root: ' not in line]

    def test_ipv6_alone(self):
        self.assertEqual(self.in_namespace('::1'), [
            "['::1:11211']", 'simplecache: this machine has no 127.0.0.1: [::1]:11211 alone is served'])

    def test_both(self):
        self.assertEqual(self.in_namespace('127.0.0.1'), ["['127.0.0.1:11211', '::1:11211']"])

    def test_ipv6_taken(self):
        """Beside 127.0.0.1, and beside the IPv4 address of the same name, it is left out."""
        with socket.socket(socket.AF_INET6) as taken:
            try:
                taken.bind(('::1', 0))
            except OSError:
                self.skipTest('this machine has no ::1')
            taken.listen()
            port = taken.getsockname()[1]
            for flags, address, served in (((), '[::1]', '127.0.0.1'),
                                           (('-l', '*'), '[::]', '0.0.0.0')):
                line = r"can't listen on %s:%d: Address already in use; the rest is served"
                under_test = self.serves(line % (re.escape(address), port), *flags, port=port)
                self.assertEqual(listeners(under_test.pid), ['%s:%d' % (served, port)])
                under_test.stop()
            self.refused(r"can't listen on \[::1\]:%d: Address already in use; another program listens "
                         'there: end it or choose another -p' % port, '-p', str(port), '-l', '::1')

    def test_ipv4_taken(self):
        """Clients would go to the other program: that is for people to choose."""
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            self.refused("can't listen on 127.0.0.1:%d: Address already in use; another program "
                         'listens there: end it or choose another -p' % taken.getsockname()[1],
                         '-p', str(taken.getsockname()[1]))

    def test_nothing_to_listen_on(self):
        """As memcached it runs all the same, and ends well."""
        under_test = server.Server(flags=('-p', '0'), wait=False)
        under_test.may_talk = True
        deadline = time.monotonic() + server.TIMEOUT_S
        while not under_test.output() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertRegex(under_test.output(), r'\Asimplecache \S+ listening on nothing, 1 core, 64 MB, at most \d+ MB in all%s\n\Z'
                         % server.ENGINE)
        self.assertEqual(under_test.errors(), 'simplecache: -p 0 leaves nothing to listen on: no client '
                         'can connect; give a unix socket with -s PATH, or UDP with -U PORT\n')
        self.assertEqual(listeners(under_test.pid), [])
        under_test.stop(signal.SIGTERM)


if __name__ == '__main__':
    server.main()
