"""The load generator against the real server: what it counts, that it notices lies, and from when
its times count.

SIMPLECACHE is the server's binary, LOAD the generator's (meson gives both).
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'server'))
import pki  # noqa: E402
from server import TIMEOUT_S, Server, ServerTest, TapRunner, program, user_flags  # noqa: E402
from tls_server import TlsTest  # noqa: E402

BENCH = os.path.join(HERE, '..', '..', 'bench')
PLOT = os.path.join(BENCH, 'plot')
PROTOCOLS = 'text', 'meta', 'binary'
KEYS = 200
SOME = '--requests', '5000', '--seconds', '600'  # however slow the machine is


class Result:
    """How a run of the generator ended."""

    def __init__(self, status, output, errors):
        self.status = status
        self.errors = errors
        self.figures = {name: float(value)
                        for name, value in re.findall(r'^(\S+) ([\d.]+)$', output, re.M)}

    def __getitem__(self, name):
        return self.figures[name]

    def __repr__(self):
        return '%s %s %s' % (self.status, self.figures, self.errors)


def start_load(server, *flags):
    """The generator at work on a few keys."""
    command = [os.environ['LOAD'], '--port', str(server.port), '--keys', str(KEYS),
               '--connections', '4', *flags]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def load(server, *flags):
    """A whole run."""
    process = start_load(server, *flags)
    output, errors = process.communicate()
    return Result(process.returncode, output, errors)


def times(path):
    """(microseconds, count, share) of each line of a histogram file."""
    with open(path, encoding='ascii') as file:
        lines = [line.split() for line in file if not line.startswith('#')]
    return [(float(us), int(count), float(share)) for us, count, share in lines]


class Load(ServerTest):
    def fill(self, server, *flags):
        result = load(server, '--fill', '--seconds', '0', *flags)
        self.assertEqual(result.status, 0, result)

    def test_what_it_counts_is_what_the_server_counts(self):
        for protocol in PROTOCOLS:
            for flags in ('--depth', '8'), ('--multiget', '7'), ('--sets', '30', '--depth', '3'):
                with self.subTest(protocol=protocol, flags=flags):
                    server = self.start(cores=2)
                    result = load(server, '--fill', '--protocol', protocol, *SOME,
                                  '--sizes', '0:1,32:50,1000:40,16000:9,70000:1', *flags)
                    self.assertEqual(result.status, 0, result)
                    self.assertEqual(result['hit_ratio'], 1)
                    self.assertEqual(int(server.stat('curr_items')), KEYS)
                    self.assertEqual(int(server.stat('get_hits')), result['gets'])
                    self.assertEqual(int(server.stat('get_misses')), 0)
                    self.assertEqual(int(server.stat('cmd_set')), KEYS + result['sets'])
                    self.assertEqual(result['operations'], result['gets'] + result['sets'])
                    self.assertGreater(result['operations'], 0)
                    self.assertLessEqual(result['p50_us'], result['p99_us'])
                    self.assertLessEqual(result['p99.9_us'], result['max_us'])

    def test_replies_that_fill_every_buffer(self):
        """Many heads and few bytes of values: what arrives at once ends within a head."""
        server = self.start()
        for protocol in PROTOCOLS:
            result = load(server, '--fill', '--protocol', protocol, '--multiget', '1000',
                          '--depth', '20', '--sizes', '1', '--requests', '400', '--seconds',
                          '600')
            self.assertEqual((result.status, result['hit_ratio']), (0, 1), result)
            self.assertEqual(result['gets'], 400000)

    def test_sets_in_their_share(self):
        server = self.start()
        result = load(server, '--fill', *SOME, '--sets', '25', '--depth', '50')
        share = result['sets'] / result['requests']
        self.assertAlmostEqual(share, 0.25, delta=5 * (0.25 * 0.75 / result['requests']) ** 0.5)
        self.assertEqual(load(server, *SOME, '--sets', '100')['gets'], 0)

    def test_wrong_values_are_found(self):
        """One key is stored anew behind the generator's back."""
        server = self.start()
        for protocol in PROTOCOLS:
            for flags in (), ('--multiget', '5'):
                for spoil in (lambda value: value[:49] + bytes([value[49] ^ 1]) + value[50:],
                              lambda value: value[:-1], lambda value: value + b'.',
                              lambda value: b''):
                    self.fill(server)
                    self.overwrite(server, b'key00000007', spoil)
                    result = load(server, '--protocol', protocol, *SOME, '--quiet',
                                  '--depth', '8', *flags)
                    self.assertEqual(result.status, 1, result)
                    self.assertGreater(result['wrong'], 0)
                    self.assertLess(result['wrong'], result['gets'] / 50)
                    self.assertIn('values were wrong, the first that of key00000007', result.errors)

    def overwrite(self, server, key, spoil, flags=0):
        with server.connect() as client:
            client.send(b'get %b\r\n' % key)
            length = int(client.read_line().split()[3])
            value = spoil(client.read(length))
            client.read(len(b'\r\nEND\r\n'))
            self.assertEqual(client.ask(b'set %b %d 0 %d\r\n%b\r\n'
                                        % (key, flags, len(value), value)), b'STORED\r\n')

    def test_other_flags_and_values_of_other_keys_are_found(self):
        server = self.start()
        self.fill(server)
        self.overwrite(server, b'key00000007', lambda value: value, flags=1)
        self.assertGreater(load(server, *SOME)['wrong'], 0)
        self.fill(server)
        with server.connect() as client:
            client.send(b'get key00000008\r\n')
            client.read_line()
            other = client.read(100)
        self.overwrite(server, b'key00000007', lambda value: other)
        self.assertGreater(load(server, *SOME, '--protocol', 'meta')['wrong'], 0)

    def test_lengths_alone_without_verifying(self):
        server = self.start()
        self.fill(server)
        self.overwrite(server, b'key00000007', lambda value: value[:-1] + b'.')
        result = load(server, *SOME, '--no-verify')
        self.assertEqual((result.status, result['wrong']), (0, 0))
        self.overwrite(server, b'key00000007', lambda value: value[:-1])
        self.assertEqual(load(server, *SOME, '--no-verify').status, 1)

    def test_misses(self):
        server = self.start()
        for protocol in PROTOCOLS:
            for multiget in '1', '5':
                flags = '--protocol', protocol, '--multiget', multiget, *SOME
                result = load(server, *flags)
                self.assertEqual((result.status, result['hit_ratio']), (1, 0), result)
                self.assertEqual(result['misses'], result['gets'])
                self.assertIn('keys were missing', result.errors)
                result = load(server, *flags, '--misses', 'ok')
                self.assertEqual((result.status, result['hit_ratio']), (0, 0), result)
                self.assertNotIn('missing', result.errors)

    def test_half_of_the_keys(self):
        """Those of the first half, since a fill stores keys in order."""
        server = self.start()
        self.fill(server, '--keys', str(KEYS // 2))
        result = load(server, *SOME, '--misses', 'ok', '--multiget', '20')
        self.assertAlmostEqual(result['hit_ratio'], 0.5, delta=0.1)
        self.assertEqual(result['gets'] - result['misses'], int(server.stat('get_hits')))
        self.assertEqual(result['misses'], int(server.stat('get_misses')))

    def test_refusals(self):
        server = self.start(flags=('-I', '2k'))
        for protocol in PROTOCOLS:
            result = load(server, '--fill', '--seconds', '0', '--sizes', '4000', '--protocol',
                          protocol)
            self.assertEqual((result.status, result['errors']), (1, KEYS), result)
            self.assertIn('%d requests were refused' % KEYS, result.errors)

    def test_prefixes_are_apart(self):
        server = self.start()
        self.fill(server, '--prefix', 'k' * 242)
        self.fill(server, '--prefix', 'other')
        result = load(server, '--prefix', 'k' * 242, *SOME, '--multiget', '3')
        self.assertEqual((result.status, result['hit_ratio']), (0, 1))
        self.assertEqual(int(server.stat('curr_items')), 2 * KEYS)

    def test_hot_keys(self):
        """Of keys by Zipf's law the first ones alone bring a share of the hits."""
        server = self.start()
        self.fill(server, '--keys', '10')
        shares = [load(server, '--keys', '1000', *SOME, '--misses', 'ok',
                       '--distribution', distribution, '--depth', '20')['hit_ratio']
                  for distribution in ('uniform', 'zipf:0.99', 'zipf:1.5')]
        for share, wanted in zip(shares, (0.01, 0.385, 0.785)):
            self.assertAlmostEqual(share, wanted, delta=0.05)

    def test_one_hot_key(self):
        """A share of the gets asks for it, within five standard deviations: they are hits where it alone
        is stored. Sets go to all keys, so that nearly each brings a new one."""
        server = self.start()
        for hot, share in ('0.3', 0.3), ('30%', 0.3), ('0', 0), ('0%', 0), ('1', 1), ('100%', 1):
            for flags in ('--depth', '20'), ('--multiget', '10'):
                self.fill(server, '--keys', '1')
                result = load(server, '--keys', '1000000', *SOME, '--misses', 'ok', '--hot', hot, *flags)
                self.assertEqual(result.status, 0, result)
                self.assertAlmostEqual(result['hit_ratio'], share,
                                       delta=5 * (share * (1 - share) / result['gets']) ** 0.5 + 0.002)
        before = int(server.stat('total_items'))
        result = load(server, '--keys', '1000000', *SOME, '--misses', 'ok', '--hot', '1', '--sets', '50')
        self.assertEqual(result['hit_ratio'], 1)
        self.assertEqual(int(server.stat('total_items')) - before, result['sets'])
        self.assertGreater(int(server.stat('curr_items')), result['sets'] * 0.9)

    def test_a_rate_is_kept(self):
        """As many requests as fall due: 1000, within five standard deviations."""
        server = self.start()
        for _ in range(20):  # a busy machine may let the generator see its end late, when more have fallen due
            result = load(server, '--fill', '--rate', '500', '--seconds', '2')
            self.assertEqual(result.status, 0, result)
            self.assertGreaterEqual(result['late_p99_us'], 0)
            due = result['requests'] + result['unsent']
            if due < 1160:
                break
        self.assertAlmostEqual(due, 1000, delta=160)

    def test_times_count_from_when_a_request_was_due(self):
        """The server stands still for half a second: not only the few requests that are under way
        then took long, but all those that were due."""
        for flags in (), ('--spin',):
            for _ in range(5):  # a busy machine may stop the server when the generator has come to its end
                result, slow = self.stand_still(flags)
                self.assertEqual(result.status, 0, result)
                if result['max_us'] > 490000 and slow > 100:  # 4 were under way
                    break
            else:
                self.fail('%s, %d were slow' % (result, slow))

    def stand_still(self, flags):
        """The result of such a run, and how many took long."""
        server = self.start()
        with tempfile.NamedTemporaryFile() as file:
            process = start_load(server, '--fill', '--rate', '1000', '--depth', '1', '--seconds', '3', '--histogram',
                                 file.name, *flags)
            self.assertTrue(process.stderr.readline().startswith('1 s: '))
            server.process.send_signal(signal.SIGSTOP)
            deadline = time.monotonic() + TIMEOUT_S
            while server.states() != {'T'}:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.001)
            time.sleep(0.5)
            server.process.send_signal(signal.SIGCONT)
            output, errors = process.communicate()
            return (Result(process.returncode, output, errors),
                    sum(count for us, count, _ in times(file.name) if us > 250000))

    def test_too_high_a_rate_is_told(self):
        server = self.start()
        result = load(server, '--fill', '--rate', '100000000', '--seconds', '0.5')
        self.assertGreater(result['unsent'], 0)
        self.assertIn('the rate was too high', result.errors)

    def test_the_bottleneck_is_told(self):
        """When its share says so; and ten requests a second are none, even where it polls."""
        server = self.start()
        said = 'the generator is the bottleneck'
        for flags in (), ('--spin',):
            for _ in range(20):  # a busy machine may keep the generator waiting nearly all the time
                result = load(server, '--fill', '--seconds', '1', '--rate', '10', *flags)
                if said not in result.errors:
                    break
            else:
                self.fail(result)
        result = load(server, '--seconds', '1', '--depth', '100')
        if abs(result['own_busy_share'] - 0.95) > 0.001:  # it is rounded
            self.assertEqual(said in result.errors, result['own_busy_share'] > 0.95, result)
        self.assertGreater(result['own_busy_share'], 0)

    def test_cpu_time_of_the_server(self):
        server = self.start(cores=2)
        result = load(server, '--fill', *SOME, '--server-pid', str(server.pid))
        total_us = float(server.stat('rusage_user')) + float(server.stat('rusage_system'))
        self.assertGreater(result['server_cpu_us_per_operation'], 0)
        self.assertLess(result['server_cpu_us_per_operation'] * result['operations'],
                        total_us * 1e6 * 1.1 + 50000)

    def test_progress(self):
        server = self.start()
        flags = '--fill', '--warmup', '1', '--seconds', '2'
        for _ in range(20):  # a busy machine may let it sleep through the end of a second
            lines = load(server, *flags).errors.splitlines()
            told = [line.partition(':')[0] for line in lines if ' s: ' in line]
            if told == ['1 s', '1 s', '2 s']:
                break
        self.assertEqual(told, ['1 s', '1 s', '2 s'])
        self.assertNotIn(' s: ', load(server, *flags, '--quiet').errors)

    def test_warmup_does_not_count(self):
        server = self.start()
        result = load(server, '--fill', '--warmup', '1', '--requests', '10')
        self.assertGreater(int(server.stat('cmd_get')), result['gets'])

    def test_histogram_and_plot(self):
        server = self.start()
        with tempfile.NamedTemporaryFile() as file:
            result = load(server, '--fill', *SOME, '--histogram', file.name)
            lines = times(file.name)
            drawn = subprocess.run([sys.executable, PLOT, file.name], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, check=False)
            without = subprocess.run([sys.executable, PLOT, file.name], env={'PATH': ''},
                                     stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(sum(count for _, count, _ in lines), result['requests'])
        self.assertEqual(lines, sorted(lines))
        self.assertEqual(lines[-1][2], 1)
        self.assertEqual((without.returncode, without.stderr.count('\n')), (1, 1))
        self.assertIn('gnuplot is not there', without.stderr)
        if shutil.which('gnuplot'):
            self.assertEqual((drawn.returncode, drawn.stderr), (0, ''))
            self.assertIn('microseconds', drawn.stdout)
            self.assertIn('99 %', drawn.stdout)

    def test_servers_side_by_side(self):
        """bench/compare, at half of the rate of one of them."""
        cpus = ','.join(map(str, os.sched_getaffinity(0)))
        command = ' '.join([*program(), *user_flags(), '-p', '{port}'])
        done = subprocess.run(
            [sys.executable, '-B', os.path.join(BENCH, 'compare'), '--load', os.environ['LOAD'],
             '--server', 'one=' + command, '--server', 'two=' + command, '--half-of', 'two', '--rounds',
             '1', '--seconds', '1', '--server-cpus', cpus, '--generator-cpus', cpus, '--conns', '2',
             '--case', 'some=--keys 100 --sets 50'],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        rate = float(re.search(r'^some: (\d+) requests per second$', done.stderr, re.M)[1])
        rows = [line.split() for line in done.stdout.splitlines()[1:]]
        self.assertEqual([row[:2] for row in rows], [['some', 'one'], ['some', 'two']])
        for row in rows:
            self.assertEqual(len(row), 10)
            self.assertLess(float(row[2]) * 1000, 1.5 * rate + 1000)
            self.assertGreater(float(row[3]), 0)

    def test_a_server_that_ends(self):
        server = Server()
        process = start_load(server, '--fill', '--seconds', '60')
        process.stderr.readline()
        server.kill()
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 1)
        self.assertIn('load: the server has closed a connection', errors)
        result = load(server)
        self.assertEqual((result.status, result.errors.count('\n')), (1, 1))

    def test_wrong_options(self):
        server = self.start()
        for flags in ('--sizes', 'x'), ('--sets', '101'), ('--keys', '0'), ('--keys', '1.5'), \
                ('--distribution', 'normal'), ('--distribution', 'zipf:'), ('--misses', 'no'), \
                ('--hot', '30'), ('--hot', ''), ('--hot', '-1%'), ('--hot', '30%%'), \
                ('--protocol', 'http'), ('--host', 'nowhere'), ('--prefix', 'a b'), \
                ('--prefix', 'k' * 243), ('--depth', ''), ('--nothing',), ('word',):
            result = load(server, *flags)
            self.assertEqual((result.status, result.errors.count('\n')), (64, 1), flags)
        self.assertIn('no process', load(server, '--server-pid', '2147483647').errors)


@unittest.skipIf(os.environ.get('TLS') == '0', 'a build without TLS')
class Tls(TlsTest):
    """The same by TLS, and handshakes."""

    def load(self, server, *flags):
        result = load(server, '--port', str(server.ports['tls']), '--ca', server.path('ca.pem'), *flags)
        self.assertEqual(result.status, 0, result)
        return result

    def test_both_versions(self):
        for version in '1.2', '1.3':
            server = self.start_tls(cores=2)
            for protocol in PROTOCOLS:
                result = self.load(server, '--tls', version, '--fill', '--protocol', protocol, '--sets', '20',
                                   '--depth', '5', '--sizes', '100:9,40000:1', *SOME)
                self.assertEqual(result['requests'], 5000)
                self.assertEqual(result['wrong'], 0)
                self.assertEqual(result['hit_ratio'], 1)
            self.assertEqual(server.stat('ssl_handshakes'), '12')

    def test_handshakes(self):
        server = self.start_tls()
        for version in '1.2', '1.3':
            for kind, resumed in ('full', 0), ('resumed', 20):
                result = self.load(server, '--tls', version, '--handshakes', kind, '--requests', '20')
                self.assertEqual(result['handshakes'], 20)
                self.assertEqual(result['resumed'], resumed)
        before = int(server.stat('ssl_handshakes'))
        result = self.load(server, '--tls', '1.3', '--handshakes', 'hello', '--rate', '200', '--seconds', '2')
        self.assertGreater(result['hellos'], 0)
        self.assertEqual(int(server.stat('ssl_handshakes')), before)

    def test_a_server_that_it_does_not_know(self):
        server = self.start_tls()
        pki.Authority(self.folder, 'unknown')
        result = load(server, '--port', str(server.ports['tls']), '--tls', '1.3', '--ca', server.path('unknown.pem'))
        self.assertEqual(result.status, 1)
        self.assertIn('certificate verify failed', result.errors)


if __name__ == '__main__':
    unittest.main(testRunner=TapRunner)
