"""Scripted exchanges, byte for byte, whatever the fragments and the number of shards.

Each exchange runs on 1, 2 and 5 shards, sent whole and in fragments of 100, 10, 5, 2 and 1 bytes;
the expected bytes stand in the tables (exchanges_*.py), so all these runs are identical. They come
from memcached's protocol.txt and from asking memcached 1.6.45, against which they can be checked
(SIMPLECACHE_COMMAND); where we answer otherwise on purpose an exchange says what it answers.

In the expected bytes <casNAME> stands for the digits of a CAS value, and in binary replies <CAS...>
for its eight bytes; what was read there replaces the same mark in all that follows. <secN> stands
for N seconds to go, of which a few may have passed, and <age> for those few.
"""
import re
import struct
import time
import unittest

import exchanges_admin  # noqa: F401  these fill EXCHANGES
import exchanges_binary  # noqa: F401
import exchanges_meta  # noqa: F401
import exchanges_numbers  # noqa: F401
import exchanges_text  # noqa: F401
import exchanges_thirty  # noqa: F401
import server
from binary import FOREVER, NOOP, SET, STAT, VERSION, reply, request
from exchanges import EXCHANGES, UNASKED

SHARDS = (1, 2, 5)
MARK = re.compile(rb'(<CAS...>)|<cas[a-z]*>|<sec([0-9]+)>|<age>', re.DOTALL)
PASSED_MAX_S = 25  # while an exchange is played


def substitute(data, known):
    """Puts what was read for a mark into its place."""
    for mark, value in known.items():
        data = data.replace(mark, value)
    return data


def pattern(expected, known):
    """The regular expression for a step's reply, with one group for each mark not known yet."""
    marks, parts, position = [], [], 0
    for match in MARK.finditer(expected):
        mark = match[0]
        parts.append(re.escape(expected[position:match.start()]))
        position = match.end()
        if match[2]:
            parts.append(seconds(range(int(match[2]), max(int(match[2]) - PASSED_MAX_S, 0) - 1, -1)))
        elif mark == b'<age>':
            parts.append(seconds(range(PASSED_MAX_S + 1)))
        elif mark in known:
            parts.append(re.escape(known[mark]))
        elif mark in marks:
            parts.append(b'\\%d' % (marks.index(mark) + 1))
        else:
            marks.append(mark)
            parts.append(b'(.{8})' if match[1] else b'([0-9]+)')
    parts.append(re.escape(expected[position:]))
    return re.compile(b''.join(parts), re.DOTALL), marks


def seconds(numbers):
    """The regular expression for one of these numbers."""
    return b'(?:' + b'|'.join(b'%d' % n for n in numbers) + b')'


def brief(data):
    """Data as a failure shows it."""
    return repr(bytes(data) if len(data) < 600
                else bytes(data[:300]) + b' ... ' + bytes(data[-100:]))


class Player:
    """Plays one exchange on one connection."""

    def __init__(self, test, client, where):
        self.test, self.client, self.where = test, client, where
        self.known = {}

    def step(self, sent, expected, fragment):
        try:
            self.client.send(substitute(sent, self.known), fragment)
        except ConnectionError:
            pass  # the server may close before it has everything; the reply tells
        wanted, marks = pattern(expected, self.known)
        received = self.client.buffer
        while not (match := wanted.match(received)):
            if not self.arrives():
                self.test.fail('%s: after %s\n expected %s\n received %s'
                               % (self.where, brief(sent), brief(expected), brief(received)))
        self.known.update(zip(marks, match.groups()))
        del received[:match.end()]

    def arrives(self):
        try:
            return self.client.fill()
        except TimeoutError:
            return False

    def end(self, rest=b''):
        """The stream must end without further bytes."""
        try:
            received = self.client.read_all()
        except TimeoutError:
            self.test.fail('%s: the server does not close' % self.where)
        if received != rest:
            self.test.fail('%s: unexpected %s' % (self.where, brief(received)))


class Transcripts(unittest.TestCase):
    """One case per exchange; made below."""

    @classmethod
    def setUpClass(cls):
        cls.servers = {}
        for shards in SHARDS:
            cls.servers[shards] = server.Server(cores=shards)
            cls.addClassCleanup(cls.servers[shards].stop)

    def play(self, steps, closes, open_end, shards, fragment):
        under_test = self.servers[shards]
        with under_test.connect() as other:
            self.assertEqual(other.ask(b'flush_all\r\n'), b'OK\r\n')
        with under_test.connect() as client:
            player = Player(self, client, '%d shards, fragments of %s bytes' % (shards, fragment))
            for sent, expected in zip(steps[::2], steps[1::2]):
                player.step(sent, expected, fragment)
            if not closes and not open_end:
                binary = steps[0][:1] == b'\x80'
                player.step(*((request(NOOP), reply(NOOP)) if binary
                              else (b'get sentinel\r\n', b'END\r\n')), None)
            if not closes:
                client.end_input()
            player.end()

    def test_version(self):
        """The version is our own, so only its form is known."""
        for under_test in self.servers.values():
            with under_test.connect() as client:
                self.assertRegex(client.ask(b'version\r\n'),
                                 rb'^VERSION [1-9][0-9]*(\.[0-9]+)+[^\r\n]*\r\n$')
            with under_test.connect() as client:
                client.send(request(VERSION))
                header = client.read(24)
                body = client.read(struct.unpack('>I', header[8:12])[0])
                self.assertEqual(header, reply(VERSION, value=body)[:24])
                self.assertRegex(body, rb'^[1-9][0-9]*(\.[0-9]+)+')

    def test_stats(self):
        """stats is lines of STAT and END, with the names that clients read; its counts add up over
        the shards."""
        names = {'pid', 'uptime', 'time', 'version', 'pointer_size', 'rusage_user', 'rusage_system',
                 'curr_connections', 'total_connections', 'cmd_get', 'cmd_set', 'cmd_flush',
                 'cmd_touch',
                 'get_hits', 'get_misses', 'delete_hits', 'delete_misses', 'incr_hits',
                 'incr_misses',
                 'decr_hits', 'decr_misses', 'cas_hits', 'cas_misses', 'cas_badval', 'touch_hits',
                 'touch_misses', 'bytes_read', 'bytes_written', 'limit_maxbytes', 'threads',
                 'bytes',
                 'curr_items', 'total_items', 'evictions'}
        for shards, under_test in self.servers.items():
            before = self.text_stats(under_test)
            self.assertEqual(names - set(before), set())
            self.assertEqual(int(before['pid']), under_test.pid)
            self.assertEqual(int(before['limit_maxbytes']), 64 << 20)
            self.assertRegex(before['rusage_user'], r'^[0-9]+\.[0-9]{6}$')
            with under_test.connect() as client:
                client.send(b''.join(b'set s%d 0 0 1\r\nx\r\n' % n for n in range(100))
                            + b'get s0 s1 s2 no1\r\n')
                client.end_input()
                client.read_all()
            after = self.text_stats(under_test)
            gained = {name: int(after[name]) - int(before[name])
                      for name in ('cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items')}
            self.assertEqual(gained, {'cmd_set': 100, 'cmd_get': 4, 'get_hits': 3, 'get_misses': 1,
                                      'total_items': 100})

    def text_stats(self, under_test):
        with under_test.connect() as client:
            client.send(b'stats\r\nverbosity 0\r\n')
            stats = {}
            while (line := client.read_line()) != b'END\r\n':
                self.assertRegex(line, rb'^STAT [a-z_0-9]+ [^\r\n]*\r\n$')
                _, name, value = line.decode().rstrip('\r\n').split(' ', 2)
                self.assertNotIn(name, stats)
                stats[name] = value
            self.assertEqual(client.read_line(), b'OK\r\n')
            return stats

    def test_line_30_stats_end_with_an_empty_packet(self):
        """The same names, one packet each, ended by an empty packet."""
        for under_test in self.servers.values():
            expected = set(self.text_stats(under_test))
            with under_test.connect() as client:
                client.send(request(STAT, opaque=b'stat') + request(NOOP))
                names = set()
                while True:
                    header = client.read(24)
                    key_length, body_length = struct.unpack('>2xHxxxxI', header[:12])
                    body = client.read(body_length)
                    self.assertEqual(header, reply(STAT, key=body[:key_length],
                                                   value=body[key_length:], opaque=b'stat')[:24])
                    if not body:
                        break
                    names.add(body[:key_length].decode())
                self.assertEqual(names, expected)
                self.assertEqual(client.read(24), reply(NOOP))

    def test_binary_lengths_that_contradict(self):
        """A key and extras longer than the body: an error (memcached says 0x81), then the end."""
        header = request(SET, b'a', FOREVER, b'1')[:8] + struct.pack('>I', 4) + bytes(12)
        for under_test in self.servers.values():
            with under_test.connect() as client:
                client.send(header + bytes(20))
                answer = client.read_all()
                self.assertIn(answer[:2], (b'\x81\1', b''))
                self.assertIn(answer[6:8], (b'\0\4', b'\0\x81', b''))

    def clients(self):
        """A connection to each server, so that waiting for time to pass is done once."""
        for under_test in self.servers.values():
            client = under_test.connect()
            self.addCleanup(client.close)
            yield client

    def exchange(self, client, sent, wanted):
        client.send(sent)
        self.assertEqual(client.read(len(wanted)), wanted)

    def test_line_18_delayed_flush(self):
        """flush_all N takes items N seconds later, those set meanwhile too, and none set then."""
        clients = list(self.clients())
        for client in clients:
            self.exchange(client, b'set a 0 0 1\r\nx\r\nflush_all 2\r\nset b 0 0 1\r\nx\r\nget a b\r\n',
                          b'STORED\r\nOK\r\nSTORED\r\nVALUE a 0 1\r\nx\r\nVALUE b 0 1\r\nx\r\nEND\r\n')
        for client in clients:
            self.wait_until_gone(client, b'a')
            self.exchange(client, b'get b\r\n', b'END\r\n')
            if server.ORIGINAL:
                time.sleep(1.1)  # memcached takes what is set in the second of the flush
            self.exchange(client, b'set a 0 0 1\r\nx\r\nget a\r\n',
                          b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')

    def test_expiry(self):
        """Items expire when their time has passed."""
        clients = list(self.clients())
        for client in clients:
            self.exchange(client, b'set a 0 1 1\r\nx\r\nset b 0 100 1\r\nx\r\nset c 0 100 1\r\nx\r\ntouch c 1\r\n',
                          b'STORED\r\n' * 3 + b'TOUCHED\r\n')
        for client in clients:
            self.wait_until_gone(client, b'a')
            self.wait_until_gone(client, b'c')
            self.exchange(client, b'get b\r\n', b'VALUE b 0 1\r\nx\r\nEND\r\n')

    def wait_until_gone(self, client, key, limit_s=server.TIMEOUT_S):
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            answer = client.ask(b'get ' + key + b'\r\n')
            if answer == b'END\r\n':
                return
            client.read_line()
            client.read_line()
            time.sleep(0.05)
        self.fail('%r is still there' % key)


def add_case(index, name, steps, memcached, closes, open_end, fragments):
    def case(self):
        if server.ORIGINAL and memcached is UNASKED:
            self.skipTest('memcached has a fault here')
        for shards in SHARDS:
            for fragment in fragments:
                self.play(steps, closes, open_end, shards, fragment)
    if server.ORIGINAL and memcached not in (None, UNASKED):
        steps = steps[:-1] + (memcached,)
    case.__doc__ = name
    setattr(Transcripts, 'test_%03d_%s' % (index, re.sub(r'\W+', '_', name)), case)


for index, (name, steps, memcached, closes, open_end, fragments) in enumerate(EXCHANGES):
    add_case(index, name, steps, memcached, closes, open_end, fragments)

if __name__ == '__main__':
    server.main()
