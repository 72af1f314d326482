"""HTTP: what /metrics, /stats.json, /history.json, /healthz and /readyz answer, to whom, and when."""
import http.client as http_client
import os
import re
import signal
import ssl
import tempfile
import time
import unittest

import pki
import prometheus_text
import server
from metrics_server import MetricsTest

TLS = os.environ.get('TLS') == '1'

# The memcached exporter's metrics (v0.16.0), without memcached_: counters, gauges, and those with labels.
COUNTERS = '''uptime_seconds process_user_cpu_seconds_total process_system_cpu_seconds_total read_bytes_total
    written_bytes_total connections_total connections_rejected_total connections_yielded_total
    connections_listener_disabled_total items_total items_evicted_total items_reclaimed_total item_too_large_total
    item_no_memory_total direct_reclaims_total lru_crawler_starts_total lru_crawler_reclaimed_total
    lru_crawler_items_checked_total lru_crawler_moves_to_cold_total lru_crawler_moves_to_warm_total
    lru_crawler_moves_within_lru_total'''.split()
GAUGES = '''up time_seconds current_connections max_connections accepting_connections current_bytes limit_bytes
    current_items malloced_bytes lru_crawler_enabled lru_crawler_sleep lru_crawler_to_crawl
    lru_crawler_maintainer_thread lru_crawler_hot_percent lru_crawler_warm_percent lru_crawler_hot_max_factor
    lru_crawler_warm_max_factor'''.split()
SLAB_GAUGES = '''current_items items_age_seconds hot_items warm_items cold_items temporary_items hot_age_seconds
    warm_age_seconds chunk_size_bytes chunks_per_page current_pages current_chunks chunks_used chunks_free
    chunks_free_end mem_requested_bytes items_evicted_time_seconds'''.split()
SLAB_COUNTERS = '''items_evicted_total items_evicted_nonzero_total items_evicted_unfetched_total
    items_expired_unfetched_total items_outofmemory_total items_reclaimed_total items_tailrepairs_total
    items_crawler_reclaimed_total items_moves_to_cold items_moves_to_warm items_moves_within_lru'''.split()

# The line of `stats` that each tells.
SAME = dict(read_bytes_total='bytes_read', current_connections='curr_connections', max_connections='max_connections',
            connections_total='total_connections', connections_rejected_total='rejected_connections',
            connections_yielded_total='conn_yields', connections_listener_disabled_total='listen_disabled_num',
            accepting_connections='accepting_conns', current_bytes='bytes', limit_bytes='limit_maxbytes',
            current_items='curr_items', items_total='total_items', items_evicted_total='evictions',
            items_reclaimed_total='reclaimed', item_too_large_total='store_too_large',
            item_no_memory_total='store_no_memory', direct_reclaims_total='direct_reclaims')

# Command and status, and what gives the same in `stats`.
COMMANDS = {('get', 'hit'): 'get_hits', ('get', 'miss'): 'get_misses', ('delete', 'hit'): 'delete_hits',
            ('delete', 'miss'): 'delete_misses', ('incr', 'hit'): 'incr_hits', ('incr', 'miss'): 'incr_misses',
            ('decr', 'hit'): 'decr_hits', ('decr', 'miss'): 'decr_misses', ('cas', 'hit'): 'cas_hits',
            ('cas', 'miss'): 'cas_misses', ('cas', 'badval'): 'cas_badval', ('touch', 'hit'): 'touch_hits',
            ('touch', 'miss'): 'touch_misses', ('flush', 'hit'): 'cmd_flush'}

LOAD = (b'set a 0 0 5\r\nhello\r\nset b 0 0 1\r\n5\r\nget a b c\r\nincr b 1\r\nincr x 1\r\ndecr b 1\r\ndecr x 1\r\n'
        b'touch a 0\r\ntouch x 0\r\ndelete a\r\ndelete x\r\ncas x 0 0 1 1\r\n1\r\ncas b 0 0 1 1\r\n1\r\nadd b 0 0 1\r\n1\r\n'
        b'flush_all 100000\r\n')


class Pages(MetricsTest):
    def loaded(self, **options):
        """One that has done each command once, at least."""
        under_test = self.begin(**options)
        with under_test.connect() as client:
            client.send(LOAD + b'mn\r\n')
            while client.read_line() != b'MN\r\n':
                pass
        return under_test

    def expect(self, family, kind, value=None, **labels):
        self.assertEqual(family.type, kind, family.name)
        self.assertTrue(family.help.endswith('.'), family.help)
        if value is not None:
            self.assertEqual(family.sample(**labels), float(value), (family.name, labels))

    def test_exporter(self):
        """Its names, labels and types; values as in `stats`, with each number of reactors."""
        for cores in 1, 2, 5:
            with self.subTest(cores=cores):
                under_test = self.loaded(cores=cores)
                stats = under_test.stats()
                families = under_test.page().families
                for name in COUNTERS + GAUGES:
                    kind = 'counter' if name in COUNTERS else 'gauge'
                    # The connection that asked for `stats` may have ended since.
                    told = stats.get(SAME.get(name)) if 'connections' not in name and 'read_' not in name else None
                    self.expect(families['memcached_' + name], kind, told)
                for name in SLAB_COUNTERS + SLAB_GAUGES:
                    kind = 'counter' if name in SLAB_COUNTERS else 'gauge'
                    self.expect(families['memcached_slab_' + name], kind)
                    families['memcached_slab_' + name].sample(slab='1')
                self.expect(families['memcached_version'], 'gauge', 1, version=stats['version'])
                commands = families['memcached_commands_total']
                for (command, status), name in COMMANDS.items():
                    self.expect(commands, 'counter', stats[name], command=command, status=status)
                sets = sum(float(stats[name]) * sign for name, sign in
                           (('cmd_set', 1), ('cas_hits', -1), ('cas_misses', -1), ('cas_badval', -1)))
                self.expect(commands, 'counter', sets, command='set', status='hit')
                self.assertEqual(sets, 3)
                self.expect(families['memcached_slab_commands_total'], 'counter', stats['get_hits'], slab='1',
                            command='get', status='hit')
                hits = families['memcached_slab_lru_hits_total']
                self.assertEqual(sum(hits.sample(slab='1', lru=lru) for lru in ('hot', 'warm', 'cold', 'temporary')),
                                 float(under_test.stats('items')['items:1:hits_to_hot'])
                                 + float(under_test.stats('items')['items:1:hits_to_warm']))

    def test_own(self):
        """Every number of `stats` is told; counters end in _total; those with labels add up."""
        under_test = self.loaded(cores=2)
        stats = under_test.stats()
        families = under_test.page().families
        own = {name: family for name, family in families.items() if name.startswith('simplecache_')}
        self.assertGreater(len(own), 50)
        for name, family in own.items():
            self.assertEqual(family.type == 'counter', name.endswith('_total'), name)
        for name in 'cmd_get cmd_set cmd_touch auth_cmds segments store_bytes ghost_hits total_items'.split():
            told = own.get('simplecache_' + name) or own.get('simplecache_%s_total' % name) or families.get(
                'memcached_items_total')
            self.assertEqual(told.sample(), float(stats[name]), name)
        items = own['simplecache_core_items']
        self.assertEqual(sum(items.samples.values()), float(stats['curr_items']))
        self.assertEqual(sum(own['simplecache_core_gets_total'].samples.values()), float(stats['cmd_get']))
        queues = own['simplecache_queue_items']
        self.assertEqual(queues.sample(queue='small') + queues.sample(queue='main'), float(stats['curr_items']))
        memory = own['simplecache_memory_use_bytes']
        uses = [memory.sample(use=use) for use in ('small_items', 'main_items', 'dead_items', 'segments_rest', 'index',
                                                   'ghosts', 'bookkeeping')]
        self.assertEqual(sum(uses), float(stats['store_bytes']))
        self.assertEqual(len(own['simplecache_core_cpu_seconds_total'].samples), 2)
        ages = own['simplecache_queue_segments_by_age']
        self.assertEqual(sum(ages.samples.values()), float(stats['segments']))

    def test_connections(self):
        """By state; they add up to those that are open."""
        under_test = self.begin(cores=2)
        with under_test.connect() as watcher, under_test.connect() as client:
            self.assertEqual(watcher.ask(b'watch\r\n'), b'OK\r\n')
            client.ask(b'mn\r\n')
            for _ in range(server.TIMEOUT_S * 10):  # that of wait_ready() is soon gone
                families = under_test.page().families
                states = families['simplecache_connections']
                told = [states.sample(state=state) for state in ('serving', 'watching', 'handshake')]
                self.assertEqual(sum(told), families['memcached_current_connections'].sample())
                if told == [1, 1, 0]:
                    return
                time.sleep(0.1)
            self.fail(told)

    def test_open_metrics(self):
        """By Accept; the same families and values, and names of the exporter's stay as they are."""
        under_test = self.loaded(cores=2)
        answer = under_test.get('/metrics', Accept='application/openmetrics-text; version=1.0.0')
        self.assertEqual(answer.headers['Content-Type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8')
        families = prometheus_text.Page(answer.body, open_metrics=True).families
        plain = under_test.get('/metrics', Accept='text/html,*/*;q=0.8')
        self.assertEqual(plain.headers['Content-Type'], 'text/plain; version=0.0.4; charset=utf-8')
        known = prometheus_text.Page(plain.body).families
        names = {name for family in families.values() for name, _ in family.samples}
        self.assertEqual(names, {name for family in known.values() for name, _ in family.samples})
        self.assertEqual(families['memcached_uptime_seconds'].type, 'unknown')
        self.assertEqual(families['memcached_items'].type, 'counter')
        self.assertEqual(families['memcached_read_bytes'].unit, 'bytes')

    def test_reset(self):
        """`stats reset` is seen at once, and so is what was set before the request."""
        under_test = self.loaded(cores=2)
        with under_test.connect() as client:
            for i in range(200):
                self.assertEqual(client.ask(b'set key%d 0 0 1\r\nx\r\n' % i), b'STORED\r\n')
                if i % 20 == 0:
                    self.assertEqual(under_test.page().families['memcached_current_items'].sample(), i + 2)
            self.assertEqual(client.ask(b'stats reset\r\n'), b'RESET\r\n')
        self.assertEqual(under_test.page().families['memcached_items_total'].sample(), 0)

    def test_json(self):
        under_test = self.loaded(cores=2)
        answer = under_test.get('/stats.json')
        self.assertEqual(answer.headers['Content-Type'], 'application/json')
        told, stats = answer.json(), under_test.stats()
        moving = re.compile('time|uptime|rusage|conn|bytes_|buffer|reactor|lend|mesh|lent|message')
        self.assertEqual({name: str(value) for name, value in told['stats'].items() if not moving.search(name)},
                         {name: value for name, value in stats.items() if not moving.search(name)})
        self.assertEqual(set(told['stats']), set(stats))
        self.assertEqual(told['settings'], under_test.stats('settings'))
        self.assertEqual(sum(core['items'] for core in told['per_core']), int(stats['curr_items']))
        beside = ('connection_buffers', 'free', 'copies')
        self.assertEqual(sum(size for use, size in told['memory'].items() if use not in beside), int(stats['store_bytes']))

    def test_copies(self):
        """Of hot keys, by which reactors answer."""
        under_test = self.begin(cores=2)
        deadline = time.monotonic() + 3 * server.TIMEOUT_S
        keys = [b'hot%d' % n for n in range(16)]
        with under_test.connect() as client:
            for key in keys:
                self.assertEqual(client.ask(b'set %s 0 0 1\r\nx\r\n' % key), b'STORED\r\n')
            told = {'hot_keys': []}
            while not any(key['copied'] for key in told['hot_keys']):
                self.assertLess(time.monotonic(), deadline)
                client.send(b''.join(b'mg %s v q\r\n' % key for key in keys) * 50 + b'mn\r\n')
                while client.read_line() != b'MN\r\n':
                    pass
                told = under_test.get('/stats.json').json()
        self.assertLess(0, told['memory']['copies'])
        self.assertEqual(told['memory']['copies'], int(told['stats']['hot_bytes']))
        self.assertIn('copied', under_test.get('/history.json').json()['names'])
        families = under_test.page().families
        hits = families['simplecache_hot_hits_total'].sample()
        self.assertLess(0, hits)
        cores = families['simplecache_core_hot_hits_total']
        self.assertEqual(hits, cores.sample(core='0') + cores.sample(core='1'))
        self.assertEqual(families['simplecache_memory_use_bytes'].sample(use='copies'), told['memory']['copies'])

    def test_history(self):
        """Samples come, with the rates of what has been done; `after` leaves out what is known."""
        under_test = self.begin(cores=2)
        deadline = time.monotonic() + 3 * server.TIMEOUT_S
        with under_test.connect() as client:
            while time.monotonic() < deadline:
                client.ask(b'set a 0 0 1\r\nx\r\n')
                told = under_test.get('/history.json').json()
                names = told['names']
                if [row for row in told['rows'] if row[names.index('sets')] > 0 and row[names.index('items')] == 1]:
                    break
                time.sleep(0.1)
            else:
                self.fail(told)
        later = under_test.get('/history.json?after=%d' % told['last']).json()
        self.assertEqual(len(later['rows']), later['last'] - told['last'])
        for after in '0', '99999', '-1', 'x', '':
            self.assertGreaterEqual(len(under_test.get('/history.json?after=' + after).json()['rows']), told['last'])

    def test_nobody_is_woken(self):
        """A snapshot of reactors that sleep is taken by reactor 0."""
        under_test = self.begin(cores=3)
        under_test.page()
        turns, begun = [core['turns'] for core in under_test.get('/stats.json').json()['per_core']], time.monotonic()
        for _ in range(20):
            under_test.page()
        later = [core['turns'] for core in under_test.get('/stats.json').json()['per_core']]
        self.assertGreaterEqual(later[0] - turns[0], 20)
        # Timers wake them a few times a second.
        self.assertLess(max(later[1] - turns[1], later[2] - turns[2]), 10 + 4 * (time.monotonic() - begun))


class Requests(MetricsTest):
    def test_paths_and_methods(self):
        under_test = self.begin()
        for path in '/', '/metrics', '/stats.json', '/history.json', '/healthz', '/readyz':
            answer, head = under_test.get(path), under_test.get(path, method='HEAD')
            self.assertEqual((answer.status, head.status, head.body), (200, 200, b''), path)
            self.assertEqual(head.headers['Content-Type'], answer.headers['Content-Type'])
            self.assertEqual(answer.headers['X-Content-Type-Options'], 'nosniff')
            self.assertEqual(answer.headers['Cache-Control'], 'no-store')
            self.assertIn("default-src 'none'", answer.headers['Content-Security-Policy'])
            self.assertFalse([name for name in answer.headers if name.lower().startswith('access-control')])
        for path in '/x', '/metrics/', '/../etc/passwd', '//metrics', '/stats.json%00', '/Metrics':
            self.assertEqual(under_test.get(path).status, 404, path)
        for method in 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'get', 'NONSENSE':
            answer = under_test.get('/metrics', method=method, body=b'x' * 10, Origin='http://evil.example')
            self.assertEqual((answer.status, answer.headers['Allow']), (405, 'GET, HEAD'), method)
        self.assertEqual(under_test.get('/metrics', body=b'x' * 100000).status, 200)

    def test_keep_alive(self):
        """Several requests on one connection, and written at once."""
        under_test = self.begin()
        client = under_test.client()
        for _ in range(5):
            client.request('GET', '/readyz')
            self.assertEqual(client.getresponse().read(), b'ready\n')
        client.close()
        with server.Connection(under_test.http_port) as raw:
            raw.send(b'GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n' * 50
                     + b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
            answered = raw.read_all()
        self.assertEqual((answered.count(b'ready\n'), answered.count(b'ok\n')), (50, 1))

    def test_host(self):
        """On a loopback address without logins it is an address or localhost."""
        under_test = self.begin()
        port = under_test.http_port
        for host in 'localhost', 'LOCALHOST:%d' % port, '127.0.0.1', '127.0.0.1:1', '[::1]:%d' % port, '192.0.2.7':
            self.assertEqual(under_test.get('/metrics', Host=host).status, 200, host)
        for host in ('evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', 'localhost:80:90', '[::1',
                     '[evil]', ':80', '127.0.0.1:x', 'localhost evil', 'x' * 5000):
            for path in '/', '/metrics', '/stats.json', '/healthz':
                self.assertEqual(under_test.get(path, Host=host).status, 403, (host, path))
        with server.Connection(port) as raw:
            raw.send(b'GET /readyz HTTP/1.0\r\n\r\n')
            self.assertTrue(raw.read_all().endswith(b'ready\n'))

    def test_open_address(self):
        """One that others reach is told of; there names are names."""
        under_test = self.begin(address='0.0.0.0:', talks=True)
        self.assertRegex(under_test.errors(), r'\Asimplecache: -o metrics: whoever reaches 0\.0\.0\.0:%d may read the '
                         r'figures: give -o metrics_auth=FILE, or a loopback address\n\Z' % under_test.http_port)
        self.assertEqual(under_test.get('/metrics', Host='cache.example').status, 200)

    def test_several_addresses(self):
        port = server.free_port()
        under_test = self.begin('-o', 'metrics=127.0.0.2:%d,metrics=-1' % port)
        free = re.findall(r'metrics:127\.0\.0\.1:(\d+)', under_test.output())
        self.assertEqual(len(free), 2)
        for host, where in (('127.0.0.1', free[0]), ('127.0.0.1', free[1]), ('127.0.0.2', port)):
            with server.Connection(int(where), host=host) as raw:
                raw.send(b'GET /readyz HTTP/1.0\r\n\r\n')
                self.assertTrue(raw.read_all().endswith(b'ready\n'))

    def stopping_answers(self):
        """What /readyz answers from the order to stop on, while a client keeps the server waiting, which it does for
        a second at most."""
        under_test = self.begin(cores=2)
        answers = []
        with under_test.connect() as client:
            client.send(b'set a 0 0 1000000\r\n' + b'x' * 1000000 + b'\r\n')
            self.assertEqual(client.read_line(), b'STORED\r\n')
            client.send(b'get a\r\n' * 50)
            client.read(1000)
            http = under_test.client()
            http.request('GET', '/readyz')
            self.assertEqual(http.getresponse().read(), b'ready\n')
            under_test.process.send_signal(signal.SIGTERM)
            try:
                while (503, b'stopping\n') not in answers:
                    http.request('GET', '/readyz')
                    response = http.getresponse()
                    answers.append((response.status, response.read()))
                    http.request('GET', '/healthz')
                    self.assertEqual(http.getresponse().read(), b'ok\n')
            except (OSError, http_client.HTTPException):
                pass  # it has ended, before this test had its turn
            http.close()
        return set(answers)

    def test_stop(self):
        """/readyz is 503 from the order to stop on; then the server ends."""
        seen = set()
        for _ in range(10):
            seen |= self.stopping_answers()
            self.assertLessEqual(seen, {(200, b'ready\n'), (503, b'stopping\n')})
            if (503, b'stopping\n') in seen:
                break
        self.assertIn((503, b'stopping\n'), seen)


    def test_drain(self):
        """/readyz is 503 from the order to stop on, though clients are served for a while yet."""
        under_test = self.begin('-o', 'drain=600')
        http = under_test.client()
        http.request('GET', '/readyz')
        self.assertEqual(http.getresponse().read(), b'ready\n')
        under_test.process.send_signal(signal.SIGTERM)
        answer, deadline = b'', time.monotonic() + server.TIMEOUT_S
        while answer != b'stopping\n' and time.monotonic() < deadline:
            http.request('GET', '/readyz')
            response = http.getresponse()
            answer = response.read()
        self.assertEqual((response.status, answer), (503, b'stopping\n'))
        http.request('GET', '/healthz')
        self.assertEqual(http.getresponse().read(), b'ok\n')
        http.close()
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')


class Logins(MetricsTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.users = os.path.join(folder.name, 'users')
        self.write('prom:pass word\nother:x:y\n')

    def write(self, text):
        with open(self.users, 'w') as file:
            file.write(text)

    def test_basic(self):
        under_test = self.begin('-o', 'metrics_auth=' + self.users)
        for path in '/', '/metrics', '/stats.json', '/history.json', '/nothing':
            answer = under_test.get(path)
            self.assertEqual((answer.status, answer.body), (401, b'who are you?\n'), path)
            self.assertIn('Basic realm=', answer.headers['WWW-Authenticate'])
        for login in 'prom:x', 'prom:', ':pass word', 'prom:pass word ', 'x:y', 'Prom:pass word', 'other:x':
            self.assertEqual(under_test.get('/metrics', login=login).status, 401, login)
        for login in 'prom:pass word', 'other:x:y':
            self.assertEqual(under_test.get('/metrics', login=login, Host='any.example').status, 200, login)
        for path in '/healthz', '/readyz':
            self.assertEqual(under_test.get(path).status, 200)
        for header in 'Basic', 'Basic !!!', 'Basic ' + 'A' * 20000, 'Bearer x', 'Basic cHJvbQ==':
            self.assertEqual(under_test.get('/metrics', Authorization=header).status, 401, header)

    def test_reload(self):
        under_test = self.begin('-o', 'metrics_auth=' + self.users, talks=True)
        self.write('new:word\n')
        under_test.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + server.TIMEOUT_S
        while under_test.get('/metrics', login='new:word').status != 200:
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(under_test.get('/metrics', login='prom:pass word').status, 401)
        self.write('nonsense\n')
        under_test.process.send_signal(signal.SIGHUP)
        while 'metrics_auth' not in under_test.errors():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.assertEqual(under_test.get('/metrics', login='new:word').status, 200)

    def test_open_address_is_quiet(self):
        self.begin('-o', 'metrics_auth=' + self.users, address='0.0.0.0:')


@unittest.skipUnless(TLS, 'built without TLS')
class Secure(MetricsTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.authority = pki.Authority(self.folder, 'ca')
        self.leaf('server')
        self.context = ssl.create_default_context(cafile=self.authority.certificate)

    def leaf(self, name):
        """Makes a certificate, and the one that the server is to use."""
        for made, used in zip(self.authority.leaf(name), ('used.pem', 'used.key')):
            os.replace(made, os.path.join(self.folder, used))

    def serve(self, *words, **options):
        files = 'ssl_chain_cert=%s/used.pem,ssl_key=%s/used.key' % (self.folder, self.folder)
        plain = server.free_port()
        return self.begin('-Z', '-l', 'notls:127.0.0.1:%d,127.0.0.1:-1' % plain, '-o',
                          ','.join((files, 'metrics_tls', *words)), '-v', talks=True, scheme='https', port=plain, **options)

    def common_name(self, under_test):
        client = under_test.client('localhost', self.context)
        client.connect()
        subject = dict(pair[0] for pair in client.sock.getpeercert()['subject'])
        client.close()
        return subject['commonName']

    def test_https(self):
        under_test = self.serve()
        self.assertEqual(under_test.get('/readyz', host='localhost', context=self.context).body, b'ready\n')
        with server.Connection(under_test.http_port) as raw:
            raw.send(b'GET /readyz HTTP/1.0\r\n\r\n')
            self.assertNotIn(b'ready', raw.read_all())
        old = ssl.create_default_context(cafile=self.authority.certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual(under_test.get('/readyz', host='localhost', context=old).body, b'ready\n')

    def test_new_certificate(self):
        """By SIGHUP or refresh_certs."""
        under_test = self.serve()
        self.assertEqual(self.common_name(under_test), 'server')
        for name in 'second', 'third':
            self.leaf(name)
            if name == 'second':
                under_test.process.send_signal(signal.SIGHUP)
            else:
                with under_test.connect() as client:
                    self.assertEqual(client.ask(b'refresh_certs\r\n'), b'OK\r\n')
            deadline = time.monotonic() + server.TIMEOUT_S
            while self.common_name(under_test) != name:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

    def test_newest_alone(self):
        under_test = self.serve('ssl_min_version=3')
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(ssl.SSLError):
            under_test.get('/readyz', host='localhost', context=self.context)


if __name__ == '__main__':
    server.main()
