"""The real Prometheus (Debian: prometheus) scrapes a loaded server, and answers queries with what the server counts;
promtool checks the page. LONG=1: for a minute."""
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import prometheus_text
import server
from metrics_server import MetricsTest

LONG = os.environ.get('LONG') == '1'
SCRAPES = 60 if LONG else 5
START_S = 10 * server.TIMEOUT_S

CONFIG = '''
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: cache
    static_configs: [{targets: ['127.0.0.1:%d']}]
'''

# Names of the exporter's that its lint does not like, and dashboards use.
UNLIKED = {'memcached_uptime_seconds', 'memcached_slab_items_moves_to_cold', 'memcached_slab_items_moves_to_warm',
           'memcached_slab_items_moves_within_lru'}


DIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../core/dist')

# Each alert, and series that set it off within an hour, as promtool writes them.
FIRE = {
    'SimplecacheDown': {'up{job="cache"}': '0x60'},
    'SimplecacheRestarted': {'memcached_uptime_seconds': '0x60', 'simplecache_reactor_turns_total': '1x60'},
    'SimplecacheLowHitRatio': {'memcached_commands_total{command="get",status="hit"}': '0+600x60',
                               'memcached_commands_total{command="get",status="miss"}': '0+6000x60'},
    'SimplecacheEvictsWhatIsStillWanted': {'simplecache_ghost_hits_total': '0+600x60', 'memcached_items_total': '0+6000x60'},
    'SimplecacheSlow': {'simplecache_command_duration_seconds_bucket{command="get",le="0.01"}': '0+10x60',
                        'simplecache_command_duration_seconds_bucket{command="get",le="0.1"}': '0+100x60',
                        'simplecache_command_duration_seconds_bucket{command="get",le="+Inf"}': '0+100x60'},
    'SimplecacheCoreBusy': {'simplecache_core_cpu_seconds_total{core="1"}': '0+58x60'},
    'SimplecacheConnectionsNearLimit': {'memcached_current_connections': '950x60', 'memcached_max_connections': '1000x60'},
    'SimplecacheConnectionsRefused': {'memcached_connections_rejected_total': '0+1x60'},
    'SimplecacheOutOfMemory': {'memcached_item_no_memory_total': '0+1x60'},
    'SimplecacheLoginsFail': {'simplecache_auth_errors_total': '0+600x60'},
    'SimplecacheCertificateEndsSoon': {'simplecache_ssl_certs_expire_in_seconds': '1000000-60x60'},
}

# Of a server that is well.
WELL = {
    'up{job="cache"}': '1x60', 'memcached_uptime_seconds': '1000+60x60', 'simplecache_reactor_turns_total': '0+6000x60',
    'memcached_commands_total{command="get",status="hit"}': '0+6000x60', 'memcached_items_total': '0+6000x60',
    'memcached_commands_total{command="get",status="miss"}': '0+600x60', 'simplecache_ghost_hits_total': '0+60x60',
    'simplecache_command_duration_seconds_bucket{command="get",le="0.01"}': '0+100x60',
    'simplecache_command_duration_seconds_bucket{command="get",le="+Inf"}': '0+100x60',
    'simplecache_core_cpu_seconds_total{core="1"}': '0+30x60', 'memcached_current_connections': '500x60',
    'memcached_max_connections': '1000x60', 'memcached_connections_rejected_total': '5x60',
    'memcached_connections_listener_disabled_total': '0x60', 'memcached_item_no_memory_total': '7x60',
    'simplecache_malloc_fails_total': '0x60', 'simplecache_auth_errors_total': '0+5x60',
    'simplecache_ssl_certs_expire_in_seconds': '9000000-60x60',
}


def rule_case(series, alerts):
    """A case of `promtool test rules`: which alerts those series set off."""
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {'interval': '1m', 'input_series': [{'series': name, 'values': values} for name, values in series.items()],
            'promql_expr_test': [{'expr': query, 'eval_time': '55m',
                                  'exp_samples': [{'labels': '{alertname="%s"}' % alert, 'value': 1} for alert in alerts]}]}


class Prometheus:
    def __init__(self, target):
        server.need('prometheus', 'prometheus')
        self.folder = tempfile.TemporaryDirectory()
        self.port = server.free_port()
        config = os.path.join(self.folder.name, 'config.yml')
        with open(config, 'w') as file:
            file.write(CONFIG % target)
        self.process = subprocess.Popen(
            ['prometheus', '--config.file=' + config, '--storage.tsdb.path=' + os.path.join(self.folder.name, 'data'),
             '--web.listen-address=127.0.0.1:%d' % self.port, '--log.level=error'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def ask(self, path, **parameters):
        url = 'http://127.0.0.1:%d/api/v1/%s?%s' % (self.port, path, urllib.parse.urlencode(parameters))
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=server.TIMEOUT_S) as answer:
            return json.loads(answer.read())['data']

    def query(self, text):
        """The value of each series, by its labels as text."""
        return {json.dumps({name: value for name, value in one['metric'].items() if name not in ('instance', 'job')},
                           sort_keys=True): float(one['value'][1]) for one in self.ask('query', query=text)['result']}

    def single(self, text):
        values = self.query(text)
        return list(values.values())[0] if len(values) == 1 else None

    def wait(self, condition):
        """Until it is true."""
        deadline = time.monotonic() + START_S + SCRAPES
        while time.monotonic() < deadline:
            try:
                value = condition()
                if value:
                    return value
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError('prometheus: %s' % self.ask('targets'))

    def stop(self):
        self.process.terminate()
        self.process.wait(START_S)
        self.folder.cleanup()


class Load:
    """Gets and sets until it is stopped: of each round a set, three hits and a miss."""

    def __init__(self, under_test):
        self.stopping, self.rounds, self.under_test = threading.Event(), 0, under_test
        self.thread = server.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with self.under_test.connect() as client:
            while not self.stopping.wait(0.005):
                key = b'key%d' % (self.rounds % 1000)
                client.send(b'set %s 0 0 100 noreply\r\n%s\r\nget %s\r\nget %s\r\nget %s\r\nget none\r\nmn\r\n'
                            % (key, b'x' * 100, key, key, key))
                while client.read_line() != b'MN\r\n':
                    pass
                self.rounds += 1

    def stop(self):
        self.stopping.set()
        self.thread.join()


class PrometheusTest(MetricsTest):
    def test_scrapes(self):
        under_test = self.begin(cores=2)
        prometheus = Prometheus(under_test.http_port)
        self.addCleanup(prometheus.stop)
        load = Load(under_test)
        try:
            prometheus.wait(lambda: (prometheus.single('count_over_time(memcached_up[5m])') or 0) >= SCRAPES)
            # A scrape may take too long on a busy machine, and the next one is well.
            prometheus.wait(lambda: [(target['health'], target['lastError'])
                                     for target in prometheus.ask('targets')['activeTargets']] == [('up', '')])
            rates = prometheus.query('sum by (status) (rate(memcached_commands_total{command="get"}[5m]))')
            self.assertAlmostEqual(rates['{"status": "hit"}'] / rates['{"status": "miss"}'], 3, delta=0.5)
            self.assertGreater(prometheus.single('sum(rate(simplecache_core_turns_total[5m]))'), 0)
        finally:
            load.stop()
        stats = under_test.stats()
        self.assertEqual(int(stats['get_hits']), 3 * load.rounds)
        same = (('memcached_commands_total{command="get",status="hit"}', 'get_hits'),
                ('memcached_commands_total{command="get",status="miss"}', 'get_misses'),
                ('memcached_commands_total{command="set",status="hit"}', 'cmd_set'),
                ('memcached_current_items', 'curr_items'), ('memcached_current_bytes', 'bytes'),
                ('memcached_items_total', 'total_items'), ('sum(simplecache_core_items)', 'curr_items'),
                ('memcached_limit_bytes', 'limit_maxbytes'))
        for query, name in same:
            prometheus.wait(lambda query=query, name=name: prometheus.single(query) == float(stats[name]))
        prometheus.wait(lambda: prometheus.single('memcached_up') == 1)
        prometheus.wait(lambda: prometheus.query('memcached_version') ==
                        {'{"__name__": "memcached_version", "version": "%s"}' % stats['version']: 1})
        # All that is on the page is there, none twice.
        page = under_test.page(open_metrics=True)
        names = {name for family in page.families.values() for name, _ in family.samples}
        count = sum(len(family.samples) for family in page.families.values())

        def is_all_there():
            told = {json.loads(labels)['__name__']: value for labels, value in
                    prometheus.query('count by (__name__) ({job="cache"})').items()}
            return not names - set(told) and sum(told.values()) == count + len(set(told) - names)
        prometheus.wait(is_all_there)
        self.check_latency(prometheus, load)

    def check_latency(self, prometheus, load):
        """Each request is in the histogram of its command."""
        name = 'simplecache_command_duration_seconds'
        prometheus.wait(lambda: prometheus.single(name + '_count{command="get"}') == 4 * load.rounds)
        prometheus.wait(lambda: prometheus.single(name + '_count{command="set"}') == load.rounds)
        p99 = prometheus.single('histogram_quantile(0.99, sum by (le) (rate(%s_bucket{command="get"}[5m])))' % name)
        self.assertGreater(p99, 0)
        self.assertLessEqual(p99, 10)

    def test_promtool(self):
        """No complaint but of names that dashboards know."""
        server.need('promtool', 'prometheus')
        under_test = self.begin(cores=2)
        done = subprocess.run(['promtool', 'check', 'metrics'], input=under_test.get('/metrics').body,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=START_S, check=False)
        complaints = done.stdout.decode().splitlines()
        self.assertEqual({line.split()[0] for line in complaints}, UNLIKED)
        self.assertTrue(all('should have "_total" suffix' in line for line in complaints), complaints)


def names_in(text):
    """The names of metrics in a query, or in several."""
    return set(re.findall(r'\b(?:memcached|simplecache)_[a-z0-9_]+', text))


class DistTest(MetricsTest):
    """The dashboard and the alert rules that are installed."""

    def known(self):
        under_test = self.begin()
        return {name for family in under_test.page().families.values() for name, _ in family.samples}

    def test_rules(self):
        """promtool takes them, and they fire when they are to."""
        server.need('promtool', 'prometheus')
        path = os.path.join(DIST, 'simplecache-alerts.yml')
        done = subprocess.run(['promtool', 'check', 'rules', '--lint=all', '--lint-fatal', path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=START_S, check=False, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(path) as file:
            text = file.read()
        self.assertEqual(names_in(text) - self.known() - {'simplecache_ssl_certs_expire_in_seconds'}, set())
        alerts = re.findall('- alert: (.*)', text)
        self.assertEqual(set(alerts), set(FIRE))
        cases = [rule_case(dict(series), [alert]) for alert, series in FIRE.items()] + [rule_case(WELL, [])]
        with tempfile.TemporaryDirectory() as folder:
            test = os.path.join(folder, 'test.json')  # YAML, too
            with open(test, 'w') as file:
                json.dump({'rule_files': [os.path.abspath(path)], 'evaluation_interval': '1m', 'tests': cases}, file)
            done = subprocess.run(['promtool', 'test', 'rules', test], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=START_S, check=False, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_dashboard(self):
        """Its queries are of names that there are, and Prometheus understands each."""
        with open(os.path.join(DIST, 'simplecache-dashboard.json')) as file:
            dashboard = json.load(file)
        queries = [target['expr'] for panel in dashboard['panels'] for target in panel.get('targets', ())]
        queries += [one['expr'] for one in dashboard['annotations']['list']]
        self.assertGreater(len(queries), 30)
        self.assertEqual(names_in(json.dumps(dashboard)) - self.known(), set())
        self.assertEqual(len({panel['id'] for panel in dashboard['panels']}), len(dashboard['panels']))
        under_test = self.begin()
        prometheus = Prometheus(under_test.http_port)
        self.addCleanup(prometheus.stop)
        prometheus.wait(lambda: prometheus.single('memcached_up') == 1)
        for query in queries:
            prometheus.query(query.replace('$__rate_interval', '1m').replace('$instance', '.*'))


class ParserTest(server.ServerTest):
    """Our own parser refuses what it is there for."""
    GOOD = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 1\na_total{x="2"} 2\n'
    HISTOGRAM = ('# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2"} 2\nh_bucket{le="+Inf"} 3\n'
                 'h_sum 5\nh_count 3\n')
    WRONG = (GOOD[:-1], GOOD.replace('\n', '\r\n'), GOOD + '# HELP a_total B.\n', GOOD + '# TYPE a_total counter\n',
             GOOD.replace('# TYPE a_total counter\n', ''), GOOD.replace('# HELP a_total A.\n', ''), GOOD.replace(' A.', ' '),
             GOOD.replace('counter', 'summer'), GOOD.replace(' 2\n', ' 2 \n'), GOOD.replace('\na_total{x="2"}', '\n a_total{x="2"}'),
             GOOD + 'a_total{x="1"} 3\n', GOOD.replace('x="1"', 'x="1",x="1"'), GOOD.replace('x="1"', r'x="\q"'),
             GOOD.replace('a_total{x="1"}', 'a-b{x="1"}'), GOOD.replace(' 1\n', ' 1 # {id="x"} 1\n'), GOOD + 'b 1\n',
             GOOD.replace(' 1\n', ' one\n'), GOOD.replace(' 1\n', ' -1\n'), GOOD + HISTOGRAM + 'a_total{x="3"} 1\n',
             HISTOGRAM.replace('le="+Inf"} 3', 'le="+Inf"} 1'), HISTOGRAM.replace('h_bucket{le="+Inf"} 3\n', ''),
             HISTOGRAM.replace('h_sum 5\n', ''), HISTOGRAM.replace('h_count 3', 'h_count 4'),
             HISTOGRAM.replace('h_bucket{le="1"} 1\nh_bucket{le="2"} 2\n', 'h_bucket{le="2"} 2\nh_bucket{le="1"} 1\n'))

    def test_parser(self):
        prometheus_text.Page((self.GOOD + self.HISTOGRAM).encode())
        for text in self.WRONG:
            with self.assertRaises(prometheus_text.Wrong, msg=text):
                prometheus_text.Page(text.encode())
        with self.assertRaises(prometheus_text.Wrong):
            prometheus_text.Page(b'# HELP a \xff\n# TYPE a gauge\na 1\n')


if __name__ == '__main__':
    server.main()
