"""The list of servers from a file (-o nodes), as clients ask for it: `config get cluster` and what older ones send.

What is compared are bytes: clients split the answer at fixed places.
"""
import os
import signal
import subprocess
import tempfile
import time

import server
from binary import GET, GETK, GETKQ, GETQ, NOOP, SET, error, reply, request

OLD_KEY = b'AmazonElastiCache:cluster'
CONFIG_GET = 0x60
SERVERS = '127.0.0.1:11211\n127.0.0.1:11212 # the second\n\n cache3.example|10.0.0.3|11211\n'
LIST = b'127.0.0.1|127.0.0.1|11211 127.0.0.1|127.0.0.1|11212 cache3.example|10.0.0.3|11211\n'
UNIX_2020 = 1577836800


def told(version, servers=LIST):
    """What stands in the answer."""
    return b'%d\n' % version + servers


def config(body):
    return b'CONFIG cluster 0 %d\r\n%s\r\nEND\r\n' % (len(body), body)


def value(body, key=OLD_KEY, cas=b''):
    return b'VALUE %s 0 %d%s\r\n%s\r\n' % (key, len(body), cas, body)


class Nodes(server.ServerTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, 'nodes')

    def write(self, text, minutes=None):
        with open(self.file, 'w', encoding='ascii') as file:
            file.write(text)
        if minutes:
            os.utime(self.file, (UNIX_2020 + 60 * minutes,) * 2)

    def begin(self, text='7\n' + SERVERS, cores=2, flags=(), **options):
        self.write(text)
        self.server = self.start(cores=cores, flags=['-o', 'nodes=' + self.file, '--verbose', *flags], **options)
        self.client = self.connect()
        self.addCleanup(self.client.close)

    def connect(self):
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                return self.server.connect()
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)

    def said(self, sent, wanted, fragment=None):
        self.client.send(sent, fragment)
        self.assertEqual(self.client.read(len(wanted)), wanted)

    def await_log(self, words, count=1):
        deadline = time.monotonic() + server.TIMEOUT_S
        while self.server.errors().count(words) < count:
            self.assertLess(time.monotonic(), deadline, self.server.errors())
            time.sleep(0.01)

    def reload(self, words, count=1):
        self.server.process.send_signal(signal.SIGHUP)
        self.await_log(words, count)

    def test_text(self):
        self.begin()
        body = told(7)
        for sent in b'config get cluster\r\n', b'config get cluster \r\n', b'config  get  cluster\n':
            for fragment in None, 5, 1:
                self.said(sent, config(body), fragment)
        self.said(b'config get cluster\r\n' * 50 + b'mn\r\n', config(body) * 50 + b'MN\r\n')

    def test_what_else_begins_with_config(self):
        self.begin()
        for sent in (b'config\r\n', b'config get\r\n', b'config get other\r\n', b'config get cluster x\r\n',
                     b'config set cluster 0 3\r\nabc\r\n'[:26], b'config delete cluster\r\n', b'CONFIG get cluster\r\n'):
            self.said(sent, b'ERROR\r\n')

    def test_old_key(self):
        """A get of it is answered with the list; what has been stored by that name can't be seen."""
        self.begin()
        body = told(7)
        self.said(b'get %s\r\n' % OLD_KEY, value(body) + b'END\r\n')
        self.said(b'gets %s\r\n' % OLD_KEY, value(body, cas=b' 7') + b'END\r\n')
        self.said(b'set %s 5 0 6\r\nforged\r\n' % OLD_KEY, b'STORED\r\n')
        self.said(b'set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n', b'STORED\r\n' * 2)
        self.said(b'get a %s none b\r\n' % OLD_KEY,
                  b'VALUE a 0 1\r\nx\r\n' + value(body) + b'VALUE b 0 1\r\ny\r\nEND\r\n')
        self.said(b'get %s\r\n' % OLD_KEY, value(body) + b'END\r\n', 1)
        same_length = b'AmazonElastiCache:clustes'
        self.said(b'get %s\r\n' % same_length, b'END\r\n')
        self.said(b'delete %s\r\nget %s\r\n' % (OLD_KEY, OLD_KEY), b'DELETED\r\n' + value(body) + b'END\r\n')

    def test_a_long_line_of_keys(self):
        self.begin()
        keys = b' '.join(b'key%d' % n for n in range(12000))
        self.said(b'get %s %s\r\n' % (keys, OLD_KEY), value(told(7)) + b'END\r\n')

    def test_binary(self):
        self.begin()
        body, flags = told(7), bytes(4)
        listed = {'value': body, 'extras': flags, 'cas': (7).to_bytes(8, 'big')}
        self.said(request(CONFIG_GET, b'cluster'), reply(CONFIG_GET, **listed))
        self.said(request(CONFIG_GET, b'cluster'), reply(CONFIG_GET, **listed), 1)
        self.said(request(GET, OLD_KEY), reply(GET, **listed))
        self.said(request(GETK, OLD_KEY), reply(GETK, key=OLD_KEY, **listed))
        self.said(request(GETQ, OLD_KEY) + request(GETKQ, OLD_KEY),
                  reply(GETQ, **listed) + reply(GETKQ, key=OLD_KEY, **listed))
        self.said(request(CONFIG_GET, b'other') + request(NOOP), error(CONFIG_GET, 0x81) + reply(NOOP))

    def test_unknown_opcodes_with_a_body(self):
        """What follows them is understood: memcached takes as much of it for the body again."""
        for flags in ['-o', 'nodes=' + self.file], []:
            self.write('7\n' + SERVERS)
            client = self.start(flags=flags).connect()
            self.addCleanup(client.close)
            unknown = [*range(0x61, 0x70), 0x30, 0x3d, 0x7f, 0xff] + ([] if flags else [CONFIG_GET])
            for opcode in unknown:
                sent = request(opcode, b'cluster', b'extra', b'v' * 3000)
                client.send(sent + request(SET, b'k', bytes(8), b'v') + request(NOOP))
                wanted = error(opcode, 0x81)
                self.assertEqual(client.read(len(wanted)), wanted)
                self.assertEqual(client.read(24)[:8], reply(SET)[:8])
                self.assertEqual(client.read(24), reply(NOOP))

    def test_without_a_list(self):
        """As memcached."""
        client = self.start().connect()
        self.addCleanup(client.close)
        client.send(b'config get cluster\r\nget %s\r\nset %s 0 0 1\r\nx\r\nget %s\r\nstats cluster\r\n' % ((OLD_KEY,) * 3))
        wanted = b'ERROR\r\nEND\r\nSTORED\r\nVALUE %s 0 1\r\nx\r\nEND\r\nERROR\r\n' % OLD_KEY
        self.assertEqual(client.read(len(wanted)), wanted)

    def test_logins(self):
        """Who has to log in is told nothing before."""
        users = self.file + '.users'
        with open(users, 'w', encoding='ascii') as file:
            file.write('user:password\n')
        self.begin(flags=['-Y', users], wait=False)
        self.said(b'config get cluster\r\n', b'CLIENT_ERROR unauthenticated\r\n')
        self.said(b'set x 0 0 13\r\nuser password\r\nconfig get cluster\r\n', b'STORED\r\n' + config(told(7)))

    def test_version(self):
        """From the file's time, then from the one before; every reactor has it."""
        self.write(SERVERS, minutes=1000)
        self.server = self.start(cores=4, flags=['-o', 'nodes=' + self.file, '--verbose'])
        self.client = self.server.connect()
        self.addCleanup(self.client.close)
        others = [self.server.connect() for _ in range(12)]
        self.said(b'config get cluster\r\n', config(told(1000)))
        self.write('10.0.0.1:1 10.0.0.2:2', minutes=900)
        self.reload('read again')
        self.said(b'config get cluster\r\n', config(told(1001, b'10.0.0.1|10.0.0.1|1 10.0.0.2|10.0.0.2|2\n')))
        self.reload('read again', 2)  # the same
        self.said(b'config get cluster\r\n', config(told(1001, b'10.0.0.1|10.0.0.1|1 10.0.0.2|10.0.0.2|2\n')))
        self.write('5000\n[::1]:11211\r\n', minutes=900)
        self.reload('read again', 3)
        for one in [self.client, *others]:
            wanted = config(told(5000, b'::1|::1|11211\n'))
            one.send(b'config get cluster\r\n')
            self.assertEqual(one.read(len(wanted)), wanted)
            one.close()

    def test_bad_file_changes_nothing(self):
        self.begin()
        bad = {'': 'there is no server in it', '# nothing\n': 'there is no server in it', '7': 'there is no server in it',
               '127.0.0.1': 'is no server', 'cache1:11211': 'has a name and no address', '10.0.0.1:0': 'has no port',
               '10.0.0.1:65536': 'has no port', '10.0.0.1:011': 'has no port', ':11211': 'has no host',
               'a||11211': 'has no IP address', 'a|b|11211': 'has no IP address', '1:2:3': 'is no server',
               '10.0.0.1:1 10.0.0.1:1': 'stands there twice', '0 10.0.0.1:1': 'is no version',
               '2000000001 10.0.0.1:1': 'is no version', 'a b|10.0.0.1|1': 'is no server',
               'x' * 400 + '|10.0.0.1|1': 'is too long for a server',
               ' '.join('10.0.%d.%d:1' % (n // 250, n % 250) for n in range(501)): 'one server too many',
               ' '.join('%s%d|10.0.0.1|1' % ('h' * 200, n) for n in range(100)): 'longer than 16000 bytes',
               '#' * 70000: 'it is too long'}
        for number, (text, words) in enumerate(bad.items(), 1):
            self.write(text)
            self.reload('the list of servers stays as it was', number)
            reasons = [line for line in self.server.errors().splitlines() if 'list of servers stays as it was' in line]
            self.assertIn(words, reasons[-1])  # another reactor's line may stand behind it
        os.unlink(self.file)
        self.reload('No such file or directory; the list of servers stays as it was')
        self.said(b'config get cluster\r\n', config(told(7)))

    def test_bad_file_at_the_start(self):
        """One line says what is wrong."""
        for text, words in (('cache1:1', 'write it as NAME|ADDRESS|PORT'), (None, 'No such file or directory')):
            path = self.file if text else self.file + '.none'
            if text:
                self.write(text)
            done = subprocess.run([*server.Server.own_command(1, ['-o', 'nodes=' + path], None), '-p', '0'],
                                  capture_output=True, text=True, timeout=server.TIMEOUT_S, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stderr.count('\n'), 1)

    def test_the_longest_list(self):
        """Behind a request that waits for another reactor, too."""
        servers = ['10.0.%d.%d:%d' % (n // 250, n % 250, 1000 + n) for n in range(450)]
        self.begin('7\n' + '\n'.join(servers))
        body = told(7, b' '.join(b'%s|%s|%s' % (a, a, p) for a, p in (one.encode().split(b':') for one in servers)) + b'\n')
        wanted = b'VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\nx\r\nVALUE c 0 1\r\nx\r\nEND\r\n'
        self.said(b'set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nset c 0 0 1\r\nx\r\n', b'STORED\r\n' * 3)
        self.said(b'get a b c\r\nconfig get cluster\r\n' * 20, (wanted + config(body)) * 20)

    def test_stats(self):
        self.begin()
        self.said(b'stats cluster\r\n', b'STAT file %s\r\nSTAT version 7\r\nSTAT nodes 3\r\n' % self.file.encode()
                  + b'STAT node:0 127.0.0.1|127.0.0.1|11211\r\nSTAT node:1 127.0.0.1|127.0.0.1|11212\r\n'
                  + b'STAT node:2 cache3.example|10.0.0.3|11211\r\nEND\r\n')

    def test_udp(self):
        port = server.free_port()
        self.begin(flags=['-U', str(port)])
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(server.TIMEOUT_S)
            client.sendto(b'\0\1\0\0\0\1\0\0config get cluster\r\n', ('127.0.0.1', port))
            self.assertEqual(client.recv(65536), b'\0\1\0\0\0\1\0\0' + config(told(7)))


if __name__ == '__main__':
    server.main()
