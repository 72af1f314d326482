"""What -v and -vv write to stderr, and what they never do: values, logins, forged lines, waiting."""
import base64
import os
import pty
import re
import secrets
import select
import time
import unittest

import server
from binary import (ADD, APPEND, DECR, DELETE, DELETEQ, FLUSH, FOREVER, GAT, GET, GETK, GETKQ, GETQ,
                    INCR, NOOP, PREPEND, QUIT, REPLACE, SASL_AUTH, SASL_LIST, SASL_STEP, SET, SETQ,
                    STAT, TOUCH, VERSION, number, request)
from logins import Logins, login, plain
from startup import hide_limit

LINE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\d+|-) (.*)')
LINE_BYTES_MAX = 1280

# Commands, and what the log says of each.
TEXT = (
    (b'set a 0 0 1\r\n7\r\n', 'set a'), (b'add a 0 0 1 noreply\r\nx\r\n', 'add a'),
    (b'replace b 0 0 1\r\nx\r\n', 'replace b'), (b'append a 0 0 1\r\n1\r\n', 'append a'),
    (b'prepend a 0 0 1\r\n2\r\n', 'prepend a'), (b'cas a 0 0 1 9\r\nx\r\n', 'cas a'),
    (b'get a\r\n', 'get a'), (b'gets a\r\n', 'gets a'), (b'get a b  c\r\n', 'get a b  c'),
    (b'get ' + b'k ' * 100 + b'\n', 'get ' + 'k ' * 99 + 'k '), (b'gats 0 a b\r\n', 'gats a b'),
    (b'gat 0 a\r\n', 'gat a'), (b'touch a 0\r\n', 'touch a'), (b'incr a 5\r\n', 'incr a'),
    (b'decr a 5 noreply\r\n', 'decr a'), (b'delete a\r\n', 'delete a'),
    (b'flush_all\r\n', 'flush_all'), (b'flush_prefix a 5\r\n', 'flush_prefix a'), (b'version\r\n', 'version'), (b'stats\r\n', 'stats'),
    (b'stats settings\r\n', 'stats settings'), (b'stats sizes\r\n', 'stats sizes'),
    (b'stats detail on\r\n', 'stats detail on'), (b'stats detail off\r\n', 'stats detail off'),
    (b'lru_crawler mgdump all\r\n', 'lru_crawler mgdump all'),
    (b'lru_crawler crawl 1\r\n', 'lru_crawler crawl 1'),
    (b'lru_crawler disable\r\n', 'lru_crawler disable'),
    (b'lru_crawler enable\r\n', 'lru_crawler enable'),
    (b'lru_crawler sleep 100\r\n', 'lru_crawler sleep'),
    (b'lru_crawler tocrawl 0\r\n', 'lru_crawler tocrawl'),
    (b'cache_memlimit 64\r\n', 'cache_memlimit'),
    (b'slabs automove 0\r\n', 'lru tune or slabs automove'), (b'shutdown\r\n', 'shutdown'),
    (b'verbosity 3\r\n', 'verbosity'), (b'nosuch a\r\n', 'command refused: ERROR'),
    (b'get\r\n', 'command refused: CLIENT_ERROR bad command line format'),
    (b'incr a x noreply\r\n', 'command refused: CLIENT_ERROR invalid numeric delta argument'),
    (b'set a 0 0 2000000\r\n' + bytes(2000002),
     'set a refused: SERVER_ERROR object too large for cache'),
    (b'set a 0 0 50000\r\n', 'set a'),
    (bytes(50002), 'value refused: CLIENT_ERROR bad data chunk'),
    (b'quit\r\n', 'quit'))
META = (
    (b'ms a 1 c\r\n7\r\n', 'ms a'), (b'ms a 1 MA q\r\nx\r\n', 'ms a'), (b'mg a v t\r\n', 'mg a'),
    (b'mg none q\r\n', 'mg none'), (b'ms Zm9v 1 b\r\nx\r\n', 'ms foo'), (b'mg Zm9v b v\r\n', 'mg foo'),
    (b'ma n N0 J5\r\n', 'ma n'), (b'ma n MD\r\n', 'ma n'), (b'me n\r\n', 'me n'),
    (b'md a\r\n', 'md a'), (b'mn\r\n', 'mn'), (b'mg a v v\r\n',
                                               'command refused: CLIENT_ERROR duplicate flag'))
BINARY = (
    (request(SET, b'a', FOREVER, b'7'), 'set a'), (request(SETQ, b'a', FOREVER, b'7'), 'setq a'),
    (request(ADD, b'a', FOREVER, b'7'), 'add a'), (request(REPLACE, b'b', FOREVER), 'replace b'),
    (request(APPEND, b'a', b'', b'1'), 'append a'), (request(PREPEND, b'a', b'', b'2'), 'prepend a'),
    (request(GET, b'a'), 'get a'), (request(GETQ, b'none'), 'getq none'),
    (request(GETK, b'a b'), 'getk a b'), (request(GETKQ, b'\0\n\x7f\xff\\'),
                                          r'getkq \x00\x0a\x7f\xff\x5c'),
    (request(TOUCH, b'a', bytes(4)), 'touch a'), (request(GAT, b'a', bytes(4)), 'gat a'),
    (request(INCR, b'a', number(5)), 'incr a'), (request(DECR, b'a', number(5)), 'decr a'),
    (request(DELETE, b'a'), 'delete a'), (request(DELETEQ, b'a'), 'deleteq a'),
    (request(FLUSH), 'flush'), (request(NOOP), 'noop'), (request(VERSION), 'version'),
    (request(STAT), 'stat'), (request(STAT, b'items'), 'stat items'),
    (request(0x55), 'unknown refused: Unknown command'),
    (request(SET, b'a', FOREVER, bytes(2000000)), 'set a refused: Too large.'),
    (request(QUIT), 'quit'))


@unittest.skipIf(server.ORIGINAL, 'these lines are ours')
class LogTest(server.ServerTest):
    """Servers that write a log."""

    def start(self, **options):
        under_test = super().start(**options)
        under_test.may_talk = True
        return under_test

    def lines(self, under_test):
        """What is in the log, as pairs of number and text; each line must be well-formed."""
        found = []
        for line in under_test.errors().split('\n')[:-1]:
            match = LINE.fullmatch(line)
            self.assertTrue(match, line)
            self.assertLessEqual(len(line), LINE_BYTES_MAX)
            found.append(match.groups())
        return found

    def appears(self, under_test, pattern):
        """Waits for a line, and returns its number."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            for connection, text in self.lines(under_test):
                if re.fullmatch(pattern, text):
                    return connection
            self.assertLess(time.monotonic(), deadline, '%s in %s' % (pattern, under_test.errors()))
            time.sleep(0.02)


class Connections(LogTest):
    """-v: who comes, who goes and why, and what goes wrong."""

    @staticmethod
    def opened(client):
        return r'opened by tcp:127\.0\.0\.1:%d on reactor \d' % client.socket.getsockname()[1]

    def ends(self, under_test, reason, *said, way=lambda client: None):
        """A connection that says something and then ends in some way is told of from its beginning to
        its end, and nothing else is."""
        with under_test.connect() as client:
            opened = self.opened(client)
            number = self.appears(under_test, opened)
            begun = next(n for n, line in enumerate(self.lines(under_test), 1) if re.fullmatch(opened, line[1]))
            for part in said:
                client.send(part)
            way(client)
            self.appears_last(under_test, begun, (number, 'closed: ' + reason))

    def appears_last(self, under_test, begun, wanted):
        deadline = time.monotonic() + server.TIMEOUT_S
        while len(found := self.lines(under_test)) == begun and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(found[begun:], [wanted])

    def test_reasons(self):
        under_test = self.start(cores=2, flags=('-v',))
        self.appears(under_test, 'closed: its client has closed')  # that asked whether it is up
        beyond = 'what came is beyond the protocol'
        self.ends(under_test, 'its client has closed', b'get a\r\n', way=server.Connection.end_input)
        self.ends(under_test, 'it said quit', b'get a\r\nquit\r\n')
        self.ends(under_test, beyond, b'x' * 5000)
        self.ends(under_test, beyond, request(SET, b'a', b'', b'x'))
        self.ends(under_test, beyond, request(GET, b'a'), b'text\r\n' * 4)
        self.ends(under_test, 'Connection reset by peer', way=server.Connection.reset)

    def test_idle(self):
        under_test = self.start(flags=('-v', '-o', 'idle_timeout=1'))
        self.appears(under_test, 'closed: (its client has closed|it was idle)')
        self.ends(under_test, 'it was idle')

    def test_end_of_the_server(self):
        under_test = server.Server(cores=2, flags=('-v',))
        under_test.may_talk = True
        with under_test.connect() as client:
            number = self.appears(under_test, self.opened(client))
            under_test.stop()
            self.assertIn((number, 'closed: the server stops'), self.lines(under_test))

    def test_refused(self):
        under_test = self.start(flags=('-v', '-c', '1'))
        self.appears(under_test, 'closed: its client has closed')
        with under_test.connect() as first, under_test.connect() as second:
            self.appears(under_test, self.opened(first))
            self.appears(under_test, r'refused: 1 connections are open \(-c\)')
            self.assertNotRegex(under_test.errors(), self.opened(second))

    def test_out_of_descriptors(self):
        under_test = self.start(flags=('-v', '-c', '50'), nofile=(35, 35), before=hide_limit)
        clients = [under_test.connect() for _ in range(40)]
        self.appears(under_test, r"can't accept on 127\.0\.0\.1:%d: Too many open files; trying again"
                     % under_test.port)
        for client in clients:
            client.close()

    def test_silent_without(self):
        under_test = super().start(cores=2)
        for ending in (b'quit\r\n', b'x' * 5000):
            with under_test.connect() as client:
                client.send(ending)
                client.read_all()
        under_test.stop()  # which wants nothing on stderr


class Commands(LogTest):
    """-vv: each command once."""

    def told(self, commands, *, cores=1, at_once=True, flags=('-vv', '-o', 'no_conn_moves')):
        under_test = self.start(cores=cores, flags=flags)
        with under_test.connect() as client:
            for sent, _ in commands:
                client.send(sent)
                if not at_once:
                    time.sleep(0.01)
            client.end_input()
            client.read_all()
            peer = r'opened by tcp:127\.0\.0\.1:%d on reactor \d' % client.socket.getsockname()[1]
        told = self.between(under_test, peer)
        self.assertEqual(told, [text for _, text in commands])

    def between(self, under_test, opened):
        """What a connection is told to have done, up to its end."""
        number, told = self.appears(under_test, opened), None
        deadline = time.monotonic() + server.TIMEOUT_S
        while told is None or not told[-1].startswith('closed: '):
            self.assertLess(time.monotonic(), deadline, told)
            lines = iter(self.lines(under_test))
            next(line for line in lines if re.fullmatch(opened, line[1]))
            told = [text for connection, text in lines if connection == number] or None
        return told[:-1]

    def test_each_command(self):
        for commands in (TEXT, META, BINARY):
            for cores in (1, 3):
                for at_once in (True, False):
                    with self.subTest(cores=cores, at_once=at_once, first=commands[0]):
                        self.told(commands, cores=cores, at_once=at_once)

    def test_once_more(self):
        self.told(META, flags=('-vvv', '-o', 'no_conn_moves'))

    def test_commands_that_wait(self):
        """Those that find no room in ring, queue or output are taken up again, and told of once."""
        commands = [(b'get key%d a\r\n' % n, 'get key%d a' % n) for n in range(2000)]
        commands[0:0] = [(b'set a 0 0 1000\r\n%s\r\n' % (b'x' * 1000), 'set a')]
        under_test = self.start(cores=3, ring_capacity=1, flags=('-vv',))
        with under_test.connect() as client:
            client.send(b''.join(sent for sent, _ in commands) + b'mn\r\n')
            client.end_input()
            client.read_all()
            self.appears(under_test, 'mn')
        lines = [text for _, text in self.lines(under_test) if text.startswith(('get', 'set'))]
        self.assertEqual(lines, [text for _, text in commands])

    def test_many_clients(self):
        """Whole lines, whichever reactor writes them."""
        under_test = self.start(cores=3, flags=('-vv',))
        clients = [under_test.connect() for _ in range(12)]
        for place, client in enumerate(clients):
            client.send(b''.join(b'get c%d_%d\r\n' % (place, n) for n in range(1000)))
        for client in clients:
            client.read(5 * 1000)
            client.close()
        told = sorted(text for _, text in self.lines(under_test) if text.startswith('get'))
        self.assertEqual(told, sorted('get c%d_%d' % (place, n) for place in range(12)
                                      for n in range(1000)))

    def test_long_lines_are_cut(self):
        under_test = self.start(flags=('-vv',))
        worst = base64.b64encode(b'\xff' * 180)
        with under_test.connect() as client:
            for keys in (b'k' * 200 + b' ', b'k '):
                client.ask(b'get ' + keys * (100000 // len(keys)) + b'\r\n')
            client.ask(b'mg %s b\r\n' % worst)
            client.send(request(GETKQ, b'\n' * 250))
            client.ask(b'mn\r\n')
        told = [text for _, text in self.lines(under_test) if text.startswith(('get ', 'mg '))]
        self.assertEqual([len(text) for text in told[:2]], [4 + 1000] * 2)
        self.assertTrue(all(text.endswith('...') for text in told[:2]))
        self.assertEqual(told[2:], ['mg ' + r'\xff' * 180])

    def test_verbosity(self):
        """The command changes it while the server runs, for every reactor."""
        under_test = self.start(cores=2)
        with under_test.connect() as client, under_test.connect() as other:
            for level, is_told in ((b'2', True), (b'1', False), (b'3', True), (b'0', False)):
                self.assertEqual(client.ask(b'verbosity %s\r\n' % level), b'OK\r\n')
                for one in (client, other):
                    self.assertEqual(one.ask(b'get at_%s\r\n' % level), b'END\r\n')
                told = [text for _, text in self.lines(under_test)]
                self.assertEqual(told.count('get at_%s' % level.decode()), 2 if is_told else 0)
        under_test.stop()
        self.assertNotIn('closed', under_test.errors())


class Secrets(Logins, LogTest):
    """Values and logins are nobody's business."""

    def setUp(self):
        super().setUp()
        self.secret = secrets.token_hex(8)

    def hides(self, under_test, *hidden):
        """Once all connections have come to their end."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while (log := under_test.errors()).count(' opened by ') > log.count(' closed: '):
            self.assertLess(time.monotonic(), deadline, log)
            time.sleep(0.02)
        self.lines(under_test)
        for text in hidden:
            self.assertNotIn(text, log)
            self.assertNotIn(base64.b64encode(text.encode()).decode(), log)

    def test_values(self):
        secret = self.secret.encode()
        digits = b'%d' % (secrets.randbits(63) | 1 << 62)
        size = len(secret)
        stored = b'%%s k 0 0 %d%%s\r\n%s\r\n' % (size, secret)
        said = b''.join(stored % (verb, more) for verb in (b'set', b'add', b'replace', b'append',
                                                            b'prepend')
                        for more in (b'', b' noreply')) + stored % (b'cas', b' 1')
        said += b'set n 0 0 %d\r\n%s\r\nincr n 0\r\nma n v\r\nget n k\r\n' % (len(digits), digits)
        said += b'ms k %d c\r\n%s\r\nmg k v\r\n' % (size, secret)
        said += b'set k 0 0 3\r\n%s\r\n' % secret  # too long: its rest is taken for a command
        said += b'set k x 0 %d\r\n%s\r\nms k %d I I\r\n%s\r\n' % (size, secret, size, secret)
        said += b'set k 0 0 1048600\r\n%s\r\n' % (secret + bytes(1048600 - size))
        said += b'set k 0 0 -1\r\n%s\r\n%s x y\r\nmn\r\n' % (secret, secret)
        under_test = self.start(cores=2, flags=('-vvv',))
        with under_test.connect() as client:
            client.send(said)
            client.end_input()
            client.read_all()
        with under_test.connect() as client:
            for opcode in (SET, SETQ, ADD, REPLACE):
                client.send(request(opcode, b'k', FOREVER, secret))
            for opcode in (APPEND, PREPEND):
                client.send(request(opcode, b'k', b'', secret))
            client.send(request(SET, b'n', FOREVER, digits) + request(INCR, b'n', number(0))
                        + request(GETK, b'k') + request(0x55, b'k', b'', secret)
                        + request(SET, b'k', b'', secret))
            client.read_all()
        self.appears(under_test, 'incr n')
        self.appears(under_test, 'getk k')
        self.hides(under_test, self.secret, digits.decode())

    def test_logins(self):
        user, wrong = 'user' + secrets.token_hex(6), 'wrong' + secrets.token_hex(6)
        self.write('%s:%s\n' % (user, self.secret))
        under_test = self.begin('-vvv')
        under_test.may_talk = True
        right = login(user, self.secret)
        for said in (right, login(user, wrong), login(wrong, self.secret), login(user + wrong, ''),
                     login(user, self.secret, command=b'set %s 0 0' % user.encode()),
                     right.replace(b' ', b'', 1), right[:-4] + b'\r\n', login(user, self.secret, b'0'),
                     b'get %s\r\n' % self.secret.encode(), b'%s:%s\r\n' % (user.encode(),
                                                                         self.secret.encode())):
            with under_test.connect() as client:
                client.send(said)
                client.end_input()
                client.read_all()
        for said in (plain(user, self.secret), plain(user, wrong), plain(wrong, self.secret),
                     plain(user, self.secret, mechanism=self.secret.encode()),
                     request(SASL_LIST), request(SASL_AUTH, b'PLAIN')
                     + plain(user, self.secret, SASL_STEP), plain(user, self.secret, SASL_STEP),
                     plain(user, self.secret, zid=b'x')):
            with under_test.connect() as client:
                client.send(said)
                client.end_input()
                client.read_all()
        for name in ('login', 'sasl_auth', 'sasl_step', 'sasl_list',
                     'command refused: CLIENT_ERROR unauthenticated'):
            self.appears(under_test, name)
        self.hides(under_test, self.secret, user, wrong)

    def test_forged_lines(self):
        """A key is what a client wants it to be, but for the look of it."""
        forged = '\n2026-11-22T20:46:13.123Z 99 get ' + self.secret
        for ending in ('\n', '\r', '\r\n', '\0', '\x1b[2K', '\u2028', '\x85'):
            with self.subTest(ending=ending):
                under_test = self.start(flags=('-vv',))
                key = ('a' + ending + forged).encode()
                with under_test.connect() as client:
                    client.send(request(GETK, key) + request(STAT, key) + request(NOOP))
                    client.read(24)
                with under_test.connect() as client:
                    client.ask(b'mg %s b\r\nmg %s b\r\n' % (base64.b64encode(key), key[:5]))
                told = [text for _, text in self.lines(under_test) if self.secret in text]
                self.assertEqual(len(told), 3)
                for text in told:
                    self.assertRegex(text, r'^(getk|stat|mg) a\\x[ -~]*\\x0a2026-[ -~]*$')


class Unread(LogTest):
    """Nobody takes the lines: the server goes on."""

    def test_stderr_that_nobody_reads(self):
        taken, given = os.pipe()
        self.addCleanup(os.close, taken)
        # Lines are dropped by the reactor that has the connection, and told by it with its next one.
        under_test = self.start(cores=2, flags=('-vv', '-o', 'no_conn_moves'), stderr=given)
        os.close(given)
        gets = 5000
        with under_test.connect() as client:
            for _ in range(4):
                client.send(b'get some_key\r\n' * gets)
                self.assertEqual(client.read(5 * gets), b'END\r\n' * gets)
            log = self.read_until(taken, 'lines of the log were dropped')
            told = log.count(' get some_key\n')
            dropped = sum(map(int, re.findall(r' - (\d+) lines of the log were dropped', log)))
            self.assertEqual(told + dropped, 4 * gets)
            for line in log.split('\n')[:-1]:
                self.assertTrue(LINE.fullmatch(line), line)
            client.ask(b'get again\r\n')
            self.assertIn(' get again\n', self.read_until(taken, 'get again'))

    def read_until(self, descriptor, wanted):
        """What comes up to a whole line with that, and after it at once."""
        log, deadline = '', time.monotonic() + server.TIMEOUT_S
        while wanted not in log or not log.endswith('\n'):
            ready, _, _ = select.select([descriptor], [], [], deadline - time.monotonic())
            self.assertTrue(ready, log[-1000:])
            log += os.read(descriptor, 1 << 16).decode()
        return log

    def test_terminal_that_stands_still(self):
        """It has room for less than what is written at once."""
        try:
            terminal, stream = pty.openpty()
        except OSError as error:
            self.skipTest('this machine has no terminals: %s' % error)
        self.addCleanup(os.close, terminal)
        under_test = self.start(flags=('-vv',), stderr=stream)
        os.close(stream)
        with under_test.connect() as client:
            client.send(b'get some_key\r\n' * 3000)
            self.assertEqual(client.read(15000), b'END\r\n' * 3000)

    def test_pipe_of_others_too(self):
        """Who else has it open still waits there; the server has a mode of its own."""
        taken, given = os.pipe()
        self.addCleanup(os.close, taken)
        self.addCleanup(os.close, given)
        under_test = self.start(flags=('-v',), stderr=given)
        with open('/proc/%d/fdinfo/2' % under_test.pid, encoding='ascii') as info:
            flags = int(re.search(r'flags:\s*(\d+)', info.read())[1], 8)
        self.assertTrue(flags & os.O_NONBLOCK)
        self.assertTrue(os.get_blocking(given))

    def test_no_stderr(self):
        """One that is closed or broken harms nobody."""
        taken, given = os.pipe()
        os.close(taken)
        under_test = self.start(cores=2, flags=('-vv',), stderr=given)
        os.close(given)
        with under_test.connect() as client:
            client.send(b'get some_key\r\n' * 3000)
            self.assertEqual(client.read(15000), b'END\r\n' * 3000)


if __name__ == '__main__':
    server.main()
