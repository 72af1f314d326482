"""Clients that watch: what each command tells, in memcached 1.6.45's lines, on any number of cores;
and that one who does not read keeps nobody waiting."""
import re
import struct
import tempfile
import time
import unittest

import server
from binary import request

CORES = 1, 2, 5
WAIT_S = server.TIMEOUT_S
LINE = re.compile(rb'ts=(\d+)\.(\d{6}) gid=(\d+) (type=.*)\n\Z')
BIG = b'x' * (2 << 20)
LONG = b'y' * 50000  # received where it will stay
GET, SET, ADD, DELETE, INCR, APPEND, TOUCH, GAT = 0, 1, 2, 4, 5, 14, 28, 29


def fetched(status='not_found', size=0):
    return 'type=item_get key=K status=%s clsid=%d cfd=C size=%d' % (status, status == 'found', size)


def stored(cmd, size, ttl='0', status='stored'):
    return 'type=item_store key=K status=%s cmd=%s ttl=%s clsid=1 cfd=C size=%d' % (status, cmd, ttl, size)


def refused(cmd, status='too_large'):
    return 'type=item_store key=K status=%s cmd=%s ttl=0 clsid=0 cfd=C size=0' % (status, cmd)


def deleted(cmd, size):
    return 'type=deleted key=K cmd=%s clsid=1 size=%d' % (cmd, size)


MISS, FOUND = fetched(), fetched('found', 3)
THERE = b'set K 0 0 3\r\nabc\r\n'
NUMBER = b'set K 0 0 3\r\n100\r\n'

# What is done before somebody watches, a command, and what it tells.
TEXT = [
    (b'', b'get K\r\n', [MISS]),
    (THERE, b'get K\r\n', [FOUND]),
    (THERE, b'gets K\r\n', [FOUND]),
    (b'set K 0 -1 1\r\nx\r\n', b'get K\r\n', [fetched('expired')]),
    (THERE, b'gat 100 K\r\n', [FOUND]),
    (b'', b'gats 100 K\r\n', [MISS]),
    (THERE, b'touch K 100\r\n', [FOUND]),
    (b'', b'touch K 100\r\n', [MISS]),
    (b'', b'set K 5 0 3\r\nabc\r\n', [MISS, stored('set', 3)]),
    (THERE, b'set K 5 1000 4\r\nabcd\r\n', [FOUND, stored('set', 4, '1000')]),
    (b'', b'set K 5 0 0\r\n\r\n', [MISS, stored('set', 0)]),
    (b'', b'set K 5 -1 1\r\nx\r\n', [MISS, stored('set', 1, '4294967295')]),
    (b'', b'set K 5 2592001 1\r\nx\r\n', [MISS, stored('set', 1, '4294967295')]),
    (b'', b'set K 5 0 3 noreply\r\nabc\r\n', [MISS, stored('set', 3)]),
    (b'', b'set K 5 0 %d\r\n%s\r\n' % (len(LONG), LONG), [MISS, stored('set', len(LONG))]),
    (b'', b'add K 5 0 3\r\nabc\r\n', [MISS, stored('add', 3)]),
    (THERE, b'add K 5 0 2\r\nab\r\n', [FOUND, stored('add', 2, status='not_stored')]),
    (THERE, b'replace K 5 0 2\r\nab\r\n', [FOUND, stored('replace', 2)]),
    (b'', b'replace K 5 0 2\r\nab\r\n', [MISS, stored('replace', 2, status='not_stored')]),
    (THERE, b'append K 5 0 2\r\nde\r\n', [FOUND, stored('append', 5)]),
    (b'set K 0 1000 1\r\nx\r\n', b'append K 5 0 2\r\nde\r\n',
     [fetched('found', 1), stored('append', 3, '~1000')]),
    (THERE, b'append K 5 0 %d\r\n%s\r\n' % (len(LONG), LONG), [FOUND, stored('append', 3 + len(LONG))]),
    (b'', b'append K 5 0 2\r\nde\r\n', [MISS, stored('append', 2, status='not_stored')]),
    (THERE, b'prepend K 5 0 2\r\nde\r\n', [FOUND, stored('prepend', 5)]),
    (b'', b'prepend K 5 0 2\r\nde\r\n', [MISS, stored('prepend', 2, status='not_stored')]),
    (THERE, b'cas K 5 0 2 1\r\nde\r\n', [FOUND, stored('cas', 2, status='exists')]),
    (b'', b'cas K 5 0 2 1\r\nde\r\n', [MISS, stored('cas', 2, status='not_found')]),
    (THERE, b'set K 5 6 %d\r\n%s\r\n' % (len(BIG), BIG), [refused('set'), FOUND]),
    (THERE, b'add K 5 6 %d\r\n%s\r\n' % (len(BIG), BIG), [refused('add')]),
    (THERE, b'cas K 5 6 %d 1\r\n%s\r\n' % (len(BIG), BIG), [refused('cas')]),
    (b'', b'set K 0 0 1\r\n123\r\n', []),
    (NUMBER, b'incr K 1\r\n', [FOUND]),
    (NUMBER, b'decr K 1\r\n', [FOUND]),
    (b'', b'incr K 1\r\n', [MISS]),
    (THERE, b'incr K 1\r\n', [FOUND]),
    (THERE, b'delete K\r\n', [FOUND, deleted('delete', 3)]),
    (b'', b'delete K\r\n', [MISS]),
]
META = [
    (THERE, b'mg K v\r\n', [FOUND]),
    (THERE, b'mg K\r\n', [FOUND]),
    (b'', b'mg K\r\n', [MISS]),
    (b'', b'mg K N30\r\n', [MISS]),
    (THERE, b'me K\r\n', [FOUND]),
    (b'', b'ms K 2\r\nhi\r\n', [MISS, stored('set', 2)]),
    (b'', b'ms K 2 ME\r\nhi\r\n', [MISS, stored('add', 2)]),
    (THERE, b'ms K 2 ME\r\nhi\r\n', [FOUND, stored('add', 2, status='not_stored')]),
    (THERE, b'ms K 2 MA\r\nhi\r\n', [FOUND, stored('append', 5)]),
    (THERE, b'ms K 2 MP\r\nhi\r\n', [FOUND, stored('prepend', 5)]),
    (b'', b'ms K 2 MA N1000\r\nhi\r\n', [MISS, stored('append', 2, '1000')]),
    (THERE, b'ms K 2 MR T1000\r\nhi\r\n', [FOUND, stored('replace', 2, '1000')]),
    (THERE, b'ms K 2 C1\r\nhi\r\n', [FOUND, stored('cas', 2, status='exists')]),
    (b'', b'ms K %d ME\r\n%s\r\n' % (len(BIG), BIG), [refused('add'), MISS]),
    (NUMBER, b'ma K\r\n', [FOUND]),
    (b'', b'ma K\r\n', [MISS]),
    (NUMBER, b'ma K N0\r\n', [FOUND]),
    (b'', b'ma K N1000 J42\r\n', [MISS, MISS, stored('add', 2, '1000')]),
    (THERE, b'md K\r\n', [FOUND, deleted('md', 3)]),
    (b'', b'md K\r\n', [MISS]),
    (THERE, b'md K C1\r\n', [FOUND]),
    (THERE, b'md K I\r\n', [FOUND]),
    (THERE, b'md K x\r\n', [FOUND, FOUND, stored('set', 0), deleted('md', 0)]),
    (THERE, b'md K x T1000 I\r\n', [FOUND, FOUND, stored('set', 0, '1000')]),
    (b'', b'md K x\r\n', [MISS]),
]
FLAGS = struct.pack('>II', 0, 1000)
DELTA = struct.pack('>QQI', 1, 42, 1000)
NOTHING_MADE = struct.pack('>QQI', 1, 42, 0xffffffff)
BINARY = [
    (THERE, request(GET, b'K'), [FOUND]),
    (b'', request(GET, b'K'), [MISS]),
    (b'', request(SET, b'K', FLAGS, b'abcd'), [MISS, stored('set', 4, '1000')]),
    (THERE, request(SET, b'K', FLAGS, b'abcd', cas=b'\0\0\0\0\0\0\0\1'), [FOUND, stored('cas', 4, '1000', 'exists')]),
    (THERE, request(ADD, b'K', FLAGS, b'abcd'), [FOUND, stored('add', 4, '1000', 'not_stored')]),
    (THERE, request(APPEND, b'K', b'', b'de'), [FOUND, stored('append', 5)]),
    (THERE, request(DELETE, b'K'), [FOUND]),
    (NUMBER, request(INCR, b'K', DELTA), [FOUND]),
    (b'', request(INCR, b'K', DELTA), [MISS, MISS, stored('add', 2, '1000')]),
    (b'', request(INCR, b'K', NOTHING_MADE), [MISS]),
    (THERE, request(TOUCH, b'K', b'\0\0\0\x09'), [FOUND]),
    (THERE, request(GAT, b'K', b'\0\0\0\x09'), [FOUND]),
    (THERE, request(SET, b'K', FLAGS, BIG), [refused('set'), FOUND]),
    (THERE, request(ADD, b'K', FLAGS, BIG), [refused('add')]),
]
NO_KEY = b'mn\r\nversion\r\nverbosity 0\r\nstats\r\nnosuch\r\nflush_all 1000\r\n'


def name(case, number):
    return b'k%c%03d' % (case, number)


def of_key(data, key):
    """The case's bytes with its key, also where they tell the key's length."""
    if data[:1] != b'\x80':
        return data.replace(b' K', b' ' + key)
    longer = struct.unpack('>I', data[8:12])[0] + len(key) - 1
    head = data[:2] + struct.pack('>H', len(key)) + data[4:8] + struct.pack('>I', longer) + data[12:24]
    extras = data[4]
    return head + data[24:24 + extras] + key + data[25 + extras:]


class Watcher:
    """A connection that watches."""

    def __init__(self, under_test, streams=b'', **options):
        self.client = under_test.connect(**options)
        self.answer = self.client.ask(b'watch%s\r\n' % (b' ' + streams if streams else b''))
        self.gids = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def line(self):
        """The next one without time and number."""
        line = self.client.read_line()
        found = LINE.match(line)
        if not found:
            raise AssertionError('no line of a watcher: %r' % line)
        if abs(int(found[1]) - time.time()) > 120:
            raise AssertionError('not of now: %r' % line)
        self.gids.append(int(found[3]))
        return found[4].decode()

    def line_of_port(self, port):
        """The next one about the client with that port; others' ends may come late."""
        there = ' rport=%d ' % port
        while there not in (line := self.line()):
            pass
        return line

    def line_of(self, client):
        return self.line_of_port(client.socket.getsockname()[1])

    def lines(self, count):
        return [self.line() for _ in range(count)]


class WatchTest(server.ServerTest):
    def watch(self, under_test, streams=b'', **options):
        watcher = Watcher(under_test, streams, **options)
        self.addCleanup(watcher.client.close)
        self.assertEqual(watcher.answer, b'OK\r\n')
        return watcher

    def watch_in_time(self, under_test, streams):
        """The same where who is idle for a second is closed: a busy machine may take longer until the command is there."""
        found = []

        def watches():
            watcher = Watcher(under_test, streams)
            self.addCleanup(watcher.client.close)
            found.append(watcher)
            return watcher.answer == b'OK\r\n'
        self.wait(watches, 'nobody watches')
        return found[-1]

    def asks_in_time(self, under_test, command, wanted):
        """Likewise."""
        def asks():
            with under_test.connect() as client:
                return client.ask(command) == wanted
        self.wait(asks, command)

    def wait(self, holds, what):
        deadline = time.monotonic() + WAIT_S
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)

    def number(self, under_test, which):
        return int(under_test.stat(which))


def connection_number(client):
    """That of the client's connection, by `stats conns`."""
    mine = 'addr tcp:127.0.0.1:%d' % client.socket.getsockname()[1]
    client.send(b'stats conns\r\n')
    number = None
    while (line := client.read_line().decode().rstrip()) != 'END':
        if line.split(':', 1)[1] == mine:
            number = line.split()[1].split(':')[0]
    return number


@unittest.skipIf(server.ORIGINAL, 'an older memcached has other lines')
class Commands(WatchTest):
    """What each command tells: its lines, in order; and that there are no others."""

    def setup(self, under_test, cases, letter):
        with under_test.connect() as client:
            for number, (before, _, _) in enumerate(cases):
                if before:
                    self.assertEqual(client.ask(of_key(before, name(letter, number))), b'STORED\r\n')

    def told(self, cases, letter, client_number):
        """What is expected, by key."""
        return {name(letter, number).decode():
                [line.replace('K', name(letter, number).decode()).replace('=C', '=' + client_number)
                 for line in lines] for number, (_, _, lines) in enumerate(cases) if lines}

    def check(self, cores, cases, letter):
        under_test = self.start(cores=cores, flags=('-o', 'worker_logbuf_size=1024'))
        self.setup(under_test, cases, letter)
        watcher = self.watch(under_test, b'fetchers mutations deletions')
        with under_test.connect() as client, under_test.connect() as other:
            number = connection_number(client) if letter != ord('b') else None
            for which, (_, command, _) in enumerate(cases):
                client.send(of_key(command, name(letter, which)))
            expected = sum(len(lines) for _, _, lines in cases)
            found = {}
            for line in watcher.lines(expected):
                key = re.search(r'key=(\S+)', line)[1]
                number = number or re.search(r'cfd=(\d+)', line)[1]
                found.setdefault(key, []).append(re.sub(r'ttl=(9\d\d|1000) clsid=1 (\S+ size=3)$',
                                                        r'ttl=~1000 clsid=1 \2', line))
            self.maxDiff = None
            told = self.told(cases, letter, number)
            for key, lines in told.items():
                if any('status=too_large' in line for line in lines):  # which the client's reactor tells, not the key's
                    lines.sort()
                    found.get(key, []).sort()
            self.assertEqual(found, told)
            other.send(NO_KEY)
            client.close()
        self.assertEqual(self.number(under_test, 'log_worker_written'), expected)
        self.assertEqual(self.number(under_test, 'log_worker_dropped'), 0)
        self.assertEqual(len(set(watcher.gids)), expected)

    def test_text(self):
        for cores in CORES:
            self.check(cores, TEXT, ord('t'))

    def test_meta(self):
        for cores in CORES:
            self.check(cores, META, ord('m'))

    def test_binary(self):
        for cores in CORES:
            self.check(cores, BINARY, ord('b'))

    def test_flushed(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                client.ask(b'set key 0 0 1\r\nx\r\n')
                client.ask(b'flush_all\r\n')
                watcher = self.watch(under_test)
                for status in 'flushed', 'not_found':
                    self.assertEqual(client.ask(b'get key\r\n'), b'END\r\n')
                    self.assertIn(' status=%s ' % status, watcher.line())

    def test_keys_are_encoded(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            watcher = self.watch(under_test)
            longest = bytes(range(0x80, 0x100)) + b'"' * 122
            keys = [b'aZ09-_.~', b'\xff%/"\x01', longest]
            with under_test.connect() as client:
                for key in keys:
                    client.ask(b'get %s\r\n' % key)
                    expected = ''.join(chr(c) if re.match(rb'[A-Za-z0-9._~-]', bytes([c]))
                                       else '%%%02X' % c for c in key)
                    self.assertIn(' key=%s status=' % expected, watcher.line())
                client.ask(b'mg AAEC b v\r\n')
                self.assertIn(' key=%00%01%02 status=', watcher.line())

    def test_many_keys(self):
        """A get of many keys tells of each once, whosever they are; so do two who watch."""
        for cores in CORES:
            under_test = self.start(cores=cores, flags=('-o', 'worker_logbuf_size=1024'))
            first, second = self.watch(under_test), self.watch(under_test, b'mutations f')
            with under_test.connect() as client:
                client.send(b'get %s\r\n' % b' '.join(b'key%d' % n for n in range(500)))
                told = first.lines(500)
                self.assertEqual(sorted(told), sorted(second.lines(500)))
                self.assertEqual(len(set(told)), 500)
                self.assertEqual(sorted(first.gids), list(range(1, 501)))
                self.assertEqual(sorted(second.gids), sorted(first.gids))


    def test_again(self):
        """Who comes after the last one has gone gets all lines, on whichever reactor both are, however
        many there were before."""
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                for count in (40, 1, 60, 3):
                    keys = [b'key%d' % n for n in range(count)]
                    with Watcher(under_test) as watcher:
                        self.assertEqual(watcher.answer, b'OK\r\n')
                        client.ask(b'get %s\r\n' % b' '.join(keys))
                        self.assertEqual(len(set(watcher.lines(count))), count)
                    self.wait(lambda: self.number(under_test, 'log_watchers') == 0, 'one stays')


class Rules(WatchTest):
    def test_words(self):
        under_test = self.start(cores=2)
        for words in (b'', b'f', b'fetchers', b'mut del', b'evictions connevents sysevents',
                      b'rawcmds', b'proxyreqs proxyevents proxyuser', b'p', b'r'):
            with Watcher(under_test, words) as watcher:
                self.assertEqual(watcher.answer, b'OK\r\n', words)
            self.wait(lambda: self.number(under_test, 'log_watchers') == 0, 'one stays')
        with under_test.connect() as client:
            for words in (b'nosuch', b'noreply', b'fetchers noreply', b'Fetchers', b'fetchersx', b'all'):
                self.assertEqual(client.ask(b'watch %s\r\n' % words), b'ERROR\r\n', words)
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')

    def test_limit(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            watchers = [self.watch(under_test) for _ in range(20)]
            with under_test.connect() as client:
                for _ in range(2):
                    self.assertEqual(client.ask(b'watch\r\n'),
                                     b'WATCHER_TOO_MANY log watcher limit reached\r\n')
                self.assertEqual(client.ask(b'get a\r\n'), b'END\r\n')
                for watcher in watchers:
                    self.assertIn('key=a status=not_found', watcher.line())
                self.assertEqual(under_test.stat('log_watchers'), '20')
                watchers[7].client.close()
                self.wait(lambda: client.ask(b'watch\r\n') == b'OK\r\n', 'no place is free')

    @unittest.skipIf(server.ORIGINAL, 'one of an older version answers both')
    def test_pipelined(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as client:
                client.send(b'mn\r\nwatch\r\nmn\r\n')
                self.assertEqual(client.read_line(), b'MN\r\n')
                self.assertEqual(client.read_line(),
                                 b'ERROR cannot pipeline other commands before watch\r\n')
                self.assertEqual(client.read_line(), b'MN\r\n')

    def test_input_is_dropped(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            with under_test.connect() as watcher, under_test.connect() as client:
                watcher.send(b'watch\r\nget a\r\nquit\r\n')
                self.assertEqual(watcher.read_line(), b'OK\r\n')
                watcher.send(b'get b\r\nquit\r\nset c 0 0 100000\r\n' + b'x' * 100002)
                client.ask(b'get d\r\n')
                self.assertIn(b'key=d status=not_found', watcher.read_line())
                client.send(b'stats conns\r\n')
                states = []
                while (line := client.read_line()) != b'END\r\n':
                    states += [line.split()[2]] if b':state ' in line else []
                self.assertEqual(states.count(b'conn_watch'), 1)
                watcher.end_input()
                self.assertEqual(watcher.read_all(), b'')
                self.wait(lambda: under_test.stat('log_watchers') == '0', 'it stays')

    def test_settings(self):
        under_test = self.start(flags=('-o', 'watcher_logbuf_size=2,worker_logbuf_size=3'))
        with under_test.connect() as client:
            client.send(b'stats settings\r\n')
            found = dict(line.split()[1:3] for line in iter(client.read_line, b'END\r\n')
                         if len(line.split()) > 2)
        self.assertEqual([found[b'watcher_logbuf_size'], found[b'worker_logbuf_size']], [b'2048', b'3072'])


@unittest.skipIf(server.ORIGINAL, 'an older memcached has other lines')
class Events(WatchTest):
    def test_evictions(self):
        for cores in CORES:
            under_test = self.start(cores=cores, flags=(
                '-m', str(8 * cores), '-o', 'worker_logbuf_size=4096,watcher_logbuf_size=65536'))
            watcher = self.watch(under_test, b'evictions')
            with under_test.connect() as client:
                at = 0
                while self.number(under_test, 'evictions') < 100:
                    client.send(b''.join(b'set e%d 0 %d 5000 noreply\r\n%s\r\n' %
                                         (n, n % 2 * 1000, b'v' * 5000) for n in range(at, at + 200)))
                    client.ask(b'mn\r\n')
                    at += 200
            evicted = self.number(under_test, 'evictions')
            keys = set()
            for line in watcher.lines(evicted):
                self.assertRegex(line, r'\Atype=eviction key=e\d+ fetch=no ttl=(-1|\d+) la=\d+ '
                                       r'clsid=1 size=5000\Z')
                key, ttl = re.search(r'key=e(\d+) .* ttl=(-?\d+)', line).groups()
                self.assertEqual(ttl == '-1', int(key) % 2 == 0, line)
                keys.add(key)
            self.assertEqual(len(keys), evicted)

    def ends(self, under_test, **options):
        """Connections that end, and how that is told."""
        def quits(client):
            client.send(b'quit\r\n')
            client.read_all()

        def browses(client):
            client.send(b'GET / HTTP/1.1\r\n\r\n')
            client.read_all()
        for end, reason in ((quits, 'normal'), (lambda client: client.close(), 'normal'),
                            (browses, 'error'), (lambda client: client.reset(), 'error')):
            client = under_test.connect(**options)
            client.ask(b'mn\r\n')
            yield client, reason, end
            client.close()

    def test_connections(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            watcher = self.watch(under_test, b'connevents')
            for client, reason, end in self.ends(under_test):
                where = 'rip=127.0.0.1 rport=%d transport=tcp' % client.socket.getsockname()[1]
                new = re.fullmatch(r'type=conn_new %s cfd=(\d+)' % where, watcher.line_of(client))
                self.assertTrue(new)
                there = client.socket.getsockname()[1]
                end(client)
                self.assertEqual(watcher.line_of_port(there), 'type=conn_close %s reason=%s cfd=%s' % (where, reason, new[1]))
            other = self.watch(under_test, b'connevents')
            there = other.client.socket.getsockname()[1]
            self.assertIn('type=conn_new', watcher.line_of_port(there))
            other.client.close()
            self.assertIn('reason=error', watcher.line_of_port(there))

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + '/socket'
            under_test = self.start(cores=2, flags=('-s', path))
            watcher = self.watch(under_test, b'connevents', host=path)
            with under_test.connect(host=path) as client:
                client.ask(b'mn\r\n')
                new = re.fullmatch(r'type=conn_new rip=unix rport=0 transport=local cfd=(\d+)', watcher.line_of_port(0))
                self.assertTrue(new)
            self.assertEqual(watcher.line_of_port(0), 'type=conn_close rip=unix rport=0 transport=local reason=normal '
                                                     'cfd=%s' % new[1])

    def test_idle(self):
        under_test = self.start(cores=2, flags=('-o', 'idle_timeout=1'))
        watcher = self.watch_in_time(under_test, b'connevents')
        with under_test.connect() as client:
            self.assertEqual(client.read_all(), b'')
            self.assertIn('type=conn_new', watcher.line_of(client))
            self.assertIn('reason=idle_timeout', watcher.line_of(client))

    def test_a_watcher_is_not_idle(self):
        """It has nothing to send, and outlives clients that are closed for that."""
        under_test = self.start(cores=2, flags=('-o', 'idle_timeout=1'))
        watchers = [self.watch_in_time(under_test, b'deletions') for _ in range(4)]
        for _ in range(2):
            with under_test.connect() as client:
                self.assertEqual(client.read_all(), b'')
        self.wait(lambda: int(under_test.stat('idle_kicks') or 0) >= 2, 'they are not counted')
        self.asks_in_time(under_test, b'set key 0 0 1\r\nx\r\n', b'STORED\r\n')
        self.asks_in_time(under_test, b'delete key\r\n', b'DELETED\r\n')
        for watcher in watchers:
            self.assertEqual(watcher.line(), 'type=deleted key=key cmd=delete clsid=1 size=1')

    def test_crawler(self):
        for cores in CORES:
            under_test = self.start(cores=cores)
            watcher = self.watch(under_test, b'sysevents')
            with under_test.connect() as client:
                client.send(b''.join(b'set k%d 0 %d 1 noreply\r\nx\r\n' % (n, -(n % 2)) for n in range(100)))
                self.assertEqual(client.ask(b'lru_crawler crawl all\r\n'), b'OK\r\n')
            examined = reclaimed = 0
            for line in watcher.lines(cores):
                found = re.fullmatch(
                    r'type=lru_crawler crawler=1 lru=hot low_mark=0 next_reclaims=\d+ since_run=0 '
                    r'next_run=1 elapsed=\d+ examined=(\d+) reclaimed=(\d+)', line)
                self.assertTrue(found, line)
                examined, reclaimed = examined + int(found[1]), reclaimed + int(found[2])
            self.assertEqual((examined, reclaimed), (100, 50))

    def test_no_memory(self):
        under_test = self.start(flags=('-m', '8', '-M'))
        watcher = self.watch(under_test, b'mutations')
        with under_test.connect() as client:
            number = 0
            while client.ask(b'add k%d 0 0 2000\r\n%s\r\n' % (number, b'x' * 2000)) == b'STORED\r\n':
                self.assertIn('status=stored', watcher.line())
                number += 1
            self.assertRegex(watcher.line(), r'key=k%d status=no_memory cmd=add ttl=0 clsid=0 '
                                             r'cfd=\d+ size=0' % number)


class Slow(WatchTest):
    """Watchers that don't read."""

    @unittest.skipIf(server.ORIGINAL, 'it drops others')
    def test_lost_lines_are_told(self):
        for cores in CORES:
            under_test = self.start(cores=cores, flags=('-o', 'watcher_logbuf_size=16'))
            deaf = self.watch(under_test, b'fetchers mutations', receive_buffer=4096)
            self.watch(under_test, b'mutations', receive_buffer=4096).client.reset()
            with under_test.connect() as client:
                deadline = time.monotonic() + 2 * WAIT_S
                while self.number(under_test, 'log_watcher_skipped') < 2000:
                    self.assertLess(time.monotonic(), deadline)
                    client.send(b''.join(b'get k%d\r\n' % n for n in range(500)) + b'mn\r\n')
                    while client.read_line() != b'MN\r\n':
                        pass
                self.assertLess(self.number(under_test, 'buffer_bytes'), 2 << 20)
                self.read_on(under_test, deaf.client, client)

    def read_on(self, under_test, deaf, client):
        """All that were written are read, or told as skipped."""
        received = skipped = 0
        client.ask(b'get the_end\r\n')
        while True:
            line = deaf.read_line()
            if line.startswith(b'skipped='):
                skipped += int(line[8:])
                continue
            self.assertTrue(LINE.match(line), line)
            received += 1
            if b'key=the_end' in line:
                break
            if received % 50 == 0:
                client.ask(b'get the_end\r\n')
        self.assertGreater(skipped, 0)
        told = self.number(under_test, 'log_watcher_sent')
        self.assertLessEqual(received, told)
        self.assertLessEqual(skipped, self.number(under_test, 'log_watcher_skipped'))


@unittest.skipIf(server.ORIGINAL, 'flags of ours')
class Users(WatchTest):
    def test_login_comes_first(self):
        with tempfile.NamedTemporaryFile() as users:
            users.write(b'user:secret\n')
            users.flush()
            under_test = self.start(flags=('-Y', users.name), wait=False)
            self.wait(lambda: self.answers(under_test), 'it does not start')
            with under_test.connect() as client:
                self.assertEqual(client.ask(b'watch\r\n'), b'CLIENT_ERROR unauthenticated\r\n')
                self.assertEqual(client.ask(b'set x 0 0 11\r\nuser secret\r\n'), b'STORED\r\n')
                self.assertEqual(client.ask(b'watch\r\n'), b'OK\r\n')

    def answers(self, under_test):
        try:
            with under_test.connect():
                return True
        except OSError:
            return False


if __name__ == '__main__':
    server.main()
