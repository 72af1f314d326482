"""The same commands to our server and to memcached (Debian's package), and the replies compared.

generator.py makes the commands from a seed. They are sent in bursts on a connection; behind each
command stands a request with a number of its own, so that replies can be told apart whatever the
command does to the stream. CAS values are compared by the order in which they first appear. A
difference prints the seed, the command and both replies, and how to repeat it.

  DIFFERENTIAL_COMMANDS  how many commands per protocol (default 2000)
  DIFFERENTIAL_SEED      the first seed (default 1); a seed has 100 commands and empty servers
  DIFFERENTIAL_CORES     cores of our server (default 2)
  MEMCACHED              the other server's command (default memcached)
e.g. DIFFERENTIAL_COMMANDS=20000 DIFFERENTIAL_SEED=5000 SIMPLECACHE=build/core/simplecache
     /usr/bin/python3 tests/server/differential.py
"""
import os
import random
import re
import shlex
import struct
import subprocess
import unittest

import generator
import server
from binary import NOOP, request
from exchanges import FORMAT

COMMANDS = int(os.environ.get('DIFFERENTIAL_COMMANDS', 400 if server.SANITIZED else 2000))
SEED = int(os.environ.get('DIFFERENTIAL_SEED', 1))
CORES = int(os.environ.get('DIFFERENTIAL_CORES', 2))
MEMCACHED = shlex.split(os.environ.get('MEMCACHED', 'memcached'))
SEED_COMMANDS = 100
BURST_MAX = 12
LAST = 999999  # the number of the request behind a burst
WAIT_S = server.TIMEOUT_S

ERROR = b'ERROR\r\n'
FLAG_ERROR = (rb'CLIENT_ERROR (bad token in command line format|duplicate flag|invalid flag|'
              rb'error decoding key|invalid mode for ma M token)\r\n')

# What may differ, and why: the versions of the other server (all before this one; None for all), the
# command, our reply, theirs (regular expressions of the whole).
EXPLAINED = [
    ('missing words and empty lines were ERROR',
     (1, 6, 45), rb'.*', re.escape(FORMAT), re.escape(ERROR)),
    ('commands could be indented',
     (1, 6, 45), rb'  get .*', re.escape(ERROR), rb'(VALUE .*)?END\r\n'),
    ('gat without a key was a gat of none',
     (1, 6, 45), rb'gats? 0 *\r?\n', re.escape(FORMAT), rb'END\r\n'),
    ('noreply did not silence unknown commands',
     (1, 6, 45), rb'.*noreply\r\n', rb'', re.escape(ERROR)),
    ('one error stood for all of bad flags',
     (1, 6, 45), rb'm[da] .*', FLAG_ERROR, rb'CLIENT_ERROR invalid or duplicate flag\r\n'),
    ('an error of its own for a mode that is empty',
     (1, 6, 45), rb'ms .*', rb'CLIENT_ERROR invalid mode for ms M token\r\n',
     rb'CLIENT_ERROR incorrect length for M token\r\n'),
]



def version_of(command):
    """The version of a memcached, as numbers."""
    said = subprocess.run([*command[:1], '-V'], stdout=subprocess.PIPE, check=True).stdout.decode()
    return tuple(map(int, re.search(r'[0-9]+(\.[0-9]+)+', said)[0].split('.')))


class Original(server.Server):
    """The other server."""

    def __init__(self):
        super().__init__(command=MEMCACHED + (['-u', 'nobody'] if os.geteuid() == 0 else [])
                         + ['-l', '127.0.0.1'])


class Session:
    """A connection to one of the two, and what it has shown of CAS values."""

    def __init__(self, under_test):
        self.server = under_test
        self.latest = {}  # CAS value by key, as digits
        self.order = {}  # CAS values in the order of their appearance
        self.connect()

    def connect(self):
        self.client = self.server.connect(timeout=WAIT_S)

    def close(self):
        self.client.close()

    def shown(self, key, cas):
        """What stands for a CAS value in the comparison."""
        if cas in (b'0', *generator.SET_CAS):
            return cas
        if key:
            self.latest[key] = cas
        return b'<%d>' % self.order.setdefault(cas, len(self.order))

    def sent(self, command):
        """The command's bytes for this server: see generator.py."""
        older = isinstance(self.server, Original) and not generator.Other.modern
        return command.older if older else command.sent

    def send(self, data):
        try:
            self.client.send(data)
        except ConnectionError:
            pass  # it may close before it has everything; the replies tell


class TextSession(Session):
    """Text and meta: between two commands stand a set and a get of a key that counts."""

    marked = re.compile(rb'(?:STORED\r\n)?VALUE mark([0-9]+) 0 0\r\n\r\nEND\r\n')

    def play(self, burst, first):
        """Replies to a burst, by number, and whether the connection was closed."""
        data = b''.join(re.sub(rb'<cas:([^>]*)>', self.known, self.sent(command)) + self.mark(first + n)
                        for n, command in enumerate(burst))
        self.send(data + self.mark(LAST))  # one more, since the last command may take its own for data
        end = self.read_until(b'VALUE mark%d 0 0\r\n\r\nEND\r\n' % LAST)
        parts = self.marked.split(bytes(self.client.buffer))
        self.client.buffer.clear()
        keys = {first + n: command.key for n, command in enumerate(burst)}
        replies = {int(number): self.normal(reply, keys.get(int(number), b''))
                   for reply, number in zip(parts[::2], parts[1::2])}
        replies['rest'] = parts[-1]
        return replies, end

    @staticmethod
    def mark(number):
        return b'set mark%d 0 0 0\r\n\r\nget mark%d\r\n' % (number, number)

    def known(self, match):
        return self.latest.get(match[1], b'1')

    def read_until(self, end):
        """Reads until the end is seen or the stream ends; tells which."""
        try:
            while not self.client.buffer.endswith(end):
                if not self.client.fill():
                    return 'closed'
            return 'open'
        except TimeoutError:
            return 'silent'

    def normal(self, reply, key):
        """CAS values as order of appearance, seconds left as a sign, numbers without their spaces."""
        reply = re.sub(rb'(VALUE (\S+) \d+ \d+ )(\d+)(?=\r\n)',
                       lambda match: match[1] + self.shown(match[2], match[3]), reply)
        reply = re.sub(rb'(?m)^((?:VA|HD|EN|NF|NS|EX)\b.* c)(\d+)',
                       lambda match: match[1] + self.shown(key, match[2]), reply)
        reply = re.sub(rb'(?m)^((?:VA|HD|EN)\b.* )t\d+', rb'\1t<left>', reply)
        return re.sub(rb'VALUE (n\d \d+) \d+(.*\r\n)([0-9]*) *(?=\r\n)', rb'VALUE \1\2\3', reply)


class BinarySession(Session):
    """Binary: the request between two commands is a NOOP whose opaque counts; it has the first bit,
    which no other has."""

    def play(self, burst, first):
        data = b''.join(re.sub(rb'<cas:([^>]*)>', self.known, command.sent, flags=re.DOTALL)
                        + request(NOOP, opaque=struct.pack('>I', 1 << 31 | number))
                        for number, command in enumerate(burst, first))
        self.send(data)
        replies = {first + n: [] for n in range(len(burst))}
        try:
            for number, command in enumerate(burst, first):
                while (packet := self.packet())[0][12:16] != struct.pack('>I', 1 << 31 | number):
                    if not packet[0]:
                        return replies, 'closed'
                    replies[number].append(self.normal(*packet, command.key))
            return replies, 'open'
        except TimeoutError:
            return replies, 'silent'

    def packet(self):
        """Header and body of a reply; empty at the end of the stream."""
        header = self.client.read(24)
        return header, self.client.read(int.from_bytes(header[8:12], 'big'))

    def known(self, match):
        return struct.pack('>Q', int(self.latest.get(match[1], b'1')))

    def normal(self, header, body, key):
        """A reply with its CAS value as order of appearance, numbers without their spaces."""
        cas = self.shown(key, b'%d' % int.from_bytes(header[16:24], 'big'))
        if key in generator.NUMBERS:
            return header[1:8], header[12:16], body.rstrip(b' '), cas
        return header[:16], body, cas


def explained(command, ours, theirs, version):
    """Whether a difference is one of the known ones."""
    if command.broken and version < (1, 6, 45):
        ours, theirs = ours.replace(FORMAT, ERROR), theirs.replace(FORMAT, ERROR)
        # It took the data of a refused set for a command.
        return theirs == ours or theirs in (ours + ERROR, ERROR + ours)
    return any((before is None or version < before)
               and re.fullmatch(pattern, command.sent, re.DOTALL)
               and re.fullmatch(mine, ours, re.DOTALL) and re.fullmatch(other, theirs, re.DOTALL)
               for _, before, pattern, mine, other in EXPLAINED)


class Differential(unittest.TestCase):
    """One case per protocol."""

    @classmethod
    def setUpClass(cls):
        server.need(MEMCACHED[0], 'memcached')
        cls.version = version_of(MEMCACHED)
        generator.Other.modern = cls.version >= (1, 6, 45)
        generator.Other.refuses_delete_times = cls.version < (1, 6, 45) and not server.ORIGINAL
        cls.servers = server.Server(cores=CORES), Original()
        for one in cls.servers:
            cls.addClassCleanup(one.stop)

    def run_protocol(self, protocol, session):
        for seed in range(SEED, SEED + max(1, COMMANDS // SEED_COMMANDS)):
            with self.subTest(seed=seed):
                self.run_seed(protocol, seed, session)

    def run_seed(self, protocol, seed, session):
        for one in self.servers:
            self.empty(one)
        sessions = [session(one) for one in self.servers]
        commands = generator.commands(protocol, seed, SEED_COMMANDS)
        rng = random.Random(seed)
        done = 0
        while done < len(commands):
            burst = self.cut(commands[done:done + rng.randrange(1, BURST_MAX)])
            self.compare(protocol, seed, burst, done, [one.play(burst, done) for one in sessions])
            done += len(burst)
            if burst[-1].closes:
                for one in sessions:
                    one.close()
                    one.connect()
        for one in sessions:
            one.close()

    def empty(self, one):
        """In memcached an item whose CAS was chosen (meta's E) outlives a flush in its second."""
        with one.connect() as client:
            self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')
            for key in generator.EVERY_KEY:
                self.assertRegex(client.ask(b'md %s\r\n' % key), b'^(HD|NF)')

    @staticmethod
    def cut(burst):
        """A burst ends with a command whose data may reach into what follows. One that closes stands
        alone, since memcached may then drop what it owes."""
        for n, command in enumerate(burst):
            if command.closes:
                return burst[:max(1, n)]
            if command.broken:
                return burst[:n + 1]
        return burst

    def compare(self, protocol, seed, burst, first, outcomes):
        (ours, our_end), (theirs, their_end) = outcomes
        for number in [*range(first, first + len(burst)), LAST, 'rest']:
            mine, other = ours.get(number), theirs.get(number)
            at = number - first if number in range(first, first + len(burst)) else len(burst) - 1
            command = burst[at]
            if mine != other and not (isinstance(mine, bytes) and isinstance(other, bytes)
                                      and explained(command, mine, other, self.version)):
                self.differ(protocol, seed, burst[:at + 1],
                            mine, other)
        if our_end != their_end or our_end == 'silent':
            self.differ(protocol, seed, burst, our_end, their_end)

    def differ(self, protocol, seed, burst, mine, other):
        self.fail('\n'.join((
            '%s commands of seed %d: after %s' % (protocol, seed, [self.brief(one.sent) for one in burst[:-1]]),
            '  we were sent  %s' % self.brief(burst[-1].sent), '  we answer     %s' % self.brief(mine),
            '  memcached %s  %s' % ('.'.join(map(str, self.version)), self.brief(other)),
            'Repeat it: DIFFERENTIAL_SEED=%d DIFFERENTIAL_COMMANDS=%d tests/server/differential.py'
            ' -k test_%s' % (seed, SEED_COMMANDS, protocol))))

    @staticmethod
    def brief(data):
        shown = repr(data)
        return shown if len(shown) < 700 else shown[:500] + ' ... ' + shown[-150:]

    def test_text(self):
        self.run_protocol('text', TextSession)

    def test_meta(self):
        self.run_protocol('meta', TextSession)

    def test_binary(self):
        self.run_protocol('binary', BinarySession)


if __name__ == '__main__':
    server.main()
