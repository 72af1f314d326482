"""Statistics that move by something else than single requests: time, connections, a lack of memory,
of descriptors or of room, the crawler. And what `stats items` and `stats slabs` sum up to.

All of it holds for memcached 1.6.45 as well, but where a test says otherwise.
"""
import os
import re
import resource
import socket
import tempfile
import time
import unittest

import server
from stats import EVENTS, QUIET, TextAsker
from startup import hide_limit

MIB = 1 << 20
# The right to set another process's limits is the user's who owns it.
OWN = ('-u', 'root') if os.geteuid() == 0 else ()

# Which test moves it.
TESTED = {
    'Process.test_facts': 'pid version pointer_size max_connections limit_maxbytes threads',
    'Process.test_clocks': 'uptime time rusage_user rusage_system',
    'Process.test_logins': 'auth_cmds auth_errors',
    'Process.test_index_grows': 'hash_power_level hash_bytes',
    'Connections.test_opened_and_closed':
        'curr_connections total_connections connection_structures',
    'Connections.test_rejected': 'rejected_connections',
    'Connections.test_no_descriptor_left':
        'accepting_conns listen_disabled_num time_in_listen_disabled_us',
    'Room.test_evictions': 'evictions evicted_unfetched',
    'Room.test_moves': 'moves_to_warm moves_within_lru direct_reclaims',
    'Room.test_expired_makes_room': 'reclaimed expired_unfetched',
    'Room.test_no_memory_for_values': 'store_no_memory',
    'Room.test_malloc_fails': 'malloc_fails',
    'Dead.test_met': 'get_expired get_flushed',
    'Dead.test_crawled':
        'lru_crawler_running lru_crawler_starts crawler_reclaimed crawler_items_checked',
}


class EventTest(server.ServerTest):
    """With a client that asks a server of its own."""

    def asker_of(self, **options):
        self.under_test = self.start(**options)
        self.until(self.is_there)
        client = self.under_test.connect()
        self.addCleanup(client.close)
        self.client = client
        self.asker = TextAsker(client)

    def is_there(self):
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', self.under_test.port)) == 0

    def stat(self, name):
        return self.stats(name)[0]

    def stats(self, *names):
        found = self.asker.stats()[0]
        return [int(found.get(name, 0)) for name in names]

    def sub(self, word):
        """The answer to `stats WORD`."""
        self.client.send(b'stats %s\r\n' % word)
        found = {}
        while (line := self.client.read_line()) != b'END\r\n':
            name, value = re.fullmatch(rb'STAT (\S+) (.*)\r\n', line).groups()
            found[name.decode()] = value.decode()
        return found

    def until(self, condition):
        deadline = time.monotonic() + server.TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'it never happens')
            time.sleep(0.02)

    def pass_seconds(self, seconds):
        """Waits until the server's clock has moved so far."""
        begun = self.stat('time')
        self.until(lambda: self.stat('time') >= begun + seconds)

    def fill(self, prefix, count, exptime=0):
        """Stores so many items of 10,000 bytes."""
        value = b'v' * 10000
        self.asker.run(b''.join(b'set %s%d 0 %d 10000 noreply\r\n%s\r\n'
                                % (prefix, n, exptime + n % 2 * exptime, value)
                                for n in range(count)))


class Process(EventTest):
    """The server itself."""

    def test_facts(self):
        self.asker_of(cores=3, flags=('-c', '77', '-m', '100'))
        found = self.asker.stats()[0]
        wanted = {'pid': str(self.under_test.pid), 'pointer_size': '64', 'threads': '3',
                  'max_connections': '77', 'limit_maxbytes': str(100 * MIB),
                  'version': self.client.ask(b'version\r\n').decode().split()[1]}
        self.assertEqual({name: found[name] for name in wanted}, wanted)
        self.client.ask(b'cache_memlimit 50\r\n')
        self.assertEqual(self.stat('limit_maxbytes'), 50 * MIB)

    def test_clocks(self):
        begun = time.monotonic()
        self.asker_of()
        uptime, now = self.stats('uptime', 'time')
        self.assertLess(abs(now - time.time()), 5)
        self.until(lambda: self.stat('uptime') > uptime)
        self.assertLessEqual(self.stat('uptime'), time.monotonic() - begun + 3)
        self.assertGreaterEqual(self.stat('time'), now + 1)
        spent = self.seconds_spent()

        def work():
            self.asker.run(b'get none\r\n' * 1000)
            return all(after > before for after, before in zip(self.seconds_spent(), spent))
        self.until(work)

    def seconds_spent(self):
        found = self.asker.stats()[0]
        for name in ('rusage_user', 'rusage_system'):
            self.assertRegex(found[name], r'^\d+\.\d{6}$')
        return float(found['rusage_user']), float(found['rusage_system'])

    def test_logins(self):
        with tempfile.NamedTemporaryFile('w') as users:
            os.chmod(users.name, 0o644)
            users.write('ann:secret\n')
            users.flush()
            self.asker_of(cores=2, flags=('-Y', users.name), wait=False)
            self.under_test.may_talk = True  # of the wrong login
            for line, wanted in ((b'ann wrong!', b'CLIENT_ERROR'), (b'ann secret', b'STORED')):
                self.assertRegex(self.client.ask(b'set auth 0 0 10\r\n%s\r\n' % line), wanted)
        self.assertEqual(self.stats('auth_cmds', 'auth_errors', 'cmd_set'), [2, 1, 0])

    def test_index_grows(self):
        """hash_power_level is what the number of buckets is a power of two of."""
        self.asker_of(cores=2, flags=('-m', '256'))
        level, size = self.stats('hash_power_level', 'hash_bytes')
        for part in range(10):
            self.asker.run(b''.join(b'set k%d-%d 0 0 1 noreply\r\nx\r\n' % (part, n)
                                    for n in range(20000)))
        self.until(lambda: self.stat('hash_power_level') > level)
        self.until(lambda: self.stat('hash_bytes') > size)
        self.assertLessEqual(8 << self.stat('hash_power_level'), self.stat('hash_bytes'))

    def test_each_event_has_its_test(self):
        names = [name for names in TESTED.values() for name in names.split()]
        self.assertEqual(sorted(names), sorted(EVENTS - {'conn_yields'}))
        for test in TESTED:
            group, method = test.split('.')
            self.assertTrue(callable(getattr(globals()[group], method)), test)


class Connections(EventTest):
    """Those that come and go, and those that can't come in."""

    def asker_of(self, **options):
        super().asker_of(**options)
        # Those that asked whether the server is there have gone.
        self.until(lambda: self.stat('curr_connections') == 1)

    def test_opened_and_closed(self):
        for cores in (1, 3):
            self.asker_of(cores=cores)
            names = 'curr_connections', 'total_connections', 'connection_structures'
            now, total, structures = self.stats(*names)
            clients = [self.under_test.connect() for _ in range(10)]
            for client in clients:
                client.ask(b'version\r\n')
            grown = self.stats(*names)
            self.assertEqual(grown[:2], [now + 10, total + 10])
            for client in clients:
                client.close()
            self.until(lambda now=now: self.stat('curr_connections') == now)
            self.assertEqual(self.stat('total_connections'), total + 10)
            if server.ORIGINAL:  # which keeps them for the next ones
                self.assertEqual(grown[2], self.stat('connection_structures'))
            else:
                self.assertEqual(grown[2], structures + 10)
                self.until(lambda structures=structures: self.stat('connection_structures') == structures)

    def test_rejected(self):
        self.asker_of(cores=2, flags=('-c', '60'))
        rejected, total = self.stats('rejected_connections', 'total_connections')
        clients = [self.under_test.connect() for _ in range(100)]
        lines = []
        for client in clients:
            self.addCleanup(client.close)
            try:
                client.send(b'version\r\n')
            except (BrokenPipeError, ConnectionResetError):
                pass
            lines.append(client.read_line())
        told = lines.count(b'ERROR Too many open connections\r\n')
        self.assertGreaterEqual(told, 40)
        self.assertEqual(self.stats('rejected_connections', 'total_connections'),
                         [rejected + told, total + 100 - told])

    def test_no_descriptor_left(self):
        """Those who wait meanwhile are served when others have gone."""
        limits = self.take_descriptors()
        names = 'accepting_conns', 'listen_disabled_num', 'time_in_listen_disabled_us'
        self.assertEqual(self.stats(*names), [1, 0, 0])
        clients = [self.spare]
        while self.stat('accepting_conns') == 1 and len(clients) < 45:
            clients += self.one_more()
        self.until(lambda: self.stat('accepting_conns') == 0)
        self.assertGreaterEqual(self.stat('listen_disabled_num'), 1)
        resource.prlimit(self.under_test.pid, resource.RLIMIT_NOFILE, limits)
        for client in clients[:30]:
            client.close()
        for client in clients[30:] or [self.under_test.connect()]:
            self.addCleanup(client.close)
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')
        self.until(lambda: self.stat('accepting_conns') == 1)
        self.assertGreater(self.stat('time_in_listen_disabled_us'), 0)

    def one_more(self):
        """A connection, or none: memcached makes its queue short while it doesn't accept."""
        try:
            client = self.under_test.connect(timeout=2 if server.ORIGINAL else server.TIMEOUT_S)
        except TimeoutError:
            return []
        self.addCleanup(client.close)
        client.socket.settimeout(server.TIMEOUT_S)
        return [client]

    def take_descriptors(self):
        """Starts a server that has room for fewer than 45 connections; returns the limits it had. memcached looks at
        the limit with each connection; ours doesn't get to see it."""
        if not server.ORIGINAL:
            self.asker_of(flags=('-c', '50'), cores=2, nofile=(35, 35), before=hide_limit)
            self.spare = self.one_more()[0]
            return 35, 35
        self.asker_of(flags=OWN)
        self.spare = self.one_more()[0]
        self.spare.ask(b'version\r\n')
        pid = self.under_test.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir('/proc/%d/fd' % pid)))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        return limits


class Room(EventTest):
    """Where memory is short."""

    def test_evictions(self):
        """What was stored is there or was evicted."""
        self.asker_of(flags=('-m', '8') + QUIET)
        for n in range(20):  # slowly, so that memcached can follow with its pages
            self.fill(b'%d-' % n, 200, exptime=500)
        stored, now, evicted, unread = self.stats('total_items', 'curr_items', 'evictions',
                                                  'evicted_unfetched')
        self.assertGreater(evicted, 2000)
        self.assertEqual([stored, now + evicted, unread], [4000, 4000, evicted])
        self.assertLessEqual(self.stat('bytes'), 8 * MIB)
        items = self.sub(b'items')
        for name in ('evicted', 'evicted_unfetched', 'evicted_nonzero'):
            self.assertEqual(self.total(items, name), evicted)
        self.assertLess(self.total(items, 'evicted_time'), server.TIMEOUT_S)
        self.assertEqual(self.total(items, 'outofmemory'), 0)

    @staticmethod
    def total(found, name):
        """The sum over all classes."""
        return sum(int(value) for key, value in found.items() if key.split(':')[-1] == name)

    def test_evicted_after_being_read(self):
        self.asker_of(flags=('-m', '8') + QUIET)
        for n in range(800):
            self.fill(b'%d-' % n, 5)
            self.asker.run(b''.join(b'get %d-%d\r\n' % (n, m) for m in range(5)))
        evicted, unread = self.stats('evictions', 'evicted_unfetched')
        self.assertGreater(evicted, 2000)
        self.assertLess(unread, evicted / 4)
        self.assertEqual(self.total(self.sub(b'items'), 'evicted_nonzero'), 0)

    @unittest.skipIf(server.ORIGINAL, 'its classes keep the sizes apart')
    def test_turned_away(self):
        """What is large and was never read, but not where hits are to be of bytes."""
        with tempfile.TemporaryDirectory() as folder:
            for words in ((), ('-e', folder + '/1'), ('-o', 'hits=bytes'),
                          ('-e', folder + '/2', '-o', 'hits=bytes')):
                self.asker_of(cores=1, flags=('-m', '8') + QUIET + words)
                for n in range(50):
                    sizes = [100] * 475 + [9000] * 25
                    self.ask_quietly(b''.join(b'ms %d-%d %d q\r\n%s\r\n' % (n, m, size, b'x' * size)
                                              for m, size in enumerate(sizes)))
                away = self.stat('turned_away')
                self.assertEqual(away > 100, 'hits=bytes' not in words, words)
                self.assertEqual(self.total(self.sub(b'items'), 'turned_away'), away)
                self.assertLessEqual(away, self.stat('evicted_unfetched'))

    @unittest.skipIf(server.ORIGINAL, 'its maintainer moves what it likes')
    def test_moves(self):
        """Small items, all of them read once and some often: much of what is new has to stay, more
        than can be moved while others are written."""
        self.asker_of(cores=1, flags=('-m', '8') + QUIET)
        hot = b''.join(b'mg 0-%d s q\r\n' % m for m in range(1000))
        value = b'x' * 100
        for n in range(150):
            self.ask_quietly(b''.join(b'ms %d-%d 100 q\r\n%s\r\n' % (n, m, value)
                                      for m in range(1000)))
            self.ask_quietly(b''.join(b'mg %d-%d s q\r\n' % (n, m) for m in range(1000)) + hot)
        names = 'moves_to_warm', 'moves_within_lru', 'direct_reclaims'
        moved = self.stats(*names)
        items = self.sub(b'items')
        for name, number in zip(names, moved):
            self.assertGreater(number, 0, name)
            self.assertEqual(self.total(items, name), number)

    def ask_quietly(self, requests):
        """Sends them and reads what they answer."""
        self.client.send(requests + b'mn\r\n')
        while self.client.read_line() != b'MN\r\n':
            pass

    def test_expired_makes_room(self):
        """Expired items aren't evicted but reclaimed."""
        self.asker_of(flags=('-m', '8') + QUIET)
        self.fill(b'dead', 200, exptime=1)
        self.pass_seconds(4)
        for n in range(10):
            self.fill(b'%d-' % n, 200)
        evicted, reclaimed, unread, now = self.stats('evictions', 'reclaimed', 'expired_unfetched',
                                                     'curr_items')
        self.assertEqual(reclaimed, unread)
        self.assertEqual(evicted + reclaimed + now, 2200)
        self.assertEqual(self.total(self.sub(b'items'), 'reclaimed'), reclaimed)
        if server.ORIGINAL:  # looks for them at a queue's end only
            self.assertGreater(reclaimed, 0)
        else:
            self.assertEqual(reclaimed, 200)

    def test_no_memory_for_values(self):
        """With -M."""
        self.asker_of(flags=('-M', '-m', '8'))
        answers = [self.client.ask(b'set k%d 0 0 500000\r\n%s\r\n' % (n, b'v' * 500000))
                   for n in range(30)]
        refused = answers.count(b'SERVER_ERROR out of memory storing object\r\n')
        self.assertGreater(refused, 5)
        self.assertEqual(answers.count(b'STORED\r\n'), len(answers) - refused)
        self.assertEqual(self.stat('store_no_memory'), refused)

    @unittest.skipIf(server.ORIGINAL or server.SANITIZED, 'it takes what it needs beforehand')
    def test_malloc_fails(self):
        """A connection for which there is no memory is closed, and counted; others go on."""
        self.asker_of(flags=OWN)
        pid = self.under_test.pid
        limits = resource.prlimit(pid, resource.RLIMIT_DATA)
        resource.prlimit(pid, resource.RLIMIT_DATA, (4096, limits[1]))
        with self.under_test.connect() as large:
            large.send(b'stats sizes\r\n')  # 256 KiB to count in
            self.assertEqual(large.read_all(), b'')
        resource.prlimit(pid, resource.RLIMIT_DATA, limits)
        self.assertEqual(self.stat('malloc_fails'), 1)
        self.assertEqual(self.client.ask(b'set b 0 0 1000000\r\n%s\r\n' % (b'x' * 1000000)),
                         b'STORED\r\n')


class Dead(EventTest):
    """Expired and flushed items: met, or found by the crawler."""

    def test_met(self):
        self.asker_of(cores=2, flags=QUIET)
        self.asker.run(b'set here 0 0 1\r\nx\r\nset other 0 0 1\r\nx\r\n')
        self.pass_seconds(2)  # memcached takes what is younger than its flush away at once
        names = 'get_expired', 'get_flushed', 'get_misses', 'cmd_get'
        self.asker.run(b'flush_all\r\nget here\r\nget here other\r\n')
        self.assertEqual(self.stats(*names), [0, 2, 3, 3])
        for word in (b'get past', b'touch past 0', b'delete past', b'mg past', b'incr past 1'):
            expired = self.stat('get_expired')
            self.asker.run(b'set past 0 -1 1\r\nx\r\n%s\r\n%s\r\n' % (word, word))
            self.assertEqual(self.stat('get_expired'), expired + 1, word)
        # Here those count too that an operation met.
        self.assertEqual(self.stat('expired_unfetched'), 0 if server.ORIGINAL else 5)
        self.assertEqual(self.stat('reclaimed'), 0)

    def test_crawled(self):
        self.asker_of(cores=3, flags=QUIET)
        names = ('lru_crawler_starts', 'crawler_items_checked', 'crawler_reclaimed', 'curr_items',
                 'expired_unfetched')
        self.asker.run(b''.join(b'set live%d 0 0 1\r\nx\r\n' % n for n in range(50)))
        self.assertEqual(self.stats(*names), [0, 0, 0, 50, 0])
        self.assertEqual(self.client.ask(b'lru_crawler enable\r\n'), b'OK\r\n')
        self.crawl()
        self.until(lambda: self.stat('crawler_items_checked') >= 50)
        starts, _, reclaimed, now, _ = self.stats(*names)
        self.assertGreaterEqual(starts, 1)
        self.assertEqual([reclaimed, now], [0, 50])
        self.asker.run(b''.join(b'set dead%d 0 -1 1\r\nx\r\n' % n for n in range(30)))
        self.crawl()
        self.until(lambda: self.stat('curr_items') == 50)
        self.until(lambda: self.stat('crawler_reclaimed') == 30)
        more, checked, _, _, unread = self.stats(*names)
        self.assertGreater(more, starts)
        self.assertGreaterEqual(checked, 130 if server.ORIGINAL else 80)
        self.assertEqual(unread, 30)
        self.until(lambda: self.stat('lru_crawler_running') == 0)

    def crawl(self):
        """As often as it takes to be let: memcached does one crawl after the other."""
        self.until(lambda: self.client.ask(b'lru_crawler crawl all\r\n') == b'OK\r\n')

    def test_running(self):
        """Seen while a crawl goes on: it rests a second behind each slice."""
        if server.ORIGINAL:  # which rests once in many items
            return
        self.asker_of(cores=1)
        self.asker.run(b''.join(b'set k%d 0 0 1\r\nx\r\n' % n for n in range(5000)))
        self.assertEqual(self.client.ask(b'lru_crawler sleep 1000000\r\n'), b'OK\r\n')
        self.crawl()
        self.until(lambda: self.stat('lru_crawler_running') == 1)
        self.assertEqual(self.client.ask(b'lru_crawler sleep 0\r\n'), b'OK\r\n')
        self.until(lambda: self.stat('lru_crawler_running') == 0)


class Sums(EventTest):
    """stats items and stats slabs are the general statistics, by class."""

    def classes(self, word):
        found = {}
        for key, value in self.sub(word).items():
            *_, number, name = ['', ''] + key.removeprefix('items:').split(':')
            found.setdefault(number, {})[name] = int(value)
        return found

    def test_sums(self):
        self.asker_of(cores=3, flags=('-o', 'no_lru_crawler'))
        begun = time.monotonic()
        for n in range(100):
            self.asker.run(b'set k%d 0 0 %d\r\n%s\r\nget k%d none\r\n'
                           % (n, n * 50, b'x' * (n * 50), n))
        self.asker.run(b'set n 0 0 1\r\n1\r\nincr n 1\r\ndecr n 1\r\ntouch n 0\r\n'
                       b'set m 0 0 1\r\n1\r\ncas m 0 0 1 1\r\n1\r\ndelete m\r\n')
        general = {name: int(value) for name, value in self.asker.stats()[0].items()
                   if value.isdigit()}
        items, slabs = self.classes(b'items'), self.classes(b'slabs')
        whole = slabs.pop('')
        self.check_items(list(items.values()), general)
        self.check_slabs(list(slabs.values()), general)
        self.assertEqual(whole['active_slabs'], len(slabs))
        pages = sum(one['total_pages'] for one in slabs.values())
        page = MIB if server.ORIGINAL else general['segment_size']
        self.assertEqual(whole['total_malloced'], pages * page)
        for age in range(1, 4):
            self.until(lambda age=age: age <= self.age() <= time.monotonic() - begun + 1)

    def age(self):
        return max(one['age'] for one in self.classes(b'items').values())

    def check_items(self, items, general):
        def total(name):
            return sum(one[name] for one in items)
        self.assertEqual(total('number'), general['curr_items'])
        self.assertEqual(total('mem_requested'), general['bytes'])
        self.assertEqual(total('number_hot') + total('number_warm') + total('number_cold'),
                         general['curr_items'])
        hits = general['get_hits'] + (0 if server.ORIGINAL else general['touch_hits'])
        self.assertEqual(sum(total('hits_to_' + part) for part in ('hot', 'warm', 'cold', 'temp')),
                         hits)
        for name in ('evicted_unfetched', 'expired_unfetched', 'reclaimed', 'crawler_reclaimed',
                     'crawler_items_checked'):
            self.assertEqual(total(name), general[name])

    def check_slabs(self, slabs, general):
        def total(name):
            return sum(one[name] for one in slabs)
        self.assertEqual(total('used_chunks'), general['curr_items'])
        for name in ('get_hits', 'delete_hits', 'incr_hits', 'decr_hits', 'cas_hits', 'cas_badval',
                     'touch_hits', 'cmd_set'):
            self.assertEqual(total(name), general[name], name)
        for one in slabs:
            self.assertEqual(one['used_chunks'] + one['free_chunks'], one['total_chunks'])
            self.assertLessEqual(one['chunk_size'] * one['chunks_per_page'], MIB)
            self.assertGreater(one['chunk_size'], 0)

    def test_reset(self):
        """The counts of both begin again."""
        self.asker_of(cores=2)
        self.asker.run(b'set a 0 0 1\r\n1\r\nget a\r\nincr a 1\r\ntouch a 0\r\n')
        self.assertEqual(self.client.ask(b'stats reset\r\n'), b'RESET\r\n')
        items, slabs = self.classes(b'items'), self.classes(b'slabs')
        slabs.pop('')
        self.assertEqual([one['number'] for one in items.values()], [1])
        for one in slabs.values():
            self.assertEqual([one[name] for name in ('get_hits', 'cmd_set', 'incr_hits',
                                                     'touch_hits')], [0] * 4)


if __name__ == '__main__':
    server.main()
