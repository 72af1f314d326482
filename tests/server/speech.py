"""One client's operations in each of the three protocols, told by what came of them, so that a test can
take any protocol for any operation."""
import struct

import binary

GATQ, GATK, GATKQ = 0x1e, 0x23, 0x24

REFUSED = 'refused'
MISSING = 'missing'
EXISTS = 'exists'
NOT_STORED = 'not stored'
NON_NUMERIC = 'non-numeric'
DONE = 'done'


class Text:
    """The text protocol. An operation returns what came of it, a get the item: value, flags, CAS."""

    marks = False
    creates = False
    lines = {b'STORED': DONE, b'NOT_STORED': NOT_STORED, b'EXISTS': EXISTS, b'NOT_FOUND': MISSING,
             b'DELETED': DONE, b'TOUCHED': DONE,
             b'CLIENT_ERROR cannot increment or decrement non-numeric value': NON_NUMERIC,
             b'SERVER_ERROR out of memory storing object': REFUSED}

    def __init__(self, client):
        self.client = client

    def line(self):
        line = self.client.read_line().rstrip()
        return self.lines.get(line, line)

    def item(self):
        line = self.line()
        if line == b'END':
            return MISSING
        if isinstance(line, str):
            return line
        _, _, flags, length, cas = line.split()
        value = self.client.read(int(length) + 2)[:-2]
        assert self.line() == b'END'
        return value, int(flags), int(cas)

    def get(self, key):
        self.client.send(b'gets %s\r\n' % key)
        return self.item()

    def gat(self, key, seconds):
        self.client.send(b'gats %d %s\r\n' % (seconds, key))
        return self.item()

    def touch(self, key, seconds):
        self.client.send(b'touch %s %d\r\n' % (key, seconds))
        return self.line()

    def store(self, mode, key, value, flags=0, seconds=0, cas=0):
        tail = b' %d' % cas if mode == 'cas' else b''
        self.client.send(b'%s %s %d %d %d%s\r\n%s\r\n' % (mode.encode(), key, flags, seconds, len(value),
                                                          tail, value))
        return self.line()

    def count(self, up, key, delta):
        self.client.send(b'%s %s %d\r\n' % (b'incr' if up else b'decr', key, delta))
        line = self.line()
        return int(line) if isinstance(line, bytes) else line

    def delete(self, key):
        self.client.send(b'delete %s\r\n' % key)
        return self.line()


class Meta(Text):
    """The meta protocol: marks, empties and touches besides."""

    marks = True
    lines = {**Text.lines, b'HD': DONE, b'NS': NOT_STORED, b'EX': EXISTS, b'NF': MISSING, b'EN': MISSING}
    modes = {'set': b'S', 'cas': b'S', 'add': b'E', 'replace': b'R', 'append': b'A', 'prepend': b'P'}

    def line(self):
        line = super().line()
        return DONE if isinstance(line, bytes) and line.startswith(b'HD ') else line

    def item(self):
        line = self.line()
        if isinstance(line, str):
            return line
        words = line.split()
        return self.client.read(int(words[1]) + 2)[:-2], int(words[2][1:]), int(words[3][1:])

    def get(self, key):
        self.client.send(b'mg %s f c v\r\n' % key)
        return self.item()

    def gat(self, key, seconds):
        self.client.send(b'mg %s f c v T%d\r\n' % (key, seconds))
        return self.item()

    def touch(self, key, seconds):
        self.client.send(b'mg %s T%d\r\n' % (key, seconds))
        return self.line()

    def store(self, mode, key, value, flags=0, seconds=0, cas=0):
        tail = b' C%d' % cas if mode == 'cas' else b''
        self.client.send(b'ms %s %d M%s F%d T%d%s\r\n%s\r\n' % (key, len(value), self.modes[mode], flags,
                                                                seconds, tail, value))
        return self.line()

    def count(self, up, key, delta):
        self.client.send(b'ma %s M%s D%d v T1000\r\n' % (key, b'I' if up else b'D', delta))
        line = self.line()
        if isinstance(line, str):
            return line
        return int(self.client.read(int(line.split()[1]) + 2))

    def delete(self, key):
        self.client.send(b'md %s\r\n' % key)
        return self.line()

    def mark(self, key, seconds):
        self.client.send(b'md %s I T%d\r\n' % (key, seconds))
        return self.line()

    def empty(self, key):
        self.client.send(b'md %s x\r\n' % key)
        return self.line()


class Binary(Text):
    """The binary protocol, loud and quiet."""

    modes = {'set': binary.SET, 'cas': binary.SET, 'add': binary.ADD, 'replace': binary.REPLACE,
             'append': binary.APPEND, 'prepend': binary.PREPEND}
    statuses = {1: MISSING, 5: NOT_STORED, 6: NON_NUMERIC, 0x82: REFUSED}

    def __init__(self, client, rng):
        super().__init__(client)
        self.rng = rng

    def reply(self):
        """Its opcode, status, CAS, extras, key and value."""
        _, opcode, key, extras, _, status, body, _, cas = struct.unpack('>BBHBBHIIQ', self.client.read(24))
        rest = self.client.read(body)
        return opcode, status, cas, rest[:extras], rest[extras:extras + key], rest[extras + key:]

    def ask(self, opcode, quiet, *rest, **more):
        """Of a quiet opcode that is not answered the NOOP behind it is."""
        self.client.send(binary.request(opcode, *rest, **more))
        if quiet:
            self.client.send(binary.request(binary.NOOP))
        reply = self.reply()
        if quiet and reply[0] != binary.NOOP:
            assert self.reply()[0] == binary.NOOP
        return reply

    def outcome(self, reply, of_noop):
        opcode, status = reply[:2]
        if opcode == binary.NOOP:
            return of_noop
        if status == 2:
            return EXISTS
        return self.statuses.get(status, status) if status else DONE

    def item(self, reply):
        outcome = self.outcome(reply, MISSING)
        if outcome != DONE:
            return outcome
        return reply[5], struct.unpack('>I', reply[3])[0], reply[2]

    def get(self, key):
        opcode = self.rng.choice((binary.GET, binary.GETK, binary.GETQ, binary.GETKQ))
        return self.item(self.ask(opcode, opcode in (binary.GETQ, binary.GETKQ), key))

    def gat(self, key, seconds):
        opcode = self.rng.choice((binary.GAT, GATK, GATQ, GATKQ))
        return self.item(self.ask(opcode, opcode in (GATQ, GATKQ), key, struct.pack('>I', seconds)))

    def touch(self, key, seconds):
        return self.outcome(self.ask(binary.TOUCH, False, key, struct.pack('>I', seconds)), None)

    def store(self, mode, key, value, flags=0, seconds=0, cas=0):
        quiet = mode == 'set' and self.rng.random() < 0.5
        extras = b'' if mode in ('append', 'prepend') else struct.pack('>II', flags, seconds)
        outcome = self.outcome(self.ask(binary.SETQ if quiet else self.modes[mode], quiet, key, extras, value,
                                        cas=struct.pack('>Q', cas if mode == 'cas' else 0)), DONE)
        if outcome == EXISTS and mode == 'add' or outcome == MISSING and mode == 'replace':
            return NOT_STORED
        return outcome

    def count(self, up, key, delta):
        reply = self.ask(binary.INCR if up else binary.DECR, False, key,
                         binary.number(delta, expiry=0xffffffff))
        outcome = self.outcome(reply, None)
        return struct.unpack('>Q', reply[5])[0] if outcome == DONE else outcome

    def delete(self, key):
        return self.outcome(self.ask(binary.DELETE, False, key), None)
