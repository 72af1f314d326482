"""Who reads which statistics, and how: every name is there, in the protocol that the program asks in,
and is of the form that its parser takes. The programs that Debian has run in stats_programs.py.

A table's groups are the sub-commands; with items and slabs, each class has all the names.
"""
import re

import server
from binary import STAT, request
from stats import BinaryAsker, TextAsker

COLLECTD_BYTES = 4096  # its buffer; what is behind is lost

# What a parser takes.


def number(text):
    """A double, for Go, Perl, Python or C."""
    return re.fullmatch(r'\d+(\.\d+)?', text)


def integer(text):
    """64 bits with a sign; a leading 0 would make it octal for Go."""
    return re.fullmatch(r'0|[1-9]\d*', text) and int(text) < 1 << 63


def time_spent(text):
    """Split at the point; what is behind it counts as microseconds, so there are six digits."""
    return re.fullmatch(r'(0|[1-9]\d*)\.\d{6}', text)


def switch(text):
    return text in ('yes', 'no')


def word(text):
    """Lines of more than three words are passed over."""
    return re.fullmatch(r'\S+', text)


def short_word(text):
    """libmemcached copies the version into 24 bytes, unchecked, and wants a number first."""
    return re.fullmatch(r'[1-9]\d*\.\S+', text) and len(text) < 24


def names(**rules):
    """Names by the function of this module that takes their values."""
    return {name: globals()[rule] for rule, text in rules.items() for name in text.split()}


HITS = ''.join('%s_hits %s_misses ' % (op, op)
               for op in ('get', 'delete', 'incr', 'decr', 'cas', 'touch'))

# github.com/prometheus/memcached_exporter 0.16: what it doesn't find it leaves out, a value that
# can't be parsed makes memcached_up 0, and a metric that comes twice an answer of status 500.
PROMETHEUS = {
    '': names(word='version', time_spent='rusage_user rusage_system', number=HITS + '''
        uptime time cas_badval cmd_flush cmd_set bytes limit_maxbytes curr_items total_items
        bytes_read bytes_written curr_connections total_connections rejected_connections
        conn_yields listen_disabled_num evictions reclaimed store_too_large store_no_memory
        lru_crawler_starts direct_reclaims crawler_items_checked crawler_reclaimed moves_to_cold
        moves_to_warm moves_within_lru accepting_conns'''),
    'settings': names(switch='lru_crawler lru_maintainer_thread', number='''maxconns
        lru_crawler_sleep lru_crawler_tocrawl hot_lru_pct warm_lru_pct hot_max_factor
        warm_max_factor'''),
    'items': names(number='''number age hits_to_hot hits_to_warm hits_to_cold hits_to_temp
        crawler_reclaimed evicted evicted_nonzero evicted_time evicted_unfetched expired_unfetched
        outofmemory reclaimed tailrepairs mem_requested moves_to_cold moves_to_warm moves_within_lru
        number_hot number_warm number_cold age_hot age_warm'''),
    'slabs': names(number='''get_hits delete_hits incr_hits decr_hits cas_hits touch_hits cas_badval
        cmd_set chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks
        free_chunks_end total_malloced'''),
}

# telegraf, plugins/inputs/memcached: a value that is no integer would become a field of text.
TELEGRAF = {'': names(integer='''accepting_conns auth_cmds auth_errors bytes bytes_read bytes_written
    cas_badval cas_hits cas_misses cmd_flush cmd_get cmd_set cmd_touch conn_yields
    connection_structures curr_connections curr_items decr_hits decr_misses delete_hits
    delete_misses evicted_active evicted_unfetched evictions expired_unfetched get_expired
    get_flushed get_hits get_misses hash_bytes hash_is_expanding hash_power_level incr_hits
    incr_misses limit_maxbytes listen_disabled_num max_connections reclaimed rejected_connections
    store_no_memory store_too_large threads total_connections total_items touch_hits touch_misses
    uptime''')}

# libmemcached 1.0 and 1.1, memcached_stat().
LIBMEMCACHED = {'': names(short_word='version', time_spent='rusage_user rusage_system',
                          integer='''pid uptime time pointer_size curr_items total_items bytes
    curr_connections total_connections connection_structures cmd_get cmd_set get_hits get_misses
    evictions bytes_read bytes_written limit_maxbytes threads''')}

# Datadog's mcache check, by bmemcached.
DATADOG = {
    '': names(word='version', number='''total_items curr_items limit_maxbytes uptime bytes
        curr_connections max_connections connection_structures threads pointer_size rusage_user
        rusage_system cmd_get cmd_set cmd_flush get_hits get_misses delete_misses delete_hits
        evictions bytes_read bytes_written cas_misses cas_hits cas_badval total_connections
        listen_disabled_num'''),
    'items': names(number='''evicted evicted_nonzero expired_unfetched evicted_unfetched outofmemory
        tailrepairs moves_to_cold moves_to_warm moves_within_lru reclaimed crawler_reclaimed
        lrutail_reflocked direct_reclaims number number_hot number_warm number_cold age
        evicted_time'''),
    'slabs': names(number='''get_hits cmd_set delete_hits incr_hits decr_hits cas_hits cas_badval
        touch_hits used_chunks chunk_size chunks_per_page total_pages total_chunks free_chunks
        free_chunks_end active_slabs total_malloced'''),
}

# New Relic's nri-memcached, in binary: Go's integers, and errors in its log for what is missing.
NEW_RELIC = {
    '': names(number='rusage_user rusage_system', word='version', integer=HITS + '''
        bytes curr_items total_items limit_maxbytes bytes_read bytes_written
        time_in_listen_disabled_us expired_unfetched cas_badval get_expired get_flushed cmd_get
        cmd_set cmd_flush cmd_touch listen_disabled_num hash_power_level accepting_conns
        hash_is_expanding evictions evicted_unfetched connection_structures curr_connections
        total_connections conn_yields pid log_watcher_skipped crawler_items_checked auth_errors
        hash_bytes uptime auth_cmds reclaimed log_watcher_sent time pointer_size threads
        crawler_reclaimed lrutail_reflocked malloc_fails log_worker_dropped log_worker_written'''),
    'items': names(integer='''evicted_time evicted evicted_nonzero expired_unfetched
        evicted_unfetched outofmemory number number_hot number_cold number_warm tailrepairs
        crawler_reclaimed crawler_items_checked reclaimed lrutail_reflocked age direct_reclaims
        moves_to_cold moves_to_warm moves_within_lru'''),
    'slabs': names(integer='''get_hits cmd_set delete_hits incr_hits decr_hits cas_hits cas_badval
        touch_hits used_chunks chunk_size chunks_per_page total_pages total_chunks free_chunks
        free_chunks_end active_slabs total_malloced'''),
}

# collectd 5: all that begins with cmd_, and these.
COLLECTD = {'': names(number='''rusage_user rusage_system threads curr_items bytes limit_maxbytes
    curr_connections total_connections listen_disabled_num cmd_get cmd_set cmd_flush cmd_touch
    incr_misses incr_hits decr_misses decr_hits get_hits get_misses evictions delete_hits
    delete_misses bytes_read bytes_written uptime''')}

NETDATA = {'': names(integer=HITS + '''limit_maxbytes bytes bytes_read bytes_written
    curr_connections rejected_connections total_connections curr_items total_items reclaimed
    evictions cmd_get cmd_set cmd_touch cas_badval''')}

# Munin's memcached_ reads what Cache::Memcached calls misc.
MUNIN = {'': names(number='''get_hits get_misses cmd_get cmd_set total_items total_connections
    bytes_read bytes_written curr_items curr_connections bytes''')}

PHPMEMCACHEDADMIN = {
    '': names(word='version', number=HITS + '''uptime cmd_get cmd_set cmd_flush cas_badval
        limit_maxbytes bytes evictions reclaimed evicted_unfetched expired_unfetched bytes_read
        bytes_written curr_connections total_connections listen_disabled_num accepting_conns
        curr_items total_items hash_bytes hash_power_level hash_is_expanding slab_reassign_running
        slabs_moved'''),
    'settings': names(word='''inter evictions domain_socket umask growth_factor cas_enabled
        auth_enabled_sasl detail_enabled''', integer='''maxbytes maxconns tcpport udpport oldest
        chunk_size num_threads reqs_per_event tcp_backlog'''),
    'slabs': names(integer='''used_chunks total_chunks chunk_size total_pages get_hits cmd_set
        delete_hits cas_hits cas_badval incr_hits decr_hits active_slabs total_malloced'''),
    'items': names(integer='mem_requested number age evicted'),
}

MEMCACHED_TOOL = {
    'items': names(integer='number age evicted evicted_time outofmemory'),
    'slabs': names(integer='chunk_size total_pages used_chunks total_chunks'),
}

CONSUMERS = [
    ('the Prometheus exporter', TextAsker, PROMETHEUS),
    ('telegraf', TextAsker, TELEGRAF),
    ('libmemcached', TextAsker, LIBMEMCACHED),
    ('libmemcached --binary', BinaryAsker, LIBMEMCACHED),
    ('Datadog', BinaryAsker, DATADOG),
    ('New Relic', BinaryAsker, NEW_RELIC),
    ('collectd', TextAsker, COLLECTD),
    ('netdata', TextAsker, NETDATA),
    ('Munin', TextAsker, MUNIN),
    ('phpMemcachedAdmin', TextAsker, PHPMEMCACHEDADMIN),
    ('memcached-tool', TextAsker, MEMCACHED_TOOL),
]
# Of stats slabs, but of no class.
WHOLE = {'active_slabs', 'total_malloced'}


def asker_of(kind, client, group):
    """It asks for a sub-command."""
    asker = kind(client)
    if kind is TextAsker:
        asker.PROBE = b'stats %s\r\n' % group.encode() if group else b'stats\r\n'
    else:
        asker.PROBE = request(STAT, group.encode())
    return asker


def by_class(found):
    """Figures of items or slabs, by class; those of no class under ''."""
    classes = {}
    for key, value in found.items():
        number_, _, name = key.removeprefix('items:').rpartition(':')
        classes.setdefault(number_, {})[name] = value
    return classes


class Consumers(server.ServerTest):
    """On a server that has seen some of everything, and on one that has just begun."""

    def start_full(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            TextAsker(client).run(
                b''.join(b'set k%d 0 %d 9\r\n123456789\r\nget k%d\r\ntouch k%d 0\r\nincr k%d 1\r\n'
                         % (n, n, n, n, n) for n in range(500))
                + b'delete k1\r\ncas k2 0 0 1 1\r\nx\r\nset large 0 0 500000\r\n%s\r\n' % (b'x' * 500000))
        return under_test

    def check(self, found, table, what):
        missing = [name for name in table if name not in found]
        self.assertEqual(missing, [], what)
        wrong = {name: found[name] for name, takes in table.items() if not takes(found[name])}
        self.assertEqual(wrong, {}, what)

    def check_classes(self, found, table, what):
        classes = by_class(found)
        self.check(classes.pop('', {}), {name: takes for name, takes in table.items()
                                         if name in WHOLE}, what)
        table = {name: takes for name, takes in table.items() if name not in WHOLE}
        for figures in classes.values():
            self.check(figures, table, what)
        return len(classes)

    def test_all(self):
        under_test = self.start_full()
        for consumer, kind, groups in CONSUMERS:
            for group, table in groups.items():
                with self.subTest(consumer=consumer, group=group), under_test.connect() as client:
                    found, _ = asker_of(kind, client, group).stats()
                    if group not in ('items', 'slabs'):
                        self.check(found, table, consumer)
                    else:
                        self.assertGreater(self.check_classes(found, table, consumer), 0)

    def test_on_an_empty_server(self):
        """As memcached, no classes then, which all of them take."""
        under_test = self.start(cores=2)
        for consumer, kind, groups in CONSUMERS:
            with self.subTest(consumer=consumer), under_test.connect() as client:
                for group, table in groups.items():
                    found, _ = asker_of(kind, client, group).stats()
                    if group not in ('items', 'slabs'):
                        self.check(found, table, consumer)
                    else:
                        self.check_classes(found, table, consumer)

    def test_each_metric_once(self):
        """The exporter makes one metric of what items and slabs tell under these names, and a name
        told twice in one answer would be one too."""
        with self.start_full().connect() as client:
            items, slabs = (by_class(asker_of(TextAsker, client, group).stats()[0])
                            for group in ('items', 'slabs'))
            for number_, figures in slabs.items():
                both = set(figures) & set(items.get(number_, {}))
                self.assertEqual(both & {'mem_requested', 'store_too_large', 'store_no_memory'},
                                 set())
            for group in (b'', b' settings', b' items', b' slabs'):
                client.send(b'stats%s\r\n' % group)
                told = []
                while (line := client.read_line()) != b'END\r\n':
                    # three words, and in settings at least three, or the exporter stops
                    self.assertRegex(line, rb'^STAT \S+ \S+\r\n$')
                    told.append(line.split()[1])
                self.assertEqual(len(told), len(set(told)))

    def test_collectd_takes_it_whole(self):
        """With room for all of the numbers to grow to twelve digits."""
        with self.start_full().connect() as client:
            found, length = TextAsker(client).stats()
        grown = sum(max(0, 12 - len(value)) for value in found.values() if value.isdigit())
        self.assertLess(length + grown, COLLECTD_BYTES)

    def test_binary_tells_the_same(self):
        """Each group, name by name, in both protocols."""
        under_test = self.start_full()
        with under_test.connect() as text, under_test.connect() as binary:
            for group in ('', 'settings', 'items', 'slabs'):
                told = asker_of(TextAsker, text, group).stats()[0]
                told_there = asker_of(BinaryAsker, binary, group).stats()[0]
                self.assertEqual(list(told), list(told_there))
                lasting = [name for name in told if name.split(':')[-1] in (
                    'curr_items', 'cmd_get', 'number', 'used_chunks', 'maxbytes', 'inter')]
                self.assertEqual([told[name] for name in lasting],
                                 [told_there[name] for name in lasting])

    def test_parsers(self):
        """The rules refuse what the parsers would."""
        for takes, good, bad in ((integer, '0 12', '012 1.5 -1 yes 9223372036854775808'),
                                 (number, '0 1.25', 'yes -1 1.2.3'),
                                 (time_spent, '0.000001 12.345678', '1.5 1 1.1234567 1.2.3'),
                                 (switch, 'yes no', 'on 1'),
                                 (short_word, '1.6.45', 'v1.2 0.9 1.6.45-a-very-long-version-x')):
            for text in good.split():
                self.assertTrue(takes(text), text)
            for text in bad.split():
                self.assertFalse(takes(text), text)


if __name__ == '__main__':
    server.main()
