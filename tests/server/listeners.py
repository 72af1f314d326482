"""Where the server listens, and whom it lets in and keeps: addresses, ports, the unix socket, -c, -B
and the idle timeout."""
import contextlib
import errno
import os
import signal
import socket
import stat
import tempfile
import time
import unittest

import server
from startup import listeners, run

BINARY_NOOP = b'\x80\x0a' + bytes(22)


def has_ipv6():
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(('::1', 1)) == errno.ECONNREFUSED


class ListenerTest(server.ServerTest):
    """With a folder for sockets and files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o777)
        self.path = folder.name + '/socket'
        self.ports = folder.name + '/ports'

    def refused(self, *flags):
        """The one line that says why it doesn't start."""
        status, _, stderr = run(*flags, *server.user_flags())
        self.assertGreater(status, 0)
        if not server.ORIGINAL:
            self.assertRegex(stderr, r'^[^\n]+\n$')
        return stderr

    def wait_for(self, path):
        deadline = time.monotonic() + server.TIMEOUT_S
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        return path

    def until(self, what, wanted):
        deadline = time.monotonic() + server.TIMEOUT_S
        while (found := what()) != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(found, wanted)

    def answers(self, under_test, **where):
        with under_test.connect(**where) as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    def written_ports(self):
        with open(self.wait_for(self.ports), encoding='ascii') as lines:
            return lines.read()


class Ports(ListenerTest):
    """-l with ports of its own, -p 0, -p -1, MEMCACHED_PORT_FILENAME."""

    def test_own_ports(self):
        first, second = server.free_port(), server.free_port()
        under_test = self.start(port=first,
                                flags=('-l', '127.0.0.1:%d,127.0.0.2:%d' % (first, second)),
                                environment={'MEMCACHED_PORT_FILENAME': self.ports})
        self.assertEqual(listeners(under_test.pid),
                         ['127.0.0.1:%d' % first, '127.0.0.2:%d' % second])
        with server.Connection(second, host='127.0.0.2') as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')
        self.assertEqual(self.written_ports(), 'TCP INET: %d\nTCP INET: %d\n' % (first, second))

    def test_two_ports_of_one_address(self):
        first, second = server.free_port(), server.free_port()
        under_test = self.start(port=first, flags=('-l', '127.0.0.1:%d' % first,
                                                   '-l', '127.0.0.1:%d' % second))
        self.answers(under_test)
        with server.Connection(second) as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    def test_port_in_force(self):
        port = server.free_port()
        under_test = self.start(port=port, flags=('-l', '127.0.0.1:%d' % port, '-p', '1'))
        if not server.ORIGINAL:
            self.assertEqual(self.setting(under_test, 'tcpport'), str(port))

    @unittest.skipUnless(has_ipv6(), 'this machine has no ::1')
    def test_both_families(self):
        four, six = server.free_port(), server.free_port()
        under_test = self.start(port=four, flags=('-l', '127.0.0.1:%d,[::1]:%d' % (four, six)),
                                environment={'MEMCACHED_PORT_FILENAME': self.ports})
        with server.Connection(six, host='::1') as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')
        self.assertEqual(self.written_ports(), 'TCP INET: %d\nTCP INET6: %d\n' % (four, six))
        with under_test.connect() as client:
            client.send(b'stats conns\r\nquit\r\n')
            self.assertIn(b':addr tcp6:[::1]:%d\r\n' % six, client.read_all())

    def test_free_port(self):
        under_test = self.start(flags=('-p', '-1', '-l', '127.0.0.1,127.0.0.2'), wait=False,
                                environment={'MEMCACHED_PORT_FILENAME': self.ports})
        lines = self.written_ports().splitlines()
        self.assertEqual([line.rsplit(' ', 1)[0] for line in lines], ['TCP INET:'] * 2)
        under_test.port = int(lines[0].split()[-1])
        under_test.wait_ready()
        self.assertEqual(listeners(under_test.pid)[0], '127.0.0.1:%d' % under_test.port)
        self.assertEqual(os.listdir(os.path.dirname(self.ports)), ['ports'])
        if not server.ORIGINAL:
            self.assertEqual(self.setting(under_test, 'tcpport'), str(under_test.port))

    def test_port_file_that_cannot_be_written(self):
        """Is told; the server serves."""
        under_test = server.Server(environment={'MEMCACHED_PORT_FILENAME': '/no/such/folder'})
        self.addCleanup(under_test.kill)
        self.answers(under_test)
        self.assertIn('/no/such/folder', under_test.errors())

    @staticmethod
    def setting(under_test, name):
        with under_test.connect() as client:
            client.send(b'stats settings\r\nquit\r\n')
            for line in client.read_all().decode().splitlines():
                if line.split()[1:2] == [name]:
                    return line.split()[2]
        return None


class UnixSocket(ListenerTest):
    """-s and -a, and the file from its beginning to its end."""

    def serve(self, *flags, **options):
        return self.start(host=self.path, flags=('-p', '0', '-s', self.path) + flags, **options)

    def mode(self):
        found = os.lstat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(found))
        return stat.S_IMODE(found)

    def test_no_port(self):
        under_test = self.serve(environment={'MEMCACHED_PORT_FILENAME': self.ports})
        self.answers(under_test)
        self.assertEqual(listeners(under_test.pid), [])
        self.assertFalse(os.path.exists(self.ports))

    def test_modes(self):
        for flags, mode in (((), 0o700), (('-a', '0770'), 0o770), (('-a', '777'), 0o777),
                            (('-a', '0600'), 0o600)):
            with self.subTest(flags=flags):
                under_test = server.Server(host=self.path,
                                           flags=('-p', '0', '-s', self.path) + flags)
                self.assertEqual(self.mode(), mode)
                under_test.stop()

    @unittest.skipIf(server.ORIGINAL, 'memcached leaves it')
    def test_removed_at_the_end(self):
        server.Server(host=self.path, flags=('-p', '0', '-s', self.path)).stop()
        self.assertFalse(os.path.lexists(self.path))

    @unittest.skipIf(server.ORIGINAL, 'memcached leaves it')
    def test_another_ones_is_not_removed(self):
        """Whose file was taken away leaves that of a server in its place alone."""
        first = server.Server(host=self.path, flags=('-p', '0', '-s', self.path))
        os.unlink(self.path)
        second = server.Server(host=self.path, flags=('-p', '0', '-s', self.path))
        first.stop()
        self.answers(second)
        second.stop()
        self.assertFalse(os.path.lexists(self.path))

    @unittest.skipIf(server.ORIGINAL, 'memcached leaves it')
    def test_another_kind_of_file_is_not_removed(self):
        under_test = server.Server(host=self.path, flags=('-p', '0', '-s', self.path))
        os.unlink(self.path)
        with open(self.path, 'w', encoding='ascii') as file:
            file.write('mine')
        under_test.stop()
        self.assertTrue(os.path.isfile(self.path))

    @unittest.skipIf(os.geteuid() != 0 or server.SANITIZED, 'only root, and no leak sanitizer')
    def test_belongs_to_the_user(self):
        under_test = self.serve('-u', 'nobody')
        self.assertEqual(os.lstat(self.path).st_uid, 65534)
        self.answers(under_test)

    def test_stale_one_is_replaced(self):
        killed = server.Server(host=self.path, flags=('-p', '0', '-s', self.path))
        killed.kill()
        self.assertTrue(os.path.lexists(self.path))
        self.until(self.is_refused, True)  # the kernel ends its ring after the process
        self.answers(self.serve())

    def is_refused(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.path) == errno.ECONNREFUSED

    @unittest.skipIf(server.ORIGINAL, 'memcached takes it away')
    def test_live_one_is_not(self):
        under_test = self.serve()
        self.assertIn(self.path, self.refused('-p', '0', '-s', self.path))
        self.answers(under_test)

    def test_other_file_is_not(self):
        with open(self.path, 'w', encoding='ascii') as file:
            file.write('mine')
        self.assertIn(self.path, self.refused('-p', '0', '-s', self.path))
        with open(self.path, encoding='ascii') as file:
            self.assertEqual(file.read(), 'mine')

    @unittest.skipIf(server.ORIGINAL, 'memcached fails an assertion')
    def test_path_too_long(self):
        self.assertIn('107', self.refused('-p', '0', '-s', '/tmp/' + 'x' * 103))

    def test_names(self):
        under_test = self.serve()
        with under_test.connect() as client:
            client.send(b'stats conns\r\nstats settings\r\nquit\r\n')
            told = client.read_all().decode()
        self.assertIn(':addr unix:%s\r\n' % self.path, told)
        self.assertIn('STAT domain_socket %s\r\n' % self.path, told)
        self.assertIn('STAT umask 700\r\n', told)
        self.assertIn('STAT tcpport 0\r\n' if not server.ORIGINAL else 'tcpport', told)
        if not server.ORIGINAL:
            self.assertIn('unix:' + self.path, under_test.output())

    def test_many_requests(self):
        """The same answers over it, from several reactors."""
        under_test = self.serve(cores=3)
        clients = [under_test.connect() for _ in range(6)]
        for number, client in enumerate(clients):
            value = b'%d' % number * 20000
            self.assertEqual(client.ask(b'set k%d 0 0 %d\r\n%s\r\n' % (number, len(value), value)),
                             b'STORED\r\n')
        for number, client in enumerate(clients):
            other = (number + 1) % len(clients)
            client.send(b'get k%d\r\nquit\r\n' % other)
            self.assertEqual(client.read_all(), b'VALUE k%d 0 20000\r\n%s\r\nEND\r\n'
                             % (other, b'%d' % other * 20000))
            client.close()

    def test_backlog(self):
        """While the server is stopped its kernel queue takes -b connections, and one more."""
        under_test = self.serve('-b', '3')
        os.kill(under_test.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, under_test.pid, signal.SIGCONT)
        self.until(lambda: under_test.states(), {'T'})
        queued = []
        with self.assertRaises(BlockingIOError):
            for _ in range(100):
                waiting = socket.socket(socket.AF_UNIX)
                self.addCleanup(waiting.close)
                waiting.setblocking(False)
                waiting.connect(self.path)
                queued.append(waiting)
        # An accept that the kernel holds may have taken some of them.
        self.assertIn(len(queued), (4, 5))


class Limit(ListenerTest):
    """-c is exact, and whoever is one too many is told."""

    def test_a_thousand_of_a_hundred(self):
        under_test = self.start(cores=2, flags=('-c', '100'))
        clients = [under_test.connect()]
        if not server.ORIGINAL:  # which counts its listeners
            self.until(lambda: self.now_open(clients[0]), 1)  # those of the start are gone
        rejected = self.ask_stat(clients[0], b'rejected_connections')
        clients += [under_test.connect() for _ in range(999)]
        for client in clients:
            self.addCleanup(client.close)
        answers = [self.first_line(client) for client in clients]
        served = [client for client, line in zip(clients, answers) if line.startswith(b'VERSION ')]
        if not server.ORIGINAL:
            self.assertEqual(len(served), 100)
        self.assertEqual(answers.count(b'ERROR Too many open connections\r\n'), 1000 - len(served))
        for client in served[50:]:
            client.close()
        if server.ORIGINAL:
            return
        self.until(lambda: self.now_open(served[0]), 50)
        self.assertEqual(self.ask_stat(served[0], b'rejected_connections'), 900 + rejected)
        self.assertEqual(self.ask_stat(served[0], b'listen_disabled_num'), 0)  # nobody had to wait
        again = [under_test.connect() for _ in range(60)]
        answers = [self.first_line(client) for client in again]
        for client in again:
            client.close()
        self.assertEqual(answers.count(b'ERROR Too many open connections\r\n'), 10)

    @staticmethod
    def first_line(client):
        """Of one that may have been let go already."""
        try:
            client.send(b'version\r\n')
        except (BrokenPipeError, ConnectionResetError):
            pass
        return client.read_line()

    @staticmethod
    def ask_stat(client, name):
        client.send(b'stats\r\n')
        found = None
        while (line := client.read_line()) != b'END\r\n':
            if line.split()[1] == name:
                found = int(line.split()[2])
        return found

    def now_open(self, client):
        return self.ask_stat(client, b'curr_connections')


class Idle(ListenerTest):
    """-o idle_timeout=: without commands for so long, a connection is closed."""

    def test_idle_one_is_closed(self):
        for _ in range(5):  # on a busy machine one more may be, that asked for the number or whether the server is there
            if self.closed_of_four() == 4:
                return
        self.fail('others are closed')

    def closed_of_four(self):
        """How many have been closed for their silence, when four have been silent."""
        under_test = self.start(cores=2, flags=('-o', 'idle_timeout=1'))
        begun = time.monotonic()
        clients = [under_test.connect() for _ in range(4)]
        for client in clients[:2]:
            with contextlib.suppress(ConnectionError):
                client.ask(b'version\r\n')
        for client in clients:
            self.assertEqual(client.read_all(), b'')
            client.close()
        self.assertGreater(time.monotonic() - begun, 1)
        self.until(lambda: int(under_test.stat('idle_kicks') or 0) >= 4, True)
        return int(under_test.stat('idle_kicks') or 0)

    def test_busy_one_is_not(self):
        under_test = self.start(flags=('-o', 'idle_timeout=2'))
        for _ in range(5):
            with under_test.connect() as busy, under_test.connect() as idle:
                served = self.keep_asking(busy, idle)
            if served:
                return
        self.fail('it is closed on')

    @staticmethod
    def keep_asking(busy, idle):
        """Whether it is still served when another has been closed for its silence. On a busy machine it may have been
        silent for longer than it meant."""
        asked = longest = 0
        idle.socket.settimeout(0.3)
        while True:
            began = asked or time.monotonic()
            asked = time.monotonic()
            try:
                answer = busy.ask(b'version\r\n')
            except ConnectionError:
                answer = b''
            longest = max(longest, time.monotonic() - began)
            if not answer.startswith(b'VERSION ') and longest < 1.5:
                raise AssertionError('%r after %.2f s' % (answer, longest))
            if not answer:
                return False
            try:
                if idle.read_all() == b'':
                    idle.socket.settimeout(server.TIMEOUT_S)
                    return busy.ask(b'version\r\n').startswith(b'VERSION ')
            except TimeoutError:
                pass

    def test_one_that_is_owed_replies_is_not(self):
        """It has yet to take what it asked for."""
        under_test = self.start(flags=('-o', 'idle_timeout=1'))
        for _ in range(5):
            asked_s, complete = self.taken_late(under_test, 500000)
            if complete:
                return
            self.assertGreater(asked_s, 0.5)  # a busy machine: it was silent for too long before it asked
        self.fail('it is closed')

    @staticmethod
    def taken_late(under_test, size):
        """How long a client took to ask, and whether it was answered when it took the answers seconds later."""
        begun = time.monotonic()
        asked_s, got = server.TIMEOUT_S, b''
        with under_test.connect(receive_buffer=2048) as slow, contextlib.suppress(ConnectionError):
            slow.ask(b'set a 0 0 %d\r\n%s\r\n' % (size, b'x' * size))
            slow.send(b'get a\r\n' * 40)
            asked_s = time.monotonic() - begun
            time.sleep(4)
            got = slow.read(40 * (size + 25))
        return asked_s, len(got) == 40 * (size + 25)

    def test_without_it_they_stay(self):
        under_test = self.start()
        with under_test.connect() as client:
            client.ask(b'version\r\n')
            time.sleep(2.5)
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    @unittest.skipIf(server.ORIGINAL, 'it has no reactors')
    def test_an_idle_server_sleeps(self):
        """At most one look a second, with clients or without."""
        under_test = self.start(flags=('-o', 'idle_timeout=1'))
        for count in (0, 5):
            clients = [under_test.connect() for _ in range(count)]
            turns, begun = int(under_test.stat('reactor_turns')), time.monotonic()
            time.sleep(4)
            turns = int(under_test.stat('reactor_turns')) - turns
            # The question itself takes some, the ends of the clients two each.
            self.assertLess(turns, 26 + time.monotonic() - begun)
            for client in clients:
                client.close()


class Binding(ListenerTest):
    """-B: what is spoken."""

    def test_both(self):
        for flags in ((), ('-B', 'auto')):
            under_test = self.start(flags=flags)
            self.answers(under_test)
            with under_test.connect() as client:
                client.send(BINARY_NOOP)
                self.assertEqual(client.read(24)[:2], b'\x81\x0a')

    def test_text_only(self):
        under_test = self.start(flags=('-B', 'ascii'))
        self.answers(under_test)
        with under_test.connect() as client:
            self.assertRegex(client.ask(b'\x80\x0b' + bytes(22) + b'\r\nversion\r\n'), b'ERROR')
            self.assertRegex(client.read_line(), b'^VERSION ')

    def test_binary_only(self):
        """Text is closed on, once it is as long as a binary header."""
        under_test = self.start(flags=('-B', 'binary'), wait=False)
        deadline = time.monotonic() + server.TIMEOUT_S
        while not listeners(under_test.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        with under_test.connect() as client:
            client.send(BINARY_NOOP)
            self.assertEqual(client.read(24)[:2], b'\x81\x0a')
        with under_test.connect() as client:
            client.send(b'get a\r\n' * 4)
            self.assertEqual(client.read_all(), b'')


if __name__ == '__main__':
    server.main()
