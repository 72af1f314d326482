"""Starting and stopping: mistakes are one clear line, the start is one line, the end is orderly."""
import ctypes
import errno
import os
import platform
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import server

STOP_LIMIT_S = server.TIMEOUT_S / 2  # a second is what it waits for at most, and then there is a busy machine
RUN_LIMIT_S = server.TIMEOUT_S  # for a server that isn't meant to stay
PR_CAPBSET_DROP = 24
CAP_IPC_LOCK = 14
CAP_SYS_RESOURCE = 24
NOT_ADJUSTED = b'MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n'
IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427
WRONG, FAILED = 64, 1  # a wrong command line, as sysexits.h has it, and what the machine denies


def run(*flags, before=None):
    """The end of a server that isn't meant to stay: status, stdout, stderr."""
    done = subprocess.run(server.program() + list(flags), stdin=subprocess.DEVNULL, preexec_fn=before,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=RUN_LIMIT_S,
                          check=False, text=True)
    return done.returncode, done.stdout, done.stderr


def forbid(error, call, second=None):
    """Makes that system call fail in this process from now on, as a container's profile does; with `second`, where
    its second argument is that."""
    load, equal, result = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
    allow, fail, second_at = 0x7fff0000, 0x00050000, 24  # of struct seccomp_data
    only = () if second is None else ((load, 0, 0, second_at), (equal, 0, 1, second))
    rules = ((load, 0, 0, 0), (equal, 0, len(only) + 1, call), *only, (result, 0, 0, fail | error),
             (result, 0, 0, allow))
    filters = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *rule) for rule in rules))
    program = struct.pack('HxxxxxxP', len(rules), ctypes.addressof(filters))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for call in ((38, 1, 0, 0, 0), (22, 2, program, 0, 0)):  # NO_NEW_PRIVS, SECCOMP
        if prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), 'prctl')


def hide_limit():
    """The program that is run next can't ask for its limit on descriptors, so it doesn't know that it is too low for
    what is asked of it."""
    call = {'x86_64': 302, 'aarch64': 261}.get(platform.machine())  # prlimit64
    if call is None:
        raise OSError('the number of prlimit64 is not known here')
    forbid(errno.ENOSYS, call, resource.RLIMIT_NOFILE)


def forbid_io_uring(error, call=IO_URING_SETUP):
    forbid(error, call)


def limit_addresses(size):
    """At most so many bytes of them for the program that is run next."""
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def drop_capabilities(*capabilities):
    """Out of the bounding set, so that the program that is run next can't raise limits (CAP_SYS_RESOURCE), or not ignore
    that on locked memory (CAP_IPC_LOCK): then the kernel counts its rings, together with those of others."""
    for capability in capabilities:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def sockets(pid):
    """The sockets a process holds, as /proc names them."""
    folder = '/proc/%d/fd/' % pid
    held = set()
    for name in os.listdir(folder):
        try:
            held.add(os.readlink(folder + name))
        except FileNotFoundError:  # a connection that was closed meanwhile
            pass
    return held


def own_rows(pid, *tables):
    """The columns of a process's sockets in tables of /proc/PID/net, each socket once. The kernel gives out a table in
    pieces: what has moved in between is in two of them or in none, but not in three looks."""
    held = sockets(pid)
    found = {}
    for table in 3 * tables:
        with open('/proc/%d/net/%s' % (pid, table), encoding='ascii') as rows:
            for row in list(rows)[1:]:
                column = row.split()
                if 'socket:[%s]' % column[9] in held:
                    found[column[9]] = column
    return found.values()


def listeners(pid):
    """The addresses a process listens on over TCP."""
    return sorted(address(family, *column[1].split(':'))
                  for table, family in (('tcp', socket.AF_INET), ('tcp6', socket.AF_INET6))
                  for column in own_rows(pid, table) if column[3] == '0A')


def address(family, host, port):
    """An address as /proc/net/tcp shows it (words in the machine's order), made readable."""
    words = [bytes.fromhex(host[n:n + 8])[::-1] for n in range(0, len(host), 8)]
    return '%s:%d' % (socket.inet_ntop(family, b''.join(words)), int(port, 16))


@unittest.skipIf(server.ORIGINAL, 'it has no io_uring')
class Again(server.ServerTest):
    def test_after_a_kill(self):
        """The kernel closes what an io_uring has in hand some milliseconds after the process that had it has ended."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        port = server.free_port()
        flags = ('-U', str(port), '-s', os.path.join(folder.name, 'socket'))
        for _ in range(5 if server.SANITIZED else 20):
            one = server.Server(cores=2, port=port, flags=(*flags, '-l', '127.0.0.1'))
            clients = [one.connect() for _ in range(20)]
            for client in clients:
                client.send(b'version\r\n')
            one.kill()
            for client in clients:
                client.close()


class Mistakes(server.ServerTest):
    """Each is a status and one line on stderr that names what is wrong."""

    def refused(self, *flags, status=WRONG, names=(), before=None):
        port = [] if '-p' in flags else ['-p', str(server.free_port())]
        ended, stdout, stderr = run(*flags, *port, *server.user_flags(), before=before)
        self.assertNotEqual(ended, 0)
        self.assertGreater(ended, 0, 'ended by a signal')
        if server.ORIGINAL:
            return
        self.assertEqual((ended, stdout), (status, ''))
        self.assertRegex(stderr, r'^[^\n]+\n$')
        for name in names:
            self.assertIn(name, stderr)

    def test_port_taken(self):
        other = self.start()
        self.refused('-p', str(other.port), '-l', '127.0.0.1', status=FAILED,
                     names=["can't listen on 127.0.0.1:%d: Address already in use; " % other.port])

    def test_unknown_flag(self):
        self.refused('--no-such-flag', names=['no-such-flag'])
        self.refused('-q')

    def test_unknown_word_of_o(self):
        self.refused('-o', 'no_such_word', names=['no_such_word'])

    def test_missing_argument(self):
        self.refused('-m')

    def test_bad_numbers(self):
        if server.ORIGINAL:
            self.skipTest('memcached takes some of them')
        for flags in (('-m', 'abc'), ('-m', '-5'), ('-m', '64x'), ('-m', ''), ('-p', '99999'),
                      ('-p', 'http'),
                      ('-c', '0'), ('-c', 'many'), ('--cores', '0'), ('--cores', '-1'),
                      ('--cores', 'x'),
                      ('--cores', '1000000'), ('-o', 'ring_capacity=0'), ('-o', 'ring_capacity=x')):
            with self.subTest(flags=flags):
                self.refused(*flags, names=[flags[0]] if flags[0] != '-o' else ['ring_capacity'])

    def test_more_memory_than_numbers_have(self):
        if server.ORIGINAL:
            self.skipTest('memcached promises anything')
        self.refused('-m', '99999999999999999999999')

    def test_bad_address(self):
        self.refused('-l', '300.1.2.3', status=FAILED, names=['300.1.2.3'])
        self.refused('-l', '192.0.2.1', status=FAILED, names=['192.0.2.1'])  # not of this machine

    def test_unknown_user(self):
        if os.geteuid() != 0:
            self.skipTest('only root changes its user')
        status, _, stderr = run('-u', 'no-such-user', '-p', str(server.free_port()))
        self.assertEqual(status, 67 if server.ORIGINAL else FAILED)
        self.assertRegex(stderr, r'^[^\n]*no-such-user[^\n]*\n$')

    @unittest.skipIf(server.ORIGINAL, 'ours')
    def test_unknown_engine(self):
        self.refused('-o', 'io=kqueue', names=['-o io takes auto, uring or epoll, not "kqueue"'])


@unittest.skipIf(server.ORIGINAL, 'memcached has one engine')
class Engines(server.ServerTest):
    """-o io: which engine is taken, and what is said where it is not io_uring."""

    # The error, on which call, and what is said of it.
    REFUSALS = (
        [(errno.EPERM, call, "a seccomp filter forbids io_uring: let the container's profile, or SystemCallFilter=, "
          'allow io_uring_setup, io_uring_enter and io_uring_register') for call in (IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER)] +
        [(errno.ENOSYS, IO_URING_SETUP, "a seccomp filter hides io_uring"),
         (errno.EINVAL, IO_URING_SETUP, "this kernel's io_uring is too old: Linux 6.1 or later is needed"),
         (errno.ENOMEM, IO_URING_SETUP, 'no memory for io_uring: raise the locked-memory limit (ulimit -l')])

    def engine(self, under_test):
        with under_test.connect() as client:
            client.send(b'stats settings\r\nquit\r\n')
            return re.search(rb'STAT io_engine (\w+)\r\n', client.read_all())[1].decode()

    def serves(self, *flags, engine, said, before=None):
        under_test = self.start(cores=2, flags=flags, before=before)
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 1\r\na\r\n'), b'STORED\r\n')
        self.assertEqual(self.engine(under_test), engine)
        self.assertRegex(under_test.output(),
                         r'2 cores, 64 MB, at most \d+ MB in all%s' % re.escape(said))
        self.assertEqual(under_test.output().count('\n'), 1)
        under_test.stop()

    def refused(self, *flags, said, before=None):
        status, stdout, stderr = run('-p', str(server.free_port()), *flags, *server.user_flags(), before=before)
        self.assertEqual((status, stdout), (FAILED, ''))
        self.assertRegex(stderr, r'\A[^\n]+\n\Z')
        self.assertIn('-o io=uring: ' + said, stderr)

    def test_epoll(self):
        self.serves('-o', 'io=epoll', engine='epoll', said=', epoll (this machine only')

    @unittest.skipIf(server.SANDBOX, 'io_uring is refused here')
    def test_uring(self):
        for flags in ((), ('-o', 'io=auto'), ('-o', 'io=uring')):
            with self.subTest(flags=flags):
                self.serves(*flags, engine='io_uring', said=' (this machine only')

    @unittest.skipIf(server.SANDBOX, 'io_uring is refused here')
    def test_refused(self):
        """Any of its three calls: epoll is taken, or where it must be io_uring nothing starts."""
        for error, call, said in self.REFUSALS:
            with self.subTest(error=error, call=call):
                self.serves(engine='epoll', said=', epoll (' + said, before=lambda: forbid(error, call))
                self.refused('-o', 'io=uring', said=said, before=lambda: forbid(error, call))

    @unittest.skipUnless(server.SANDBOX, 'that is the rest of this test')
    def test_in_a_sandbox(self):
        said = {'docker': self.REFUSALS[0][2], 'eperm': self.REFUSALS[0][2],
                'enosys': 'a seccomp filter hides io_uring'}[server.SANDBOX]
        self.serves(engine='epoll', said=', epoll (' + said)
        self.refused('-o', 'io=uring', said=said)


class Questions(unittest.TestCase):
    """Flags that print and exit with 0."""

    def test_version(self):
        for flag in ('-V', '--version'):
            status, stdout, stderr = run(flag)
            self.assertEqual((status, stderr), (0, ''))
            self.assertRegex(stdout, r'^(simplecache|memcached) [1-9][0-9.]*[^\n]*\n$')

    def test_help(self):
        for flag in ('-h', '--help'):
            status, stdout, stderr = run(flag)
            self.assertEqual((status, stderr), (0, ''))
            for name in ('-p', '-l', '-m', '-c', '-u', '-v', '-V', '-h', '-t'):
                self.assertIn(name, stdout)
            if not server.ORIGINAL:
                self.assertIn('--cores', stdout)


class Start(server.ServerTest):
    """The start line, the addresses, the flags' long names."""

    def test_start_line(self):
        under_test = self.start(cores=2, flags=('-m', '100'))
        if server.ORIGINAL:
            self.skipTest('memcached prints none')
        deadline = time.monotonic() + server.TIMEOUT_S
        while not under_test.output() and time.monotonic() < deadline:
            time.sleep(0.01)
        line = under_test.output()
        self.assertRegex(line, r'^[^\n]+\n$')
        for part in ('simplecache', '127.0.0.1', str(under_test.port)):
            self.assertIn(part, line)
        self.assertRegex(line, r'\b2 cores\b')
        self.assertRegex(line, r'\b100 ?M')
        with under_test.connect() as client:
            version = client.ask(b'version\r\n').split()[1].decode()
        self.assertIn(version, line)

    def test_loopback_by_default(self):
        """An open cache is a hole."""
        if server.ORIGINAL:
            self.skipTest('memcached listens everywhere')
        under_test = self.start()
        addresses = listeners(under_test.pid)
        self.assertIn('127.0.0.1:%d' % under_test.port, addresses)
        for address in addresses:
            self.assertIn(address, ('127.0.0.1:%d' % under_test.port, '::1:%d' % under_test.port))

    def test_listen(self):
        under_test = self.start(flags=('-l', '127.0.0.2'), wait=False)
        self.answers(under_test, '127.0.0.2')
        self.assertEqual(listeners(under_test.pid), ['127.0.0.2:%d' % under_test.port])

    def test_listen_twice(self):
        """-l given twice, and a list in one -l."""
        for flags in (('-l', '127.0.0.1', '-l', '127.0.0.2'), ('-l', '127.0.0.1,127.0.0.2')):
            with self.subTest(flags=flags):
                under_test = self.start(flags=flags, wait=False)
                self.answers(under_test, '127.0.0.1')
                self.answers(under_test, '127.0.0.2')

    def test_listen_on_ipv6(self):
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(('::1', 0))
            except OSError:
                self.skipTest('this machine has no ::1')
        under_test = self.start(flags=('-l', '::1'), wait=False)
        self.answers(under_test, '::1')

    def test_long_names(self):
        """As memcached has them."""
        port = server.free_port()
        under_test = self.start(port=port, flags=('--port=%d' % port, '--listen=127.0.0.1',
                                                  '--memory-limit=32',
                                                  '--conn-limit=100', '--threads=2', '--verbose')
                                + (('--user=root',) if os.geteuid() == 0 else ()))
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
        self.assertEqual(int(under_test.stat('limit_maxbytes')), 32 << 20)
        self.assertEqual(int(under_test.stat('threads')), 2)

    @unittest.skipIf(server.SANITIZED, 'sanitizers need addresses')
    def test_few_addresses(self):
        """They are scarce under ulimit -v, or where vm.overcommit_memory is 2: -m works as ever, and
        can be lowered and raised up to what it was."""
        under_test = self.start(cores=2, flags=('-m', '64'), before=lambda: limit_addresses(1 << 30))
        value = b'x' * 100000
        with under_test.connect() as client:
            for number in range(1000):
                self.assertEqual(client.ask(b'set k%d 0 0 100000\r\n%s\r\n' % (number, value)),
                                 b'STORED\r\n')
            for limit, answer in ((32, b'OK\r\n'), (64, b'OK\r\n'), (65, NOT_ADJUSTED)):
                if not server.ORIGINAL:
                    self.assertEqual(client.ask(b'cache_memlimit %d\r\n' % limit), answer)

    def test_user(self):
        """Root is dropped once the server runs."""
        if os.geteuid() != 0:
            self.skipTest('only root changes its user')
        if server.SANITIZED:
            self.skipTest('the leak sanitizer may not look into a process that changed its user')
        under_test = self.start(cores=2, flags=('-u', 'nobody'))
        for thread in os.listdir('/proc/%d/task' % under_test.pid):
            with open('/proc/%d/task/%s/status' % (under_test.pid, thread),
                      encoding='ascii') as status:
                self.assertEqual(re.search(r'Uid:\s+(.*)', status.read())[1].split(), ['65534'] * 4)

    def answers(self, under_test, host):
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                with under_test.connect(host=host) as client:
                    self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline or under_test.process.poll() is not None:
                    raise
                time.sleep(0.01)


class Stop(server.ServerTest):
    """SIGTERM and SIGINT end the server with 0 soon, whatever its clients do."""

    def stops(self, under_test, sent=signal.SIGTERM):
        begun = time.monotonic()
        under_test.stop(sent)
        self.assertLess(time.monotonic() - begun, STOP_LIMIT_S)

    def test_signals(self):
        for sent in (signal.SIGTERM, signal.SIGINT):
            for cores in (1, 3):
                with self.subTest(sent=sent, cores=cores):
                    self.stops(server.Server(cores=cores), sent)

    def test_idle_connections(self):
        under_test = server.Server(cores=2)
        clients = [under_test.connect() for _ in range(50)]
        for client in clients[:25]:
            client.ask(b'get a\r\n')
        self.stops(under_test)
        for client in clients:
            self.assertEqual(client.read_all(), b'')
            client.close()

    def test_half_commands(self):
        """A client in the middle of a line, a value, a binary header."""
        under_test = server.Server(cores=2)
        clients = [under_test.connect() for _ in range(6)]
        for client, part in zip(clients, (b'get a', b'set a 0 0 10\r\nabc', b'\x80\x01',
                                          b'set a 0 0 500000\r\nabc', b'get ', b'g')):
            client.send(part)
        time.sleep(0.1)
        self.stops(under_test)
        for client in clients:
            client.close()

    def test_client_that_does_not_read(self):
        under_test = server.Server(cores=2)
        client = under_test.connect(receive_buffer=2048)
        self.addCleanup(client.close)
        client.ask(b'set a 0 0 1000\r\n' + b'x' * 1000 + b'\r\n')
        client.socket.settimeout(0.3)
        try:
            while True:
                client.send(b'get a\r\n' * 10000)
        except TimeoutError:
            pass
        self.stops(under_test)

    def test_requests_in_flight(self):
        """What was received before the signal is answered: 1,000 gets over all shards."""
        under_test = server.Server(cores=2)
        client = under_test.connect()
        self.addCleanup(client.close)
        value = b'x' * 100
        client.send(b''.join(b'set key%d 0 0 100 noreply\r\n%s\r\n' % (n, value)
                             for n in range(1000)))
        client.ask(b'version\r\n')
        wanted = b''.join(b'VALUE key%d 0 100\r\n%s\r\nEND\r\n' % (n, value) for n in range(1000))
        client.send(b''.join(b'get key%d\r\n' % n for n in range(1000)))
        first = client.read(10)
        self.await_taken(under_test, client)
        self.stops(under_test)
        self.assertEqual(first + client.read_all(), wanted)

    def await_taken(self, under_test, client):
        """Until nothing of what the client has sent waits in the kernel."""
        ports = ':%04X' % under_test.port, ':%04X' % client.socket.getsockname()[1]
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            with open('/proc/%d/net/tcp' % under_test.pid, encoding='ascii') as table:
                rows = [row.split() for row in list(table)[1:]]
            if any(row[4].endswith(':00000000') for row in rows
                   if row[1].endswith(ports[0]) and row[2].endswith(ports[1])):
                return
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_under_load(self):
        """Clients that never pause are cut off, after whole answers."""
        under_test = server.Server(cores=2)
        load = subprocess.Popen(['/usr/bin/python3', '-c', LOAD, str(under_test.port)], stdout=subprocess.PIPE)
        self.addCleanup(load.stdout.close)
        self.assertEqual(load.stdout.readline(), b'at work\n')
        self.stops(under_test)
        self.assertEqual(load.wait(server.TIMEOUT_S), 0)

    def test_port_is_free_again(self):
        """A restart on the same port works at once, connections in TIME_WAIT or not."""
        under_test = server.Server()
        with under_test.connect() as client:
            client.ask(b'get a\r\n')
            self.stops(under_test)
        self.start(port=under_test.port)


LOAD = '''
import socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
received = b''
try:
    while True:
        client.sendall(b'get a\\r\\n' * 8)
        chunk = client.recv(65536)
        if not chunk:
            break
        if not received:
            print('at work', flush=True)
        received = (received + chunk)[-5:]
except ConnectionError:
    pass
sys.exit(received[-2:] != b'\\r\\n')
'''

if __name__ == '__main__':
    server.main()
