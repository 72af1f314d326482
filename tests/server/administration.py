"""Administration: dumps, statistics, limits, shutdown, and the flags that forbid them.

The commands' forms and errors are in exchanges_admin.py; here are those whose answer isn't the same
each time, and servers with other flags.
"""
import re
import time

import server
from binary import FLUSH, NOOP, STAT, error, reply, request

FLUSHQ = 0x18
ITEM = re.compile(rb'key=(\S+) exp=(-?\d+) la=(\d+) cas=(\d+) fetch=(yes|no) cls=(\d+) size=(\d+)'
                  rb' flags=(\d+) ?\n')
STAT_LINE = re.compile(rb'STAT (\S+) (.*)\r\n')
KEYS = 5000


def ask_all(client, command, end=b'END\r\n'):
    """The lines of an answer up to its end, which is left out."""
    client.send(command)
    lines = []
    while (line := client.read_line()) != end:
        if not line or line.startswith((b'ERROR', b'CLIENT_ERROR', b'BADCLASS', b'BUSY')):
            raise AssertionError('%r answers %r after %d lines' % (command, line, len(lines)))
        lines.append(line)
    return lines


def stats(client, words=b''):
    """The answer to stats, by name."""
    found = {}
    for line in ask_all(client, b'stats' + words + b'\r\n'):
        match = STAT_LINE.fullmatch(line)
        if not match:
            raise AssertionError('stats%s says %r' % (words.decode(), line))
        found[match[1].decode()] = match[2].decode()
    return found


class Administered(server.ServerTest):
    """Tests that ask a server of their own."""

    def client_of(self, **options):
        under_test = self.start(**options)
        client = under_test.connect()
        self.addCleanup(client.close)
        return client

    def said(self, client, command, wanted):
        client.send(command)
        self.assertEqual(client.read(len(wanted)), wanted)


class Dumps(Administered):
    """Every item once, whatever shard it is on."""

    def filled(self, cores):
        client = self.client_of(cores=cores)
        client.send(b''.join(b'set dump%d 0 0 1 noreply\r\nx\r\n' % n for n in range(KEYS)))
        client.ask(b'get none\r\n')
        return client

    def test_metadump(self):
        for cores in (1, 2, 5):
            for which in (b'all', b'hash'):
                with self.subTest(cores=cores, which=which):
                    client = self.filled(cores)
                    lines = ask_all(client, b'lru_crawler metadump %s\r\n' % which)
                    self.assertEqual(lines[0], b'OK\r\n')
                    keys = [ITEM.fullmatch(line)[1] for line in lines[1:]]
                    self.assertEqual(sorted(keys), sorted(b'dump%d' % n for n in range(KEYS)))

    def test_mgdump(self):
        """Its lines are commands: sent back they find each item."""
        for cores in (1, 2, 5):
            with self.subTest(cores=cores):
                client = self.filled(cores)
                lines = ask_all(client, b'lru_crawler mgdump all\r\n', b'EN\r\n')
                self.assertEqual(lines[0], b'OK\r\n')
                self.assertEqual(sorted(lines[1:]),
                                 sorted(b'mg dump%d\r\n' % n for n in range(KEYS)))
                self.said(client, b''.join(lines[1:]), b'HD\r\n' * KEYS)

    def test_metadump_fields(self):
        client = self.client_of(cores=2)
        before = int(time.time())
        self.said(client, b'set a/%x 3 0 1\r\nx\r\nset b 5 100 1\r\ny\r\nget b\r\nms AAH/IA0K 1 b\r\nx\r\n'
                  b'set past 0 -1 1\r\nx\r\nset gone 0 0 1\r\nx\r\ndelete gone\r\n',
                  b'STORED\r\n' * 2 + b'VALUE b 5 1\r\ny\r\nEND\r\nHD\r\n' + b'STORED\r\n' * 2
                  + b'DELETED\r\n')
        items = [ITEM.fullmatch(line).groups()
                 for line in ask_all(client, b'lru_crawler metadump all\r\n')[1:]]
        by_key = {item[0]: item for item in items}
        self.assertEqual(set(by_key), {b'a%2F%25x', b'b', b'%00%01%FF%20%0D%0A'})
        self.assertEqual((by_key[b'a%2F%25x'][1], by_key[b'a%2F%25x'][4], by_key[b'a%2F%25x'][7]),
                         (b'-1', b'no', b'3'))
        self.assertEqual((by_key[b'b'][4], by_key[b'b'][7]), (b'yes', b'5'))
        self.assertAlmostEqual(int(by_key[b'b'][1]), before + 100, delta=10)
        self.assertAlmostEqual(int(by_key[b'b'][2]), before, delta=10)
        self.assertTrue(client.ask(b'gets b\r\n').endswith(b' %s\r\n' % by_key[b'b'][3]))

    def test_metadump_of_one_client_while_another_writes(self):
        """Each item that is there all the time is told once or, when moved meanwhile, again."""
        under_test = self.start(cores=2)
        with under_test.connect() as dumper, under_test.connect() as writer:
            writer.send(b''.join(b'set keep%d 0 0 1 noreply\r\nx\r\n' % n for n in range(KEYS)))
            writer.ask(b'get none\r\n')
            dumper.send(b'lru_crawler metadump hash\r\n')
            writer.send(b''.join(b'set new%d 0 0 100 noreply\r\n%s\r\n' % (n, b'v' * 100)
                                 for n in range(KEYS)))
            keys = {ITEM.fullmatch(line)[1] for line in ask_all(dumper, b'')[1:]}
            writer.ask(b'get none\r\n')
        self.assertEqual({key for key in keys if key.startswith(b'keep')},
                         {b'keep%d' % n for n in range(KEYS)})

    def test_dump_of_a_client_that_leaves(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            client.send(b''.join(b'set dump%d 0 0 1 noreply\r\nx\r\n' % n for n in range(KEYS)))
            client.ask(b'get none\r\n')
            client.send(b'lru_crawler metadump all\r\n')
            client.read(1000)
            client.reset()
        with under_test.connect() as other:
            deadline = time.monotonic() + server.TIMEOUT_S  # memcached's crawler is busy for a while
            while (line := other.ask(b'lru_crawler metadump all\r\n')).startswith(b'BUSY'):
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(line, b'OK\r\n')
            self.assertEqual(len(ask_all(other, b'')), KEYS)

    def test_me(self):
        client = self.client_of(cores=2)
        self.said(client, b'set a 0 0 1\r\nx\r\nset b 0 100 1\r\nx\r\nget b\r\nms Zm9v 1 b\r\nx\r\n',
                  b'STORED\r\n' * 2 + b'VALUE b 0 1\r\nx\r\nEND\r\nHD\r\n')
        rest = rb' la=\d+ cas=\d+ fetch=%s cls=\d+ size=\d+\r\n'
        self.assertRegex(client.ask(b'me a\r\n'), rb'^ME a exp=-1' + rest % b'no')
        self.assertRegex(client.ask(b'me b\r\n'), rb'^ME b exp=(100|9\d)' + rest % b'yes')
        self.assertRegex(client.ask(b'me foo\r\n'), rb'^ME Zm9v exp=-1' + rest % b'no')
        if not server.ORIGINAL:  # memcached never decodes here, a fault not to copy
            self.assertRegex(client.ask(b'me Zm9v b\r\n'), rb'^ME Zm9v exp=-1' + rest % b'no')

    def test_cachedump(self):
        """Lines about items of a class, as far as there are such classes."""
        client = self.client_of(cores=2)
        self.said(client, b'set a 0 0 1\r\nx\r\nset b 0 100 2\r\nxx\r\n', b'STORED\r\n' * 2)
        numbers = {name.split(':')[1] for name in stats(client, b' items')}
        self.assertTrue(numbers)
        told = [line for number in numbers
                for line in ask_all(client, b'stats cachedump %s 0\r\n' % number.encode())]
        for line in told:
            self.assertRegex(line, rb'^ITEM (a \[1 b; 0|b \[2 b; \d{10}) s\]\r\n$')
        if not server.ORIGINAL:  # memcached tells of its coldest items only
            self.assertEqual(len(told), 2)


class Statistics(Administered):
    """The names that exporters read, and numbers that are right."""

    def test_settings(self):
        found = stats(self.client_of(cores=2, flags=('-m', '100', '-c', '77')), b' settings')
        wanted = {'maxbytes': str(100 << 20), 'maxconns': '77', 'evictions': 'on',
                  'cas_enabled': 'yes', 'flush_enabled': 'yes', 'detail_enabled': 'no',
                  'num_threads': '2', 'item_size_max': str(1 << 20), 'stat_key_prefix': ':',
                  'dump_enabled': 'yes', 'shutdown_command': 'no', 'auth_enabled_sasl': 'no',
                  'auth_enabled_ascii': 'no', 'verbosity': '0', 'idle_timeout': '0',
                  'lru_crawler': 'yes'}
        self.assertEqual({name: found.get(name) for name in wanted}, wanted)
        for name in ('tcpport', 'udpport', 'inter', 'tcp_backlog', 'lru_maintainer_thread',
                     'hot_lru_pct', 'warm_lru_pct', 'hot_max_factor', 'warm_max_factor',
                     'lru_crawler_sleep', 'lru_crawler_tocrawl'):
            self.assertIn(name, found)

    def test_settings_of_flags(self):
        found = stats(self.client_of(flags=('-A', '-F', '-X', '-D', '/')), b' settings')
        wanted = {'shutdown_command': 'yes', 'flush_enabled': 'no',
                  'dump_enabled': 'no', 'stat_key_prefix': '/', 'detail_enabled': 'yes'}
        self.assertEqual({name: found.get(name) for name in wanted}, wanted)

    def test_general(self):
        """What the Prometheus exporter and libmemcached read."""
        found = stats(self.client_of(cores=2))
        names = '''version uptime time pointer_size pid get_hits get_misses delete_hits delete_misses
            incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval touch_hits
            touch_misses cmd_get cmd_set cmd_touch cmd_flush rusage_user rusage_system bytes
            limit_maxbytes curr_items total_items bytes_read bytes_written curr_connections
            total_connections rejected_connections conn_yields listen_disabled_num accepting_conns
            evictions reclaimed store_too_large store_no_memory lru_crawler_starts direct_reclaims
            crawler_items_checked crawler_reclaimed moves_to_cold moves_to_warm moves_within_lru
            connection_structures threads'''.split()
        if server.ORIGINAL:
            names.remove('direct_reclaims')
        self.assertEqual([name for name in names if name not in found], [])

    def test_items_and_slabs(self):
        client = self.client_of(cores=2)
        client.send(b''.join(b'set s%d 0 0 10 noreply\r\n0123456789\r\n' % n for n in range(100)))
        client.ask(b'get s1 s2 s3\r\n')
        client.buffer.clear()
        client.close()
        client = self.client_of(cores=2)
        self.said(client, b'set a 0 0 1\r\nx\r\n', b'STORED\r\n')
        items = self.by_class(stats(client, b' items'), 'items:')
        slabs = self.by_class({name: value for name, value in stats(client, b' slabs').items()
                               if name[0].isdigit()}, '')
        for found in items.values():
            self.assertLessEqual({'number', 'age', 'evicted', 'evicted_nonzero', 'evicted_time',
                                  'outofmemory', 'reclaimed'}, set(found))
        for found in slabs.values():
            self.assertLessEqual({'chunk_size', 'chunks_per_page', 'total_pages', 'total_chunks',
                                  'used_chunks', 'free_chunks', 'free_chunks_end', 'get_hits',
                                  'cmd_set', 'delete_hits', 'incr_hits', 'decr_hits', 'cas_hits',
                                  'cas_badval', 'touch_hits'}, set(found))
        self.assertEqual(sum(int(found['number']) for found in items.values()), 1)
        self.assertEqual(sum(int(found['used_chunks']) for found in slabs.values()), 1)
        general = stats(client, b' slabs')
        self.assertIn('active_slabs', general)
        self.assertIn('total_malloced', general)

    def by_class(self, found, prefix):
        classes = {}
        for name, value in found.items():
            number, field = name.removeprefix(prefix).split(':')
            classes.setdefault(int(number), {})[field] = value
        return classes

    def test_conns(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client, under_test.connect() as other:
            other.ask(b'get a\r\n')
            found = stats(client, b' conns')
            here = 'tcp:127.0.0.1:%d' % client.socket.getsockname()[1]
            there = 'tcp:127.0.0.1:%d' % other.socket.getsockname()[1]
        fields = {}
        for name, value in found.items():
            fields.setdefault(name.split(':')[0], {})[name.split(':')[1]] = value
        by_address = {one.get('addr'): one for one in fields.values()}
        self.assertIn(here, by_address)
        self.assertIn(there, by_address)
        self.assertLessEqual({'addr', 'state', 'secs_since_last_cmd'}, set(by_address[there]))

    def test_reset(self):
        client = self.client_of(cores=2)
        self.said(client, b'set a 0 0 1\r\nx\r\nget a b\r\nstats reset\r\n',
                  b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nRESET\r\n')
        found = stats(client)
        self.assertEqual([found[name] for name in ('cmd_get', 'cmd_set', 'get_hits', 'get_misses',
                                                   'total_items')], ['0'] * 5)
        self.assertEqual(found['curr_items'], '1')

    def test_detail_from_the_start(self):
        """-D counts by the part of a key before its sign, over all shards."""
        client = self.client_of(cores=2, flags=('-D', '/'))
        self.said(client, b''.join(b'set p/%d 0 0 1 noreply\r\nx\r\n' % n for n in range(50))
                  + b'get p/1 p/2 p/none q/x plain\r\ndelete p/1\r\nstats detail dump\r\n',
                  b'VALUE p/1 0 1\r\nx\r\nVALUE p/2 0 1\r\nx\r\nEND\r\nDELETED\r\n')
        lines = ask_all(client, b'')
        self.assertEqual(sorted(lines), [b'PREFIX p get 3 hit 2 set 50 del 1\r\n',
                                         b'PREFIX q get 1 hit 0 set 0 del 0\r\n'])

    def test_binary(self):
        """Sub-commands over the binary protocol: those of names and values, and reset."""
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            settings = set(stats(client, b' settings'))
        with under_test.connect() as client:
            client.send(request(STAT, b'settings') + request(STAT, b'reset') + request(NOOP))
            names = set()
            while (packet := self.packet(client))[0]:
                names.add(packet[0].decode())
            self.assertEqual(names, settings)
            self.assertEqual(client.read(48), reply(STAT) + reply(NOOP))

    def packet(self, client):
        """Key and value of a reply."""
        header = client.read(24)
        key_length = int.from_bytes(header[2:4], 'big')
        body = client.read(int.from_bytes(header[8:12], 'big'))
        return body[:key_length], body[key_length:]


class Limits(Administered):
    """cache_memlimit, and the flags that forbid."""

    def test_memory_limit(self):
        client = self.client_of(cores=2, flags=('-m', '64'))
        value = b'v' * 10000
        client.send(b''.join(b'set v%d 0 0 10000 noreply\r\n%s\r\n' % (n, value)
                             for n in range(4000)))
        client.ask(b'get none\r\n')
        self.said(client, b'cache_memlimit 16\r\n', b'OK\r\n')
        self.assertEqual(stats(client)['limit_maxbytes'], str(16 << 20))
        if not server.ORIGINAL:  # memcached gives memory back by and by
            deadline = time.monotonic() + server.TIMEOUT_S
            while int(stats(client)['bytes']) > 16 << 20 and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertLessEqual(int(stats(client)['bytes']), 16 << 20)
        self.said(client, b'cache_memlimit 64\r\nset v1 0 0 1\r\nx\r\nget v1\r\n',
                  b'OK\r\nSTORED\r\nVALUE v1 0 1\r\nx\r\nEND\r\n')
        self.assertEqual(stats(client)['limit_maxbytes'], str(64 << 20))

    def test_line_18_flush_not_allowed(self):
        under_test = self.start(cores=2, flags=('-F',))
        with under_test.connect() as client:
            refused = b'CLIENT_ERROR flush_all not allowed\r\n'
            self.said(client, b'set a 0 0 1\r\nx\r\nflush_all\r\nflush_all 10\r\nflush_all noreply\r\nget a\r\n',
                      b'STORED\r\n' + refused * 2 + b'VALUE a 0 1\r\nx\r\nEND\r\n')
        with under_test.connect() as client:
            self.said(client, request(FLUSH) + request(FLUSH, extras=bytes(4)) + request(FLUSHQ)
                      + request(NOOP),
                      error(FLUSH, 0x20) * 2 + error(FLUSHQ, 0x20) + reply(NOOP))

    def test_dumps_not_allowed(self):
        client = self.client_of(cores=2, flags=('-X',))
        for command, refused in ((b'stats cachedump 1 0', b'CLIENT_ERROR stats cachedump not allowed'),
                                 (b'stats detail dump', b'CLIENT_ERROR stats detail not allowed'),
                                 (b'lru_crawler metadump all', b'ERROR metadump not allowed'),
                                 (b'lru_crawler mgdump all', b'ERROR key dump not allowed')):
            self.said(client, command + b'\r\n', refused + b'\r\n')

    def test_shutdown(self):
        for words in (b'shutdown', b'shutdown graceful'):
            with self.subTest(words=words):
                under_test = server.Server(cores=2, flags=('-A',))
                with under_test.connect() as client, under_test.connect() as idle:
                    idle.ask(b'get a\r\n')
                    idle.buffer.clear()
                    client.send(words + b'\r\n')
                    self.assertEqual(client.read_all(), b'')
                    self.assertEqual(idle.read_all(), b'')
                    self.assertEqual(under_test.process.wait(server.TIMEOUT_S), 0)
                under_test.stop()

    def test_shutdown_in_another_mode(self):
        client = self.client_of(flags=('-A',))
        self.said(client, b'shutdown x\r\nget a\r\n',
                  b'CLIENT_ERROR invalid shutdown mode\r\nEND\r\n')


if __name__ == '__main__':
    server.main()
