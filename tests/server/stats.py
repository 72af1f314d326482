"""Statistics that requests move: by exactly how much, while all others stand still.

The tables hold for memcached 1.6.45 as well (SIMPLECACHE_COMMAND). What other events move is in
stats_events.py, who reads which names in stats_consumers.py.
"""
import re
import struct

import server
from binary import (ADD, APPEND, DECR, DELETE, DELETEQ, FLUSH, FOREVER, GAT, GET, GETK, GETKQ, GETQ,
                    INCR, NOOP, PREPEND, REPLACE, SET, SETQ, STAT, TOUCH, VERSION, number, reply,
                    request)

TOO_LARGE = b'x' * 2000000

# Each row begins with `here` = 5 and `word` = hello alone; <CAS> is the first one's. A name moves
# by one, or by the number behind its colon.
TEXT = [
    (b'get here\r\n', 'cmd_get get_hits'),
    (b'get none\r\n', 'cmd_get get_misses'),
    (b'get here none word here\r\n', 'cmd_get:4 get_hits:3 get_misses'),
    (b'gets here none\r\n', 'cmd_get:2 get_hits get_misses'),
    (b'gat 0 here\r\n', 'cmd_touch touch_hits'),
    (b'gat 0 none\r\n', 'cmd_touch touch_misses'),
    (b'gats 0 here none\r\n', 'cmd_touch:2 touch_hits touch_misses'),
    (b'touch here 0\r\n', 'cmd_touch touch_hits'),
    (b'touch none 0\r\n', 'cmd_touch touch_misses'),
    (b'set here 0 0 1\r\n2\r\n', 'cmd_set total_items'),
    (b'set none 0 0 3\r\nabc\r\n', 'cmd_set total_items curr_items'),
    (b'set none 0 0 3 noreply\r\nabc\r\n', 'cmd_set total_items curr_items'),
    (b'add here 0 0 1\r\n2\r\n', 'cmd_set'),
    (b'add none 0 0 1\r\n2\r\n', 'cmd_set total_items curr_items'),
    (b'replace here 0 0 1\r\n2\r\n', 'cmd_set total_items'),
    (b'replace none 0 0 1\r\n2\r\n', 'cmd_set'),
    (b'append here 0 0 1\r\n2\r\n', 'cmd_set total_items'),
    (b'append none 0 0 1\r\n2\r\n', 'cmd_set'),
    (b'prepend here 0 0 1\r\n2\r\n', 'cmd_set total_items'),
    (b'cas here 0 0 1 <CAS>\r\n2\r\n', 'cmd_set cas_hits total_items'),
    (b'cas here 0 0 1 999999999\r\n2\r\n', 'cmd_set cas_badval'),
    (b'cas none 0 0 1 9\r\n2\r\n', 'cmd_set cas_misses'),
    (b'set here 0 0 1\r\nabc\r\n', 'cmd_set'),
    (b'set here 0 0 -1\r\n', ''),
    (b'set here x 0 1\r\na\r\n', ''),
    (b'set here 0 0 2000000\r\n' + TOO_LARGE + b'\r\n', 'store_too_large curr_items:-1'),
    (b'add none 0 0 2000000\r\n' + TOO_LARGE + b'\r\n', 'store_too_large'),
    (b'delete here\r\n', 'delete_hits curr_items:-1'),
    (b'delete none\r\n', 'delete_misses'),
    (b'incr here 1\r\n', 'incr_hits'),
    (b'incr here 5\r\n', 'incr_hits total_items'),  # a digit more: written anew
    (b'incr none 1\r\n', 'incr_misses'),
    (b'incr word 1\r\n', ''),
    (b'incr here x\r\n', ''),
    (b'decr here 1\r\n', 'decr_hits'),
    (b'decr none 1\r\n', 'decr_misses'),
    (b'decr word 1\r\n', ''),
    (b'flush_all 1000\r\n', 'cmd_flush'),
    (b'flush_all 1000 noreply\r\n', 'cmd_flush'),
    (b'flush_prefix none 1000\r\n', 'cmd_flush_prefix flush_prefixes'),
    (b'flush_prefix none 1000 noreply\r\n', 'cmd_flush_prefix'),
    (b'flush_prefix\r\n', ''),
    (b'verbosity 0\r\n', ''),
    (b'version\r\n', ''),
    (b'nonsense\r\n', ''),
    (b'stats settings\r\n', ''),
    (b'stats items\r\nstats slabs\r\nstats sizes\r\nstats conns\r\n', ''),
    (b'lru_crawler metadump all\r\n', ''),
]

META = [
    (b'mg here v\r\n', 'cmd_get get_hits'),
    (b'mg here\r\n', 'cmd_get get_hits'),
    (b'mg none v\r\n', 'cmd_get get_misses'),
    (b'mg none v q\r\n', 'cmd_get get_misses'),
    (b'mg here T0\r\n', 'cmd_touch touch_hits'),
    (b'mg none T30\r\n', 'cmd_get get_misses'),
    (b'mg none N30 v\r\n', 'cmd_get get_hits total_items curr_items'),
    (b'ms here 1\r\n2\r\n', 'cmd_set total_items'),
    (b'ms none 1\r\n2\r\n', 'cmd_set total_items curr_items'),
    (b'ms none 1 q\r\n2\r\n', 'cmd_set total_items curr_items'),
    (b'ms here 1 C<CAS>\r\n2\r\n', 'cmd_set cas_hits total_items'),
    (b'ms here 1 C999999999\r\n2\r\n', 'cmd_set cas_badval'),
    (b'ms none 1 C1\r\n2\r\n', 'cmd_set cas_misses'),
    (b'ms here 1 MA\r\n2\r\n', 'cmd_set total_items'),
    (b'ms none 1 MA\r\n2\r\n', 'cmd_set'),
    (b'ms here 1 ME\r\n2\r\n', 'cmd_set'),
    (b'md here\r\n', 'delete_hits curr_items:-1'),
    (b'md none\r\n', 'delete_misses'),
    (b'md here C1\r\n', 'delete_misses'),
    (b'md here I\r\n', ''),
    (b'md here x\r\n', 'delete_hits total_items'),
    (b'ma here\r\n', 'incr_hits'),
    (b'ma none\r\n', 'incr_misses'),
    (b'ma none N0\r\n', 'total_items curr_items'),
    (b'ma here C999999999\r\n', ''),
    (b'ma here MD\r\n', 'decr_hits'),
    (b'ma none MD\r\n', 'decr_misses'),
    (b'me here\r\n', 'cmd_meta'),
    (b'me none\r\n', 'cmd_meta'),
    (b'mn\r\n', ''),
]

STALE = struct.pack('>Q', 999999999)
BINARY = [
    (request(GET, b'here'), 'cmd_get get_hits'),
    (request(GET, b'none'), 'cmd_get get_misses'),
    (request(GETQ, b'none'), 'cmd_get get_misses'),
    (request(GETK, b'here') + request(GETKQ, b'here'), 'cmd_get:2 get_hits:2'),
    (request(SET, b'here', FOREVER, b'1'), 'cmd_set total_items'),
    (request(SETQ, b'none', FOREVER, b'1'), 'cmd_set total_items curr_items'),
    (request(SET, b'here', FOREVER, b'1', cas=STALE), 'cmd_set cas_badval'),
    (request(SET, b'none', FOREVER, b'1', cas=STALE), 'cmd_set cas_misses'),
    (request(ADD, b'here', FOREVER, b'1'), 'cmd_set'),
    (request(REPLACE, b'none', FOREVER, b'1'), 'cmd_set'),
    (request(APPEND, b'here', value=b'1'), 'cmd_set total_items'),
    (request(PREPEND, b'here', value=b'1'), 'cmd_set total_items'),
    (request(APPEND, b'none', value=b'1'), 'cmd_set'),
    # which memcached forgets to count
    (request(SET, b'here', FOREVER, TOO_LARGE),
     'curr_items:-1' if server.ORIGINAL else 'store_too_large curr_items:-1'),
    (request(DELETE, b'here'), 'delete_hits curr_items:-1'),
    (request(DELETEQ, b'here'), 'delete_hits curr_items:-1'),
    (request(DELETE, b'none'), 'delete_misses'),
    (request(INCR, b'here', number(1)), 'incr_hits'),
    (request(INCR, b'none', number(1, expiry=0xffffffff)), 'incr_misses'),
    (request(INCR, b'none', number(1)), 'total_items curr_items'),
    (request(INCR, b'word', number(1)), ''),
    (request(DECR, b'here', number(1)), 'decr_hits'),
    (request(DECR, b'none', number(1, expiry=0xffffffff)), 'decr_misses'),
    (request(TOUCH, b'here', bytes(4)), 'cmd_touch touch_hits'),
    (request(TOUCH, b'none', bytes(4)), 'cmd_touch touch_misses'),
    (request(GAT, b'here', bytes(4)), 'cmd_touch touch_hits'),
    (request(GAT, b'none', bytes(4)), 'cmd_touch touch_misses'),
    (request(FLUSH, extras=struct.pack('>I', 1000)), 'cmd_flush'),
    (request(VERSION), ''),
    (request(0x77), ''),
    (request(STAT, b'settings') + request(STAT, b'items') + request(STAT, b'slabs'), ''),
]

# All that memcached 1.6.45 tells, and how it moves.
COUNTED = {name.split(':')[0] for table in (TEXT, META, BINARY) for _, moves in table
           for name in moves.split()} | {'bytes', 'bytes_read', 'bytes_written'}
# Nothing moves these, here: the slabs, third queue that they tell of are not there, nobody watches, no
# item is ever locked, and the index grows by a bucket with each set.
CONSTANT = set('''slab_reassign_running slabs_moved evicted_active moves_to_cold log_worker_dropped
    log_worker_written log_watcher_skipped log_watcher_sent log_watchers lrutail_reflocked
    hash_is_expanding'''.split())
# conn_yields: with -R. The tests of the others are in stats_events.py.
EVENTS = set('''pid uptime time version pointer_size rusage_user rusage_system max_connections
    curr_connections total_connections rejected_connections connection_structures get_expired
    get_flushed store_no_memory auth_cmds auth_errors limit_maxbytes accepting_conns
    listen_disabled_num time_in_listen_disabled_us threads conn_yields hash_power_level hash_bytes
    lru_crawler_running lru_crawler_starts malloc_fails expired_unfetched evicted_unfetched
    evictions reclaimed crawler_reclaimed crawler_items_checked direct_reclaims moves_to_warm
    moves_within_lru'''.split())
# These are left out: figures of libevent, of buffers that are kept otherwise (see buffer_bytes),
# and of slabs.
LEFT_OUT = set('''libevent response_obj_oom response_obj_count response_obj_bytes read_buf_count
    read_buf_bytes read_buf_bytes_free read_buf_oom reserved_fds slab_reassign_rescues
    slab_reassign_chunk_rescues slab_reassign_inline_reclaim slab_reassign_busy_items
    slab_reassign_busy_deletes slab_reassign_busy_nomem slab_reassign_last_busy_status
    lru_maintainer_juggles unexpected_napi_ids round_robin_fallback slab_global_page_pool
    lru_bumps_dropped'''.split())

# `stats reset` leaves what is so now.
KEPT = set('''pid uptime time version pointer_size rusage_user rusage_system max_connections
    curr_connections connection_structures limit_maxbytes accepting_conns threads hash_power_level
    hash_bytes hash_is_expanding lru_crawler_running bytes curr_items log_watchers
    slab_reassign_running flush_prefixes'''.split())

# What moves with time, or with the answers themselves, is looked at in tests of its own.
ITSELF = set('''uptime time rusage_user rusage_system bytes bytes_read bytes_written hash_bytes
    conn_yields'''.split())

# Nothing happens by itself.
QUIET = ('-o', 'no_lru_crawler,no_lru_maintainer' if server.ORIGINAL else 'no_lru_crawler')


class TextAsker:
    """A client that counts the bytes it sends and receives, and reads `stats`."""

    PROBE = b'stats\r\n'
    PREPARE = (b'flush_all\r\ndelete none\r\nset here 0 0 1\r\n5\r\nset word 0 0 5\r\nhello\r\n'
               b'gets here\r\n')

    def __init__(self, client):
        self.client = client

    def run(self, commands):
        """How many bytes went each way."""
        commands += b'mn\r\n'
        self.client.send(commands)
        received = 0
        for _ in range(commands.count(b'mn\r\n')):
            line = b''
            while line != b'MN\r\n':
                line = self.client.read_line()
                assert line, 'the connection is closed'
                received += len(line)
        return len(commands), received

    def prepare(self):
        """What rows begin with; the CAS of `here`."""
        self.client.send(self.PREPARE)
        while not (line := self.client.read_line()).startswith(b'VALUE here '):
            assert line, 'the connection is closed'
        assert self.client.read_line() + self.client.read_line() == b'5\r\nEND\r\n'
        return line.split()[-1]

    def stats(self):
        """The answer by name, and its length."""
        self.client.send(self.PROBE)
        lines = []
        while not lines or lines[-1] != b'END\r\n':
            lines.append(self.client.read_line())
            assert lines[-1], 'the connection is closed'
        pairs = [re.fullmatch(rb'STAT (\S+) (.*)\r\n', line).groups() for line in lines[:-1]]
        return {name.decode(): value.decode() for name, value in pairs}, sum(map(len, lines))


class BinaryAsker(TextAsker):
    """The same in the binary protocol."""

    PROBE = request(STAT)
    PREPARE = (request(FLUSH) + request(DELETE, b'none') + request(SET, b'here', FOREVER, b'5')
               + request(SET, b'word', FOREVER, b'hello'))

    def packet(self):
        header = self.client.read(24)
        assert len(header) == 24, 'the connection is closed'
        key_length, = struct.unpack('>H', header[2:4])
        body = self.client.read(struct.unpack('>I', header[8:12])[0])
        key = body[header[4]:][:key_length].decode()
        return header + body, key, body[key_length:].decode(errors='replace')

    def run(self, commands):
        mark = request(NOOP, opaque=b'last')
        self.client.send(commands + mark)
        received, packet = 0, b''
        while packet != reply(NOOP, opaque=b'last'):
            packet = self.packet()[0]
            received += len(packet)
        return len(commands) + len(mark), received

    def prepare(self):
        self.run(self.PREPARE)
        return b''

    def stats(self):
        self.client.send(self.PROBE)
        found, length = {}, 0
        while True:
            packet, name, value = self.packet()
            length += len(packet)
            if not name:
                return found, length
            assert name not in found, name + ' twice'
            found[name] = value


def moves_of(text):
    """A row's moves by name."""
    moves = {}
    for word in text.split():
        name, _, by = word.partition(':')
        moves[name] = int(by or 1)
    return moves


class Moves(server.ServerTest):
    """Each row of the tables, on one core and on three."""

    def check(self, asker, commands, moves):
        before, answered = asker.stats()
        sent, received = asker.run(commands)
        after, _ = asker.stats()
        moved = {name: int(after[name]) - int(value) for name, value in before.items()
                 if name in (COUNTED | EVENTS | CONSTANT) - ITSELF and value.isdigit()
                 and value != after[name]}
        self.assertEqual(moved, moves_of(moves))
        self.assertEqual(int(after['bytes_read']) - int(before['bytes_read']),
                         sent + len(asker.PROBE))
        self.assertEqual(int(after['bytes_written']) - int(before['bytes_written']),
                         received + answered)

    def run_table(self, kind, table):
        for cores in (1, 3):
            under_test = self.start(cores=cores, flags=QUIET)
            with under_test.connect_alone(), under_test.connect() as client:
                asker = kind(client)
                for commands, moves in table:
                    cas = asker.prepare()
                    with self.subTest(cores=cores, commands=commands[:80]):
                        self.check(asker, commands.replace(b'<CAS>', cas), moves)

    def test_text(self):
        self.run_table(TextAsker, TEXT)

    def test_meta(self):
        self.run_table(TextAsker, META)

    def test_binary(self):
        self.run_table(BinaryAsker, BINARY)

    def test_bytes(self):
        """The sum of what `me` tells of the items, which counts an index entry of 8 bytes too."""
        entry = 0 if server.ORIGINAL else 8
        asker = TextAsker(self.start(cores=3, flags=QUIET).connect())
        self.addCleanup(asker.client.close)
        sizes = {}
        for key, length in ((b'a', 1), (b'longer-key', 1000), (b'b', 50000), (b'a', 300),
                            (b'b', 0)):
            asker.client.ask(b'set %s 3 100 %d\r\n%s\r\n' % (key, length, b'v' * length))
            line = asker.client.ask(b'me %s\r\n' % key)
            sizes[key] = int(re.search(rb' size=(\d+)', line)[1]) - entry
            self.assertEqual(asker.stats()[0]['bytes'], str(sum(sizes.values())))
        for key in list(sizes):
            asker.client.ask(b'delete %s\r\n' % key)
            del sizes[key]
            self.assertEqual(asker.stats()[0]['bytes'], str(sum(sizes.values())))


class Names(server.ServerTest):
    """All that memcached tells is told, counted, or left out for a reason."""

    def run_all(self, asker):
        for commands, _ in TEXT + META:
            cas = asker.prepare()
            if b'metadump' not in commands:  # which says ERROR behind other replies
                asker.run(commands.replace(b'<CAS>', cas))

    def test_all_are_accounted_for(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client, under_test.connect() as binary:
            told = set(TextAsker(client).stats()[0])
            self.assertEqual(set(BinaryAsker(binary).stats()[0]), told)
        kinds = (COUNTED, CONSTANT, EVENTS, LEFT_OUT)
        self.assertEqual(sum(map(len, kinds)), len(set.union(*kinds)))
        if server.ORIGINAL:
            self.assertEqual(told, set.union(*kinds))
        else:
            self.assertLessEqual(COUNTED | CONSTANT | EVENTS, told)
            self.assertEqual(LEFT_OUT & told, set())

    def test_constants(self):
        """They are 0, and stay so whatever is done."""
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            asker = TextAsker(client)
            self.run_all(asker)
            found = asker.stats()[0]
        if not server.ORIGINAL:
            self.assertEqual({name: found[name] for name in CONSTANT}, dict.fromkeys(CONSTANT, '0'))

    def test_reset(self):
        """Counts begin again, what is so now stays: name by name."""
        asker = TextAsker(self.start(cores=2, flags=QUIET).connect_alone())
        self.addCleanup(asker.client.close)
        self.run_all(asker)
        before, _ = asker.stats()
        self.assertEqual([name for name in COUNTED if before[name] == '0'], [])
        self.assertEqual(asker.client.ask(b'stats reset\r\n'), b'RESET\r\n')
        after, _ = asker.stats()
        names = (COUNTED | CONSTANT | EVENTS) & set(before)
        begun_again = dict.fromkeys(names - KEPT, '0')
        begun_again['bytes_read'] = str(len(b'stats\r\n'))
        begun_again['bytes_written'] = str(len(b'RESET\r\n'))
        self.assertEqual({name: after[name] for name in names - KEPT}, begun_again)
        lasting = (names & KEPT) - {'uptime', 'time', 'rusage_user', 'rusage_system'}
        self.assertEqual({name: after[name] for name in lasting},
                         {name: before[name] for name in lasting})


if __name__ == '__main__':
    server.main()
