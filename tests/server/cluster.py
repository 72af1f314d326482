"""Servers that find each other by a real etcd: they come, leave, die and hang, and etcd does so, too.

Debian: etcd-server.
"""
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import cluster_server
import etcd
import server
from binary import reply, request


class Members(cluster_server.ClusterTest):
    """What happens to servers."""

    def await_port(self, port):
        """The kernel closes a killed process's io_uring, and with it what that listens on, a little later."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(('127.0.0.1', port))
                    probe.listen()
                    return
                except OSError:
                    self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_come_and_answer(self):
        begun = time.time()
        first = self.start_node(ttl=600)
        version = self.await_list([first])
        minutes = [int((seconds - 1577836800) / 60) for seconds in (begun, time.time())]
        self.assertTrue(minutes[0] <= version <= minutes[1] + 1, (version, minutes))
        second = self.start_node(cores=2, ttl=600)
        self.assertGreater(self.await_list([first, second]), version)
        third = self.start_node(advertise='localhost:%d' % server.free_port(), ttl=600)
        self.assertTrue(third.entry.startswith('localhost|127.0.0.1|'))
        version = self.await_list([first, second, third])
        body = b'%d\n%s\n' % (version, ' '.join(sorted(one.entry for one in self.nodes)).encode())
        with second.connect() as client:
            client.send(b'config get cluster \r\nget AmazonElastiCache:cluster\r\n')
            wanted = b'CONFIG cluster 0 %d\r\n%s\r\nEND\r\n' % (len(body), body)
            wanted += b'VALUE AmazonElastiCache:cluster 0 %d\r\n%s\r\nEND\r\n' % (len(body), body)
            self.assertEqual(client.read(len(wanted)), wanted)
        with second.connect() as client:
            client.send(request(0x60, b'cluster'))
            wanted = reply(0x60, value=body, extras=bytes(4), cas=version.to_bytes(8, 'big'))
            self.assertEqual(client.read(len(wanted)), wanted)
        self.assertEqual(self.etcd.keys()['list'], body.decode())
        self.assertEqual({key for key in self.etcd.keys() if key != 'list'}, {'node/' + one.entry for one in self.nodes})

    def test_facts(self):
        nodes = self.start_nodes(2, ttl=600)
        version = self.await_list(nodes)
        self.await_fact(nodes[0], 'state', 'registered')
        facts = nodes[0].facts()
        self.assertEqual({name: facts[name] for name in ('name', 'advertise', 'ttl', 'version', 'nodes', 'registered',
                                                         'registrations')},
                         {'name': 'tests', 'advertise': nodes[0].entry, 'ttl': '600', 'version': str(version), 'nodes': '2',
                          'registered': '1', 'registrations': '1'})
        self.assertEqual([facts['node:0'], facts['node:1']], sorted(one.entry for one in nodes))
        self.assertLessEqual(int(facts['etcd_last_word_seconds']), server.TIMEOUT_S)
        header = self.etcd.ask('/v3/kv/range', {'key': etcd.coded('x')})['header']
        self.assertEqual(int(facts['etcd_cluster_id'], 16), int(header['cluster_id']))
        self.assertGreater(int(facts['lease'], 16), 0)
        other = self.start_node(name='other')
        self.await_list([other])
        self.assertEqual([other.facts()[name] for name in ('name', 'nodes')], ['other', '1'])

    def test_metrics(self):
        """What `stats cluster` counts, over HTTP."""
        port = server.free_port()
        try:
            node = self.start_node(words=('metrics=127.0.0.1:%d' % port,), ttl=600)
        except AssertionError as refusal:
            if 'built without' in str(refusal):
                self.skipTest('this build has no HTTP')
            raise
        version = self.await_list([node])
        self.await_fact(node, 'state', 'registered')
        failures = int(node.facts()['etcd_failures'])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open('http://127.0.0.1:%d/metrics' % port, timeout=server.TIMEOUT_S) as page:
            found = dict(re.findall(r'^simplecache_cluster_(\S+) (\S+)$', page.read().decode(), re.M))
        self.assertEqual({name: int(found[name]) for name in ('version', 'nodes', 'registered', 'registrations_total')},
                         {'version': version, 'nodes': 1, 'registered': 1, 'registrations_total': 1})
        # A busy machine's etcd may not answer in time.
        self.assertLessEqual(failures, int(found['etcd_failures_total']))
        self.assertLessEqual(int(found['etcd_failures_total']), int(node.facts()['etcd_failures']))
        self.assertEqual(set(found) - {'etcd_last_word_seconds', 'etcd_revision', 'etcd_requests_total',
                                       'lists_written_total'},
                         {'version', 'nodes', 'registered', 'registrations_total', 'etcd_failures_total'})

    def test_names_are_apart(self):
        first, other = self.start_node(), self.start_node(name='tests2')
        self.await_list([first])
        self.await_list([other])

    def test_killed(self):
        nodes = self.start_nodes()
        version = self.await_list(nodes)
        nodes[0].kill()
        self.assertGreater(self.await_list(nodes[1:]), version)

    def test_restarted_at_the_same_place(self):
        """Before its lease is over: nobody misses it, and the old lease takes nothing along when it ends."""
        nodes = self.start_nodes(ttl=600)
        version = self.await_list(nodes)
        old = int(nodes[1].facts()['lease'], 16)
        nodes[1].kill()
        self.await_port(nodes[1].port)
        nodes[1] = self.start_node(port=nodes[1].port, ttl=600)
        self.await_fact(nodes[1], 'state', 'registered')
        self.etcd.ask('/v3/lease/revoke', {'ID': str(old)})
        last = self.start_node()  # all know of it, and so of what was before
        self.assertGreater(self.await_list([*nodes, last]), version)
        self.assertEqual(nodes[1].facts()['registrations'], '1')

    def test_hanging(self):
        nodes = self.start_nodes()
        version = self.await_list(nodes)
        nodes[0].process.send_signal(signal.SIGSTOP)
        version = self.await_list(nodes[1:], least=version + 1)
        nodes[0].process.send_signal(signal.SIGCONT)
        self.await_list(nodes, least=version + 1)

    def test_another_at_the_same_place(self):
        """Two that advertise the same: one line says so, and both serve."""
        first = self.start_node()
        self.await_list([first])
        second = self.start_node(advertise=first.advertise)
        self.await_fact(second, 'state', 'registered')
        self.await_errors(first, 'another server says that it is ' + first.entry)
        self.assertEqual(first.list()[1], [first.entry])
        self.end_node(second)
        self.await_fact(first, 'state', 'registered')


class Leaving(cluster_server.ClusterTest):
    words = ('drain=600',)

    def leave(self, order):
        nodes = self.start_nodes()
        version = self.await_list(nodes)
        with nodes[0].connect() as client:
            order(nodes[0], client)
            self.await_list(nodes[1:], asked=nodes, least=version + 1)
            self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
            with nodes[0].connect() as late:
                self.assertEqual(late.ask(b'get b\r\n'), b'END\r\n')
            self.assertEqual(nodes[0].facts()['state'], 'leaving')
        nodes[0].process.send_signal(signal.SIGTERM)
        self.assertEqual(nodes[0].process.wait(server.TIMEOUT_S), 0)
        self.assertNotIn('node/' + nodes[0].entry, self.etcd.keys())
        server.running.discard(nodes[0])

    def test_sigterm(self):
        self.leave(lambda node, _: node.process.send_signal(signal.SIGTERM))

    def test_sigusr1(self):
        self.leave(lambda node, _: node.process.send_signal(signal.SIGUSR1))

    def test_shutdown_graceful(self):
        start = self.start_node
        self.start_node = lambda **options: start(flags=['-A'], **options)
        self.leave(lambda _, client: client.send(b'shutdown graceful\r\n'))

    def test_without_drain(self):
        """SIGINT, the command shutdown, and a second order end it at once; it is out of the list all the same."""
        self.words = ('drain=600',)
        for order in 'SIGINT', 'shutdown', 'twice':
            nodes = self.start_nodes(2, name=order, flags=['-A'])
            version = self.await_list(nodes)
            with nodes[0].connect() as client:
                if order == 'shutdown':
                    client.send(b'shutdown\r\n')
                elif order == 'twice':
                    nodes[0].process.send_signal(signal.SIGTERM)
                    self.await_list(nodes[1:], least=version + 1)
                    nodes[0].process.send_signal(signal.SIGTERM)
                else:
                    nodes[0].process.send_signal(signal.SIGINT)
                self.assertEqual(nodes[0].process.wait(server.TIMEOUT_S), 0)
            server.running.discard(nodes[0])
            self.await_list(nodes[1:], least=version + 1)
            self.end_node(nodes[1])

    def test_the_last_one(self):
        """A list is never empty: the last one's name stays."""
        node = self.start_node(words=('drain=0',), ttl=8)  # which ends it where etcd has had no time to answer
        self.await_list([node])
        self.end_node(node)
        deadline = time.monotonic() + server.TIMEOUT_S
        while set(keys := self.etcd.keys()) != {'list'}:
            self.assertLess(time.monotonic(), deadline, keys)
            time.sleep(0.05)
        self.assertEqual(keys, {'list': '%d\n%s\n' % (self.versions[node.entry], node.entry)})

    def test_drain_without_a_cluster(self):
        under_test, other = self.start(flags=['-o', 'drain=600']), self.start(flags=['-o', 'drain=1'])
        with under_test.connect() as client, other.connect():
            for one in under_test, other:
                one.process.send_signal(signal.SIGTERM)
            self.assertEqual(other.process.wait(server.TIMEOUT_S), 0)
            self.assertEqual(client.ask(b'get a\r\n'), b'END\r\n')


class SetUp(server.ServerTest):
    """Mistakes on the command line: one line says what is wrong."""

    def refused(self, words, line):
        done = subprocess.run([*server.Server.own_command(1, ['-o', words], None), '-p', '0'], capture_output=True,
                              text=True, timeout=server.TIMEOUT_S, check=False)
        self.assertNotEqual(done.returncode, 0, words)
        self.assertIn(line, done.stderr)
        self.assertEqual(done.stderr.count('\n'), 1, done.stderr)

    def test_mistakes(self):
        rest = 'cluster=a,etcd=http://127.0.0.1:2379,'
        with tempfile.NamedTemporaryFile() as file:
            for words, line in (
                    ('cluster=a', 'needs etcd=URL and advertise'),
                    ('cluster=a,etcd=http://h', 'needs etcd=URL and advertise'),
                    ('cluster=a/b,etcd=http://h,advertise=127.0.0.1:1', 'letters, digits, dots'),
                    ('cluster=' + 'a' * 65 + ',etcd=http://h,advertise=127.0.0.1:1', 'up to 64'),
                    ('cluster=a,etcd=h:2379,advertise=127.0.0.1:1', 'takes http://HOST:PORT'),
                    ('cluster=a,etcd=ftp://h,advertise=127.0.0.1:1', 'takes http://HOST:PORT'),
                    ('cluster=a,etcd=http://,advertise=127.0.0.1:1', 'takes http://HOST:PORT'),
                    (','.join(['cluster=a'] + ['etcd=http://h'] * 9), 'at most 8 times'),
                    (rest + 'advertise=127.0.0.1', 'no server'), (rest + 'advertise=127.0.0.1:0', 'no port'),
                    (rest + 'advertise=nosuch.invalid:1', 'has no IPv4 address'),
                    (rest + 'advertise=0.0.0.0:1', 'no client can connect to "0.0.0.0:1"'),
                    (rest + 'advertise=[::]:1', 'no client can connect to "[::]:1"'),
                    (rest + 'advertise=a|0.0.0.0|1', 'no client can connect'),
                    (rest + 'advertise=224.0.0.1:1', 'no client can connect'),
                    (rest + 'advertise=[ff02::1]:1', 'no client can connect'),
                    (rest + 'advertise=255.255.255.255:1', 'no client can connect'),
                    (rest + 'advertise=a|b|1', 'no IP address'), (rest + 'advertise=:11211', 'no'),
                    (rest + 'advertise=127.0.0.1:1,cluster_ttl=0', 'takes a number from 1 to 3600'),
                    (rest + 'advertise=127.0.0.1:1,etcd_auth=/nosuch', 'No such file'),
                    (rest + 'advertise=127.0.0.1:1,etcd_ca=/nosuch', 'No such file'),
                    (rest + 'advertise=127.0.0.1:1,drain=x', 'takes a number'),
                    (rest + 'advertise=127.0.0.1:1,nodes=' + file.name, 'leave one of them out'),
                    ('etcd=http://h', 'mean nothing without cluster'),
                    ('advertise=127.0.0.1:1', 'mean nothing without cluster')):
                self.refused(words, line)

    def test_nobody_there(self):
        """It serves, says so once, and goes on trying."""
        with cluster_server.Node(['http://127.0.0.1:1', 'http://127.0.0.1:2/']).connect() as client:
            node = next(iter(server.running))
            self.addCleanup(lambda: node.stop(signal.SIGINT))
            self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
            self.assertEqual(client.ask(b'config get cluster\r\n'), b'ERROR\r\n')
            deadline = time.monotonic() + server.TIMEOUT_S
            while int(node.facts()['etcd_failures']) < 6:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.assertEqual(node.facts()['state'], 'connecting')
            self.assertNotIn('etcd_last_word_seconds', node.facts())
            self.assertEqual(len([line for line in node.errors().splitlines() if 'trying again' in line]), 1,
                             node.errors())


if __name__ == '__main__':
    server.main()
