"""Where the server takes datagrams, what it tells of that, when it refuses to, and how it ends."""
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import server
from datagrams import Datagrams, UdpTest, framed, free_port
from listeners import has_ipv6
from startup import FAILED, STOP_LIMIT_S, WRONG, address, listeners, own_rows, run


def udp_addresses(pid):
    """The addresses at which a process takes datagrams."""
    return sorted(address(family, *column[1].split(':'))
                  for table, family in (('udp', socket.AF_INET), ('udp6', socket.AF_INET6))
                  for column in own_rows(pid, table))


class Addresses(UdpTest):
    """-U with -p, -l and -s."""

    def start_with(self, *flags, port=None, host='127.0.0.1', wait=True):
        """With these flags alone, no -p besides. Returns the server and what the port file holds."""
        under_test = server.Server(command=server.Server.own_command(1, flags, None), flags=('-p',),
                                   port=port, host=host, wait=wait,
                                   environment={'MEMCACHED_PORT_FILENAME': self.ports})
        self.addCleanup(under_test.stop)
        return under_test, None if host.startswith('/') else self.written_ports()

    def test_tcp_has_the_port_of_udp(self):
        """Without -p, as in memcached."""
        port = free_port()
        under_test, ports = self.start_with('-U', str(port), '-l', '127.0.0.1', port=port)
        self.assertEqual(ports, 'TCP INET: %d\nUDP INET: %d\n' % (port, port))
        self.assertEqual(self.client(under_test).ask(b'mn\r\n'), b'MN\r\n')
        self.assertEqual(self.setting(under_test, 'udpport'), str(port))

    @unittest.skipUnless(has_ipv6(), 'this machine has no ::1')
    @unittest.skipIf(server.ORIGINAL, 'memcached listens everywhere')
    def test_both_on_loopback_by_default(self):
        port = free_port()
        under_test, ports = self.start_with('-U', str(port), port=port)
        self.assertEqual(ports, ''.join('%s %s: %d\n' % (kind, family, port)
                                        for kind in ('TCP', 'UDP') for family in ('INET', 'INET6')))
        names = ['127.0.0.1:%d' % port, '::1:%d' % port]
        self.assertEqual(listeners(under_test.pid), names)
        self.assertEqual(udp_addresses(under_test.pid), names)
        self.assertRegex(under_test.output(), r'listening on 127\.0\.0\.1:%d \[::1\]:%d udp:127\.0\.0\.1:%d '
                         r'udp:\[::1\]:%d, 1 core, 64 MB, at most \d+ MB in all%s \(this machine only;' % ((port,) * 4 + (server.ENGINE,)))
        for host in ('127.0.0.1', '::1'):
            self.assertEqual(self.client(under_test, host).ask(b'mn\r\n'), b'MN\r\n')

    def test_ports_of_their_own(self):
        tcp, udp = free_port(), free_port()
        under_test, ports = self.start_with('-p', str(tcp), '-U', str(udp), '-l', '127.0.0.1',
                                            port=tcp)
        self.assertEqual(ports, 'TCP INET: %d\nUDP INET: %d\n' % (tcp, udp))
        self.assertEqual(udp_addresses(under_test.pid), ['127.0.0.1:%d' % udp])
        self.assertEqual(self.setting(under_test, 'udpport'), str(udp))
        self.assertEqual(self.client(under_test, port=udp).ask(b'mn\r\n'), b'MN\r\n')

    def test_ports_of_addresses(self):
        """-l with ports of its own: they are UDP's too."""
        first, second = free_port(), free_port()
        under_test, ports = self.start_with(
            '-l', '127.0.0.1:%d,127.0.0.2:%d' % (first, second), '-U', '1', port=first)
        self.assertEqual(ports, 'TCP INET: %d\nTCP INET: %d\nUDP INET: %d\nUDP INET: %d\n'
                         % (first, second, first, second))
        self.assertEqual(self.client(under_test).ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
        self.assertEqual(self.client(under_test, '127.0.0.2', second).ask(b'get a\r\n'),
                         self.values((b'a', b'x')))

    def test_free_ports(self):
        """-U -1, and -p the same where it isn't given."""
        for flags in (('-U', '-1'), ('-U-1', '-p', '-1'), ('--udp-port=-1', '-p', '-1')):
            with self.subTest(flags=flags):
                under_test, ports = self.start_with(*flags, '-l', '127.0.0.1', wait=False)
                lines = ports.splitlines()
                self.assertEqual([line.rsplit(' ', 1)[0] for line in lines],
                                 ['TCP INET:', 'UDP INET:'])
                under_test.port, udp = [int(line.split()[-1]) for line in lines]
                under_test.wait_ready()
                self.assertEqual(udp_addresses(under_test.pid), ['127.0.0.1:%d' % udp])
                self.assertEqual(self.client(under_test, port=udp).ask(b'mn\r\n'), b'MN\r\n')
                if not server.ORIGINAL:
                    self.assertEqual(self.setting(under_test, 'udpport'), str(udp))
                os.remove(self.ports)

    def test_no_tcp(self):
        port = free_port()
        under_test, ports = self.start_with('-p', '0', '-U', str(port), '-l', '127.0.0.1',
                                            port=port, wait=False)
        self.assertEqual(ports, 'UDP INET: %d\n' % port)
        self.assertEqual(self.client(under_test).ask(b'mn\r\n'), b'MN\r\n')
        self.assertEqual(listeners(under_test.pid), [])

    @unittest.skipIf(server.ORIGINAL, 'memcached answers from another address')
    def test_answer_comes_from_where_it_was_asked(self):
        """A socket for all addresses; a client hears only the one that it has asked."""
        port = free_port()
        for listen, hosts in (('0.0.0.0', ('127.0.0.1', '127.0.0.2', '127.1.2.3')),
                              ('*', ('127.0.0.1', '127.0.0.2') + ('::1',) * has_ipv6())):
            under_test = server.Server(port=port, flags=('-U', str(port), '-l', listen))
            for host in hosts:
                self.assertEqual(self.client(under_test, host).ask(b'mn\r\n'), b'MN\r\n')
            under_test.stop()

    @unittest.skipIf(server.ORIGINAL, 'memcached has no ports beside a unix socket')
    def test_unix_socket(self):
        """Beside it there is UDP where -p or -l is given, even without TCP."""
        udp = free_port()
        for flags, tcp in ((('-p', '0', '-l', '127.0.0.1'), 0), (('-p', str(udp)), udp),
                           (('-l', '127.0.0.1'), udp)):
            with self.subTest(flags=flags):
                under_test, _ = self.start_with('-s', self.path, '-U', str(udp), *flags, port=udp,
                                                host=self.path)
                with under_test.connect() as stream:
                    self.assertEqual(stream.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
                self.assertEqual(self.client(under_test).ask(b'get a\r\n'),
                                 self.values((b'a', b'x')))
                self.assertEqual(self.setting(under_test, 'tcpport'), str(tcp))
                self.assertEqual(self.setting(under_test, 'udpport'), str(udp))
                under_test.stop()

    def test_unix_socket_alone(self):
        """As in memcached there is no UDP beside it; but that is told."""
        under_test, _ = self.start_with('-s', self.path, '-U', str(free_port()), host=self.path)
        self.answers(under_test)
        self.assertEqual(udp_addresses(under_test.pid), [])
        self.assertFalse(os.path.exists(self.ports))
        if not server.ORIGINAL:
            self.assertEqual(under_test.errors(), 'simplecache: -U is ignored beside -s, as in '
                             'memcached; give -p too, 0 for no TCP\n')

    @staticmethod
    def setting(under_test, name):
        with under_test.connect() as client:
            client.send(b'stats settings\r\nquit\r\n')
            for line in client.read_all().decode().splitlines():
                if line.split()[1:2] == [name]:
                    return line.split()[2]
        return None


class Failures(UdpTest):
    """One line that says why, and the status."""

    @unittest.skipIf(server.ORIGINAL, 'its words and status are others')
    def test_port_taken(self):
        """By somebody else, and by another of ours."""
        tcp, udp = free_port(), free_port()
        flags = ('-p', str(tcp), '-U', str(udp), '-l', '127.0.0.1', *server.user_flags())
        wanted = (FAILED, '', "simplecache: can't listen on udp:127.0.0.1:%d: Address already in "
                  'use; another program listens there: end it or choose another -U\n' % udp)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(('127.0.0.1', udp))
            self.assertEqual(run(*flags), wanted)
        other = self.start(port=udp, flags=('-U', str(udp), '-l', '127.0.0.1'))
        self.assertEqual(run(*flags), wanted)
        self.assertEqual(self.client(other).ask(b'mn\r\n'), b'MN\r\n')

    @unittest.skipIf(server.ORIGINAL, 'its words are others')
    def test_no_such_address(self):
        port = free_port()
        self.assertEqual(run('-p', '0', '-U', str(port), '-l', '192.0.2.1', *server.user_flags()),
                         (FAILED, '', "simplecache: can't listen on udp:192.0.2.1:%d: Cannot "
                          'assign requested address; this machine has no such address: give one '
                          'of its own with -l\n' % port))

    def test_logins(self):
        """Whoever has to log in can't do so in datagrams."""
        with tempfile.NamedTemporaryFile('w') as users:
            users.write('user:password\n')
            users.flush()
            os.chmod(users.name, 0o644)
            for flags in (('-Y', users.name), ('-S', '-Y', users.name)):
                status, _, stderr = run('-U', str(free_port()), *flags, *server.user_flags())
                self.assertEqual(status, WRONG)
                if not server.ORIGINAL:
                    self.assertEqual(stderr, 'simplecache: -U beside -Y or -S is refused: nobody '
                                     'can log in over UDP, so it would let everybody in: leave one '
                                     'of them out\n')
            under_test = self.start(flags=('-U', '0', '-Y', users.name), wait=False)
            self.until(lambda: bool(listeners(under_test.pid)), True)


class Listed(UdpTest):
    """stats conns."""

    def test_stats_conns(self):
        """The socket is there, with the time since its last request; datagrams are not."""
        for cores in (1, 3):
            under_test = self.serve('-l', '127.0.0.1', cores=cores)
            client = self.client(under_test)
            client.ask(b'mn\r\n')
            time.sleep(2.1)
            with under_test.connect() as stream:
                stream.send(b'stats conns\r\nquit\r\n')
                told = stream.read_all().decode()
            number = told.split(':UDP UDP\r\n')[0].rsplit(' ', 1)[1]
            wanted = 'STAT {0}:UDP UDP\r\nSTAT {0}:addr udp:127.0.0.1:{1}\r\n'.format(
                number, under_test.port) + 'STAT %s:state conn_read\r\n' % number
            self.assertIn(wanted, told)
            if server.ORIGINAL:  # a socket for each thread
                continue
            self.assertRegex(told.split(wanted)[1], r'\ASTAT %s:secs_since_last_cmd [1-9]' % number)
            self.assertEqual(told.count('UDP'), 2)
            now = 'STAT %s:secs_since_last_cmd 0\r\n' % number
            self.until(lambda: wanted + now in client.ask(b'stats conns\r\n').decode(), True)
            self.until(lambda: under_test.stat('curr_connections'), '1')


class Stop(UdpTest):
    """What is worked on is answered, and nothing keeps the server from its end."""

    def stops(self, under_test):
        began = time.monotonic()
        under_test.stop()
        self.assertLess(time.monotonic() - began, STOP_LIMIT_S)

    def test_under_load(self):
        """Clients that never pause, over all shards."""
        for cores in (1, 3):
            with self.subTest(cores=cores):
                port = free_port()
                under_test = server.Server(cores=cores, port=port, flags=('-U', str(port)))
                self.store(under_test, [(b'k%d' % n, b'x' * 500 * n) for n in range(40)])
                load = subprocess.Popen(['/usr/bin/python3', '-c', LOAD, str(port)])
                try:
                    with under_test.connect() as stream:
                        self.until(lambda: self.hits(stream) > 500, True)
                    self.stops(under_test)
                finally:
                    load.kill()
                    load.wait()
                self.start(port=port, flags=('-U', str(port)))

    @staticmethod
    def hits(stream):
        stream.send(b'stats\r\n')
        hits = 0
        while (line := stream.read_line()) != b'END\r\n':
            if line.startswith(b'STAT get_hits '):
                hits = int(line.split()[2])
        return hits

    def test_ports_are_free_again(self):
        """At once, though a poll of theirs was with the kernel."""
        port = free_port()
        for _ in range(40):
            under_test = server.Server(port=port, flags=('-U', str(port)))
            self.assertEqual(self.client(under_test).ask(b'mn\r\n'), b'MN\r\n')
            self.stops(under_test)

    def test_with_datagrams_in_the_queue(self):
        """The order to stop comes while more wait than are worked on at once."""
        for cores in (1, 3):
            port = free_port()
            under_test = server.Server(cores=cores, port=port, flags=('-U', str(port)))
            os.kill(under_test.pid, signal.SIGSTOP)
            self.until(lambda: under_test.states(), {'T'})
            with Datagrams(port) as client:
                for n in range(200):
                    client.request(b'get a b c d e f%d\r\n' % n)
                    client.raw(framed(b'set a 0 0 10\r\nhalf'))
                os.kill(under_test.pid, signal.SIGTERM)
                os.kill(under_test.pid, signal.SIGCONT)
                self.stops(under_test)

    @unittest.skipIf(server.ORIGINAL, 'it walks only where -o track_sizes says so')
    def test_with_long_walks(self):
        """What takes too long is broken off, like connections are."""
        port = free_port()
        under_test = server.Server(cores=3, port=port, flags=('-U', str(port), '-m', '128'))
        with under_test.connect() as stream:
            for start in range(0, 300000, 10000):
                stream.send(b''.join(b'set key%d 0 0 1 noreply\r\nx\r\n' % n
                                     for n in range(start, start + 10000)))
            self.assertEqual(stream.ask(b'mn\r\n'), b'MN\r\n')
            with Datagrams(port) as client:
                for _ in range(64):
                    client.request(b'stats sizes\r\n')
                self.assertRegex(stream.ask(b'version\r\n'), b'^VERSION ')
                self.stops(under_test)


LOAD = '''
import socket, struct, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect(('127.0.0.1', int(sys.argv[1])))
client.setblocking(False)
number = 0
while True:
    number += 1
    try:
        client.send(struct.pack('>HHHH', number % 65536, 0, 1, 0)
                    + b'get k%d k%d nothing\\r\\n' % (number % 40, number % 39))
        client.recv(65536)
    except BlockingIOError:
        pass
    except ConnectionRefusedError:
        sys.exit(0)
'''

if __name__ == '__main__':
    server.main()
