"""Commands for gdb that show what pointers don't: segments, items, index chains, rings, connections.

    gdb -p PID -x simplecache-gdb.py        or, in gdb:  source simplecache-gdb.py
    gdb simplecache CORE -x simplecache-gdb.py

The program needs debug information (meson builds it with -g). Nothing is changed or called in the
process, so the commands work on core files too.

    simplecache reactors                    one line each: turns, connections, items, memory
    simplecache segments REACTOR            the segments in use, from the oldest to the newest
    simplecache items REACTOR SEGMENT [N]   the first N records of a segment (20), dead ones too
    simplecache chain REACTOR BUCKET        a primary bucket of the index and its overflow buckets
    simplecache mesh                        of each pair of reactors what is in its rings
    simplecache connections REACTOR         state, input and output of each connection

Keys are shown, values are not. The structures are those of core/server/reactor.h, core/net/net.h,
core/shard/shard.h, core/mesh/mesh.c, and of the store's segment.h, item.h and index.h.
"""
import gdb

ITEM_ALIGN = 4
ITEM_LARGE = 1 << 31
ITEM_PAD = b'\xff' * ITEM_ALIGN
BITS = ((1, 'linked'), (2, 'long-cas'), (4, 'expires'), (8, 'flags'), (16, 'binary-key'), (32, 'stale'),
        (64, 'token'), (128, 'fetched'))
QUEUES = ('small', 'main')
LOCATION_MASK = (1 << 46) - 1
INDEX_SLOTS = 7


def server():
    """struct server, which lives in the main thread's frame of server_run()."""
    before = gdb.selected_thread()
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            frame = gdb.newest_frame()
            while frame:
                if frame.name() == 'server_run':
                    return frame.read_var('server')
                frame = frame.older()
    finally:
        before.switch()
    raise gdb.GdbError('no thread is in server_run()')


def reactors():
    found = server()
    return [found['reactors'][i] for i in range(int(found['config']['cores']))]


def number_of(word, count, what):
    """A number below count, of that many things."""
    if not word.isdecimal() or int(word) >= count:
        raise gdb.GdbError('there are %d %s, with numbers from 0' % (count, what))
    return int(word)


def reactor_of(word):
    all_reactors = reactors()
    return all_reactors[number_of(word, len(all_reactors), 'reactors')]


def store_of(reactor):
    return reactor['net']['shard']['keys']['store'].dereference()


def connections_of(reactor):
    connection = reactor['net']['connections']['lh_first']
    while connection:
        yield connection.dereference()
        connection = connection['all_link']['le_next']


def read_bytes(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length))


def printable(key):
    return ''.join(chr(byte) if 32 < byte < 127 else '\\x%02x' % byte for byte in key)


class Command(gdb.Command):
    """One command: `arguments` are the names of what it takes, those in brackets may be left out."""
    name, arguments = '', ()

    def __init__(self):
        super().__init__(('simplecache ' + self.name).strip(), gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        least = sum(not name.startswith('[') for name in self.arguments)
        if not least <= len(words) <= len(self.arguments):
            raise gdb.GdbError('usage: simplecache %s %s' % (self.name, ' '.join(self.arguments)))
        self.show(*words)

    def show(self, *words):
        raise NotImplementedError


class Prefix(gdb.Command):
    """Shows what a running simplecache, or its core file, holds."""

    def __init__(self):
        super().__init__('simplecache', gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class Reactors(Command):
    """One line for each reactor."""
    name = 'reactors'

    def show(self):
        for reactor in reactors():
            shard, store = reactor['net']['shard'], store_of(reactor)
            items = sum(int(store['items'][i]) for i in range(len(QUEUES)))
            print('reactor %d: turn %d, %d connections, %d messages out, %d items, %d segments of %d bytes' % (
                int(shard['id']), int(shard['counters']['reactor_turns']),
                sum(1 for _ in connections_of(reactor)), int(shard['messages']['out']), items,
                int(store['log']['segments_used']), int(store['log']['segment_bytes'])))


class Segments(Command):
    """The segments of a reactor's store that are in use, in each queue from the oldest to the newest."""
    name, arguments = 'segments', ('REACTOR',)

    def show(self, reactor):
        log = store_of(reactor_of(reactor))['log']
        for queue, name in enumerate(QUEUES):
            number = int(log['queues'][queue]['oldest'])
            while number:
                segment = log['segments'][number]
                flags = [flag for flag in ('open', 'sparse', 'held') if int(segment[flag])]
                print('segment %d: %s, sequence %d, %d of %d bytes alive, opened %d, %d pins%s' % (
                    number, name, int(segment['sequence']), int(segment['live_bytes']),
                    int(segment['used_bytes']), int(segment['opened']), int(segment['pins']),
                    ''.join(', ' + flag for flag in flags)))
                number = int(segment['newer'])


class Record:
    """An item or an extent at an address; see store/item.h."""

    def __init__(self, address):
        self.item = gdb.Value(address).cast(gdb.lookup_type('struct item').pointer()).dereference()
        self.bits = int(self.item['bits'])
        self.key_length = int(self.item['key_length'])
        self.large = bool(int(self.item['value_length']) & ITEM_LARGE)
        self.value_length = int(self.item['value_length']) & ~ITEM_LARGE
        self.key_address = int(self.item['body'].address) + self.optional_bytes()

    def optional_bytes(self):
        return 4 * bool(self.bits & 4) + 4 * bool(self.bits & 8) + 2 * bool(self.bits & 2)

    def payload_bytes(self):
        """Of the value, or of the list of its extents."""
        if not self.large:
            return self.value_length
        count = int.from_bytes(read_bytes(self.key_address + self.key_length, 4), 'little')
        return (gdb.lookup_type('struct item_list').sizeof
                + count * gdb.lookup_type('struct item_extent').sizeof)

    def bytes(self):
        end = self.key_address + self.key_length + self.payload_bytes()
        size = end - int(self.item.address)
        return (size + ITEM_ALIGN - 1) // ITEM_ALIGN * ITEM_ALIGN

    def __str__(self):
        what = 'key %s' % printable(read_bytes(self.key_address, self.key_length)) if self.key_length else 'extent'
        return '%s, %s%d bytes, access %d, cas %d, bits %s' % (
            what, 'large, ' if self.large else '', self.value_length, int(self.item['access']),
            int(self.item['cas_high']) << 32 | int(self.item['cas_low']),
            ' '.join(name for bit, name in BITS if self.bits & bit) or 'none')


class Items(Command):
    """The first records of a segment. Those that are not linked are dead."""
    name, arguments = 'items', ('REACTOR', 'SEGMENT', '[N]')

    def show(self, reactor, segment, most='20'):
        log = store_of(reactor_of(reactor))['log']
        number = number_of(segment, 1 << 32, 'segments at most')
        in_range = int(log['block_segments']) <= number <= int(log['segments_max'])
        if not in_range or not int(log['segments'][number]['sequence']):
            print('segment %d is not in use' % number)
            return
        location = number << int(log['unit_shift'])
        at = int(log['base']) + location * ITEM_ALIGN
        end = at + int(log['segments'][number]['used_bytes'])
        for _ in range(number_of(most, 1 << 32, 'records at most')):
            if at >= end:
                return
            record = Record(at)
            print('location %d: %s' % ((at - int(log['base'])) // ITEM_ALIGN, record))
            at += record.bytes()
            while at < end and read_bytes(at, ITEM_ALIGN) == ITEM_PAD:
                at += ITEM_ALIGN


class Chain(Command):
    """A primary bucket of the index, by its number, and the overflow buckets behind it."""
    name, arguments = 'chain', ('REACTOR', 'BUCKET')

    def show(self, reactor, bucket):
        store = store_of(reactor_of(reactor))
        index = store['index']
        number = number_of(bucket, int(index['primary']['count']), 'buckets')
        current, name = index['primary']['buckets'][number], 'bucket %d' % number
        while True:
            slots = [int(current['slots'][slot]) for slot in range(INDEX_SLOTS)]
            print('%s:' % name if any(slots) else '%s is empty' % name)
            for number, slot in enumerate(slots):
                self.show_slot(store, number, slot)
            following = int(current['next'])
            if not following:
                return
            current, name = index['overflow']['buckets'][following - 1], 'overflow %d' % (following - 1)

    @staticmethod
    def show_slot(store, number, slot):
        if slot:
            location = slot & LOCATION_MASK
            print('  slot %d: tag %04x, frequency %d, location %d: %s' % (
                number, slot >> 48, slot >> 46 & 3, location,
                Record(int(store['log']['base']) + location * ITEM_ALIGN)))


class Mesh(Command):
    """Of each pair of reactors the requests and replies that are published, and those that are pushed only,
    in its rings; and how many messages the first one waits for."""
    name = 'mesh'

    def show(self):
        mesh = server()['mesh'].dereference()
        count = int(mesh['shards'])
        for origin in range(count):
            port = mesh['ports'][origin]
            print('reactor %d: %s' % (origin, 'asleep' if int(port['sleeping']) else 'awake'))
            for owner in range(count):
                if owner != origin:
                    pair = mesh['pairs'][origin * count + owner]
                    print('  to %d: %d outstanding, requests %s, replies %s' % (
                        owner, int(port['origin']['outstanding'][owner]), self.ring(pair['requests']),
                        self.ring(pair['replies'])))

    @staticmethod
    def ring(ring):
        head, tail, pushed = (int(ring[name]) for name in ('head', 'tail', 'pushed'))
        return '%d + %d' % ((tail - head) % 2**32, (pushed - tail) % 2**32)


class Connections(Command):
    """The connections of a reactor."""
    name, arguments = 'connections', ('REACTOR',)

    def show(self, reactor):
        for connection in connections_of(reactor_of(reactor)):
            pipeline = connection['pipeline']
            state = int(connection['state'])
            name = str(gdb.Value(state).cast(gdb.lookup_type('enum connection_state')))
            print('connection %d: %s, %d queued, %d outstanding, input %d, output %d + %d sending%s' % (
                int(connection['descriptor']), name.replace('CONNECTION_', '').lower(), int(pipeline['queued']),
                int(pipeline['outstanding']), int(pipeline['input']['length']),
                int(pipeline['output']['length']), int(pipeline['sending']),
                ', stalled' if int(pipeline['stalled']) else ''))


Prefix()
for command in (Reactors, Segments, Items, Chain, Mesh, Connections):
    command()
