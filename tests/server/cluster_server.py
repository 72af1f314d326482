"""Servers that find each other by a real etcd, and what they are asked in tests of clusters."""
import re
import time

import etcd
import server

# With a sanitizer servers need longer to come back after etcd has.
TTL_S = 4 if server.SANITIZED else 2


def parse_config(answer):
    """(version, [server, ...]) of an answer to `config get cluster`, which is checked byte by byte; None for ERROR."""
    if answer == b'ERROR\r\n':
        return None
    match = re.fullmatch(rb'CONFIG cluster 0 (\d+)\r\n((\d+)\n([^\r\n]+)\n)\r\nEND\r\n', answer, re.S)
    assert match and int(match[1]) == len(match[2]), answer
    servers = match[4].decode().split(' ')
    assert all(re.fullmatch(r'[^ |]+\|[0-9a-f.:]+\|\d+', one) for one in servers), answer
    return int(match[3]), servers


def ask_config(client):
    client.send(b'config get cluster\r\n')
    answer = client.read_line()
    if answer.startswith(b'CONFIG'):
        answer += client.read(int(answer.split()[-1])) + client.read_line() + client.read_line()
    return parse_config(answer)


class Node(server.Server):
    """A server of a cluster. It may say things about etcd on stderr."""

    def __init__(self, urls, name='tests', ttl=TTL_S, words=(), advertise=None, port=None, flags=(), **options):
        port = port or server.free_port()
        self.advertise = advertise or '127.0.0.1:%d' % port
        host = self.advertise.split(':')[0]
        self.entry = '%s|127.0.0.1|%s' % (host, self.advertise.split(':')[1])
        words = ['cluster=' + name, *('etcd=' + url for url in urls), 'advertise=' + self.advertise,
                 'cluster_ttl=%d' % ttl, *words]
        super().__init__(port=port, flags=['-m', '8', '-o', ','.join(words), '--verbose', *flags], **options)

    def list(self):
        with self.connect() as client:
            return ask_config(client)

    def told(self):
        """What it says of etcd."""
        return [line for line in self.errors().splitlines() if line.startswith('simplecache: ')]

    def facts(self):
        """`stats cluster` as a dictionary."""
        with self.connect() as client:
            client.send(b'stats cluster\r\n')
            found = {}
            while (line := client.read_line().decode().split())[0] == 'STAT':
                found[line[1]] = line[2] if len(line) > 2 else ''
            return found


class ClusterTest(server.ServerTest):
    """One etcd and some servers; all end with the test."""

    words = ()

    def setUp(self):
        self.etcd = self.start_etcd()
        self.urls = [self.etcd.url]
        self.nodes = []
        self.versions = {}

    def start_etcd(self, **options):
        one = etcd.Etcd(**options)
        self.addCleanup(one.end)
        return one.start()

    def start_node(self, **options):
        options = {'urls': self.urls, 'words': self.words, **options}
        node = Node(**options)
        self.addCleanup(self.end_node, node)
        self.nodes.append(node)
        return node

    def end_node(self, node):
        """Without a wait: SIGINT doesn't drain."""
        if node in server.running:
            node.process.send_signal(server.signal.SIGCONT)
            node.stop(server.signal.SIGINT)

    def start_nodes(self, count=3, **options):
        nodes = [self.start_node(**options) for _ in range(count)]
        self.await_list(nodes)
        return nodes

    def see(self, node):
        """What it answers; its version never goes back."""
        found = node.list()
        if found:
            version, _ = found
            self.assertGreaterEqual(version, self.versions.get(node.entry, 1))
            self.versions[node.entry] = version
        return found

    def await_list(self, members, asked=None, least=0):
        """Waits until all of `asked` answer with just these, and the same version, which it returns."""
        wanted = sorted(one.entry for one in members)
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            answers = [self.see(node) for node in asked or members]
            if all(answer and answer[1] == wanted and answer[0] == answers[0][0] >= least for answer in answers):
                return answers[0][0]
            self.assertLess(time.monotonic(), deadline, '%s, not %s: %s' % (answers, wanted, [
                node.told() for node in asked or members]))
            time.sleep(0.02)

    def await_fact(self, node, name, *values):
        deadline = time.monotonic() + server.TIMEOUT_S
        while node.facts().get(name) not in values:
            self.assertLess(time.monotonic(), deadline, '%s is %s' % (name, node.facts()))
            time.sleep(0.02)

    def await_errors(self, node, words):
        deadline = time.monotonic() + server.TIMEOUT_S
        while words not in node.errors():
            self.assertLess(time.monotonic(), deadline, node.errors())
            time.sleep(0.02)
