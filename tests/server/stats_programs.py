"""Real programs that read statistics: what they print of a server is what it holds.

Debian: libmemcached-tools (memcstat), memcached (memcached-tool, damemtop, which needs
libanyevent-perl, libterm-readkey-perl and libyaml-perl), collectd-core, libcache-memcached-perl (what
Munin's plugin asks with), php-memcached, python3-pymemcache, python3-binary-memcached.
"""
import fcntl
import glob
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

import server
from clients_libmemcached import run_program
from stats import TextAsker

SCRIPTS = '/usr/share/memcached/scripts/'
COLLECTD = '/usr/sbin/collectd'
ITEMS = 100

COLLECTD_CONFIG = '''
Hostname "here"
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval 1
ReadThreads 1
WriteThreads 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
LoadPlugin memcached
<Plugin memcached>
  <Instance "one">
    Address "127.0.0.1"
    Port "{port}"
  </Instance>
</Plugin>
'''

DAMEMTOP_CONFIG = '''
delay: 1
mode: t
top_mode:
    sort_column: "hostname"
    sort_order: "asc"
    columns:
        - hostname
        - all_version
        - all_fill_rate
        - hit_rate
        - bytes_written
        - all_curr_items
        - "all_{slab_class}:get_hits"
servers:
    - 127.0.0.1:{port}
'''

PERL = '''
use Cache::Memcached;
use JSON::PP;
my $host = "127.0.0.1:$ARGV[0]";
my $found = Cache::Memcached->new({servers => [$host], connect_timeout => 60, select_timeout => 60})->stats;
print encode_json({misc => $found->{hosts}{$host}{misc}, total => $found->{total}});
'''

PHP = '''
$m = new Memcached();
$m->setOption(Memcached::OPT_POLL_TIMEOUT, 60000);
$m->setOption(Memcached::OPT_BINARY_PROTOCOL, $argv[2] == "binary");
$m->addServer("127.0.0.1", $argv[1]);
$found = [];
foreach (["", "settings", "items", "slabs"] as $group)
    $found[$group] = $m->getStats($group ?: null)["127.0.0.1:$argv[1]"];
echo json_encode($found);
'''


class Programs(server.ServerTest):
    """Against one server that holds ITEMS items, each read once."""

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(cores=2)
        cls.addClassCleanup(cls.server.stop)
        with cls.server.connect() as client:
            asker = TextAsker(client)
            asker.run(b''.join(b'set k%d 7 0 10\r\n0123456789\r\nget k%d\r\n' % (n, n)
                               for n in range(ITEMS)))
            found = asker.stats()[0]
            asker.PROBE = b'stats items\r\n'
            (cls.slab_class,) = {name.split(':')[1] for name in asker.stats()[0]}
        # What no program changes by asking.
        cls.lasting = {name: found[name] for name in (
            'pid', 'version', 'pointer_size', 'curr_items', 'total_items', 'bytes', 'cmd_set',
            'evictions', 'limit_maxbytes', 'threads')}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.address = '127.0.0.1:%d' % self.server.port

    def holds(self, found):
        """The figures, whatever type the program has made of them."""
        self.assertEqual({name: str(found.get(name)) for name in self.lasting}, self.lasting)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='ascii') as file:
            file.write(text)
        return path

    def until(self, condition):
        deadline = time.monotonic() + server.TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'it never happens')
            time.sleep(0.05)


class Memcstat(Programs):
    """libmemcached's memcstat."""

    def ask(self, *arguments):
        server.need('memcstat', 'libmemcached-tools')
        told = run_program(self, 'memcstat', '--servers=' + self.address, *arguments).decode()
        return told, dict(re.findall(r'^\t(\S+): (.*)$', told, re.M))

    def test_general(self):
        for protocol in ((), ('--binary',)):
            self.holds(self.ask(*protocol)[1])

    def test_groups(self):
        for protocol in ((), ('--binary',)):
            self.assertEqual(self.ask(*protocol, 'settings')[1]['maxbytes'], str(64 << 20))
            items, slabs = self.ask(*protocol, 'items')[1], self.ask(*protocol, 'slabs')[1]
            self.assertEqual(items['items:%s:number' % self.slab_class], str(ITEMS))
            self.assertEqual(slabs['%s:used_chunks' % self.slab_class], str(ITEMS))

    def test_analyze(self):
        size = int(self.lasting['bytes']) // ITEMS
        self.assertRegex(self.ask('--analyze')[0],
                         r'Average Item Size \(incl/overhead\) *: %d bytes' % size)


class Tool(Programs):
    """memcached-tool."""

    def ask(self, mode, address=None):
        server.need(SCRIPTS + 'memcached-tool', 'memcached')
        return run_program(self, SCRIPTS + 'memcached-tool', address or self.address, mode).decode()

    def table(self, mode):
        """Names and values below the headline."""
        return dict(line.split(None, 1) for line in self.ask(mode).splitlines()[1:])

    def test_display(self):
        head, line = self.ask('display').splitlines()
        self.assertEqual(head.split(), '# Item_Size Max_age Pages Count Full? Evicted Evict_Time OOM'
                         .split())
        self.assertRegex(line, r'^ +%s +\d+B +\d+s +[1-9]\d* +%d +no +0 +0 +0$'
                         % (self.slab_class, ITEMS))

    def test_stats(self):
        self.holds({name: value.strip() for name, value in self.table('stats').items()})

    def test_settings(self):
        found = self.table('settings')
        self.assertEqual(found['maxconns'], '1024')
        self.assertEqual(found['maxbytes'], str(64 << 20))

    def test_sizes(self):
        if server.ORIGINAL:  # which counts them with a flag only
            return
        self.assertEqual(sum(map(int, self.table('sizes').values())), ITEMS)

    def test_keys(self):
        found = re.findall(r'^key=(\S+) exp=-1 .* cls=%s ' % self.slab_class, self.ask('keys'),
                           re.M)
        self.assertEqual(sorted(found), sorted('k%d' % n for n in range(ITEMS)))

    def test_dump(self):
        """It is a list of commands that fill another server."""
        dumped = self.ask('dump').encode()
        commands = re.findall(rb'^add k\d+ 7 0 10\r\n0123456789\r$', dumped, re.M)
        self.assertEqual(len(commands), ITEMS)
        other = self.start()
        with other.connect() as client:
            for command in commands:
                self.assertEqual(client.ask(command + b'\n'), b'STORED\r\n')
        self.assertEqual(other.stat('curr_items'), str(ITEMS))


class Damemtop(Programs):
    """memcached's top, on a terminal."""

    def test_it_shows_the_server(self):
        server.need(SCRIPTS + 'damemtop', 'memcached')
        run_program(self, 'perl', '-MAnyEvent', '-MTerm::ReadKey', '-MYAML', '-e', '1')
        self.write('.damemtop/damemtop.yaml',
                   DAMEMTOP_CONFIG.format(port=self.server.port, slab_class=self.slab_class))
        line = re.compile(rb'%s +%s +[\d.e%%-]+ +\S+ +[\d,]+ +%d +%d\s' % (
            self.address.encode(), self.lasting['version'].encode(), ITEMS, ITEMS))
        shown = b''
        pid, terminal = self.start_on_terminal()
        try:
            deadline = time.monotonic() + server.TIMEOUT_S
            while not line.search(shown):
                self.assertLess(time.monotonic(), deadline, shown[-1000:])
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 4096)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def start_on_terminal(self):
        """Its process and the terminal's other side; it starts once the terminal has a size."""
        try:
            pid, terminal = pty.fork()
        except OSError as error:
            self.skipTest('this machine has no terminals: %s' % error)
        if pid == 0:
            while struct.unpack('HHHH', fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[0] == 0:
                time.sleep(0.01)
            os.execve(SCRIPTS + 'damemtop', ['damemtop'],
                      dict(os.environ, HOME=self.folder, TERM='vt100'))
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 150, 0, 0))
        return pid, terminal


class Collectd(Programs):
    """collectd with its memcached plugin, which writes what it has read to files."""

    def value(self, name):
        """The last values under this name, or None."""
        for path in glob.glob('%s/csv/here/memcached-one/%s-*' % (self.folder, name)):
            with open(path, encoding='ascii') as file:
                rows = re.findall(r'^\d[^,\n]*,(.*)\n', file.read(), re.M)  # whole ones, without the headline
            return rows[-1].split(',') if rows else None
        return None

    def test_it_reads_the_server(self):
        server.need(COLLECTD, 'collectd-core')
        config = self.write('conf', COLLECTD_CONFIG.format(folder=self.folder,
                                                           port=self.server.port))
        wanted = {'memcached_items-current': [float(self.lasting['curr_items'])],
                  'memcached_command-set': [float(self.lasting['cmd_set'])],
                  'memcached_ops-evictions': [0], 'ps_count': None, 'uptime': None,
                  'memcached_octets': None, 'memcached_connections-current': None,
                  'total_events-listen_disabled': [0], 'percent-hitratio': None,
                  'df-cache': [float(self.lasting['bytes']),
                               float(self.lasting['limit_maxbytes'])
                               - float(self.lasting['bytes'])]}
        process = subprocess.Popen([COLLECTD, '-f', '-C', config], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            self.until(lambda: all(self.value(name) for name in wanted))
        finally:
            process.terminate()
            process.wait()
        for name, values in wanted.items():
            found = list(map(float, self.value(name)))
            self.assertEqual(found, values if values is not None else found, name)
        with open(self.folder + '/log', encoding='ascii') as log:
            self.assertNotRegex(log.read(), '(?i)truncated|error|fail')


class Clients(Programs):
    """Client libraries that give the statistics to whoever asks."""

    def test_perl(self):
        """What Munin's plugin calls, and the sums over all servers."""
        said = run_program(self, 'perl', '-e', PERL, str(self.server.port))
        found, _ = json.JSONDecoder().raw_decode(said[said.index(b'{'):].decode())  # beside perl's warnings
        self.holds(found['misc'])
        self.assertEqual(found['total']['curr_items'], ITEMS)

    def test_php(self):
        server.need('php', 'php-cli')
        for protocol in ('text', 'binary'):
            found = json.loads(run_program(self, 'php', '-r', PHP, str(self.server.port), protocol))
            self.holds(found[''])
            self.assertEqual(found['settings']['maxconns'], 1024)
            self.assertEqual(found['items']['items:%s:number' % self.slab_class], ITEMS)
            self.assertEqual(found['slabs']['%s:used_chunks' % self.slab_class], ITEMS)

    def test_pymemcache(self):
        from pymemcache.client.base import Client
        client = Client(('127.0.0.1', self.server.port))
        self.addCleanup(client.close)
        found = client.stats()
        self.holds({name.decode(): value.decode() if isinstance(value, bytes) else value
                    for name, value in found.items()})
        self.assertIsInstance(found[b'rusage_user'], float)
        self.assertIs(found[b'slab_reassign_running'], False)
        settings = client.stats('settings')
        self.assertEqual([settings[name] for name in (b'umask', b'growth_factor', b'maxconns')],
                         [448, 1.25 if server.ORIGINAL else 0.0, 1024])

    def test_bmemcached(self):
        """What Datadog's check calls."""
        import bmemcached
        client = bmemcached.Client((self.address,), socket_timeout=server.TIMEOUT_S)
        self.addCleanup(client.disconnect_all)
        (found,), (items,) = client.stats().values(), client.stats('items').values()
        self.holds({name: value.decode() for name, value in found.items()})
        self.assertEqual(items['items:%s:number' % self.slab_class], str(ITEMS).encode())


if __name__ == '__main__':
    server.main()
