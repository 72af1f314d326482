"""Clients that have no discovery of their own, given the list that a server of a cluster tells: PHP, bmemcached, and
nutcracker, for which the man page simplecache-cluster(7) has the command that writes its list of servers.

Debian: etcd-server, php-cli, php-memcached, python3-binary-memcached, nutcracker.
"""
import os
import re
import subprocess

import cluster_server
import nutcracker
import ring
import server

KEYS = ring.TEXT_KEYS[:500]
MAN_PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../core/dist/simplecache-cluster.7')

# As an application would: asks one server for all, then goes to each key's own.
PHP = r'''
[$host, $port] = explode(":", $argv[1]);
$socket = fsockopen($host, (int)$port);
fwrite($socket, "config get cluster\r\n");
fgets($socket);
fgets($socket);
$servers = [];
foreach (explode(" ", trim(fgets($socket))) as $server) {
    [, $address, $port] = explode("|", $server);
    $servers[] = [$address, (int)$port];
}
$client = new Memcached();
$client->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
$client->setOption(Memcached::OPT_POLL_TIMEOUT, 60000);
$client->addServers($servers);
while (($key = fgets(STDIN)) !== false) {
    $key = rtrim($key, "\n");
    if (!$client->set($key, "x") || $client->get($key) !== "x") {
        fwrite(STDERR, $key . ": " . $client->getResultMessage() . "\n");
        exit(1);
    }
}
'''


class Clients(cluster_server.ClusterTest, ring.Placing):
    def setUp(self):
        cluster_server.ClusterTest.setUp(self)
        self.servers = self.start_nodes()
        self.places = ['127.0.0.1:%d' % one.port for one in self.servers]

    def agree_all(self, keys):
        self.nodes = self.places
        self.agree(keys, 0)

    def test_php(self):
        server.need('php', 'php-cli, php-memcached')
        done = subprocess.run(['php', '-r', PHP, '--', self.places[1]], input='\n'.join(KEYS), capture_output=True,
                              text=True, timeout=server.TIMEOUT_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.agree_all(KEYS)

    def test_bmemcached(self):
        """Binary; after one of the servers has left, too."""
        import bmemcached
        for gone in None, self.servers[0]:
            if gone:
                gone.process.send_signal(server.signal.SIGTERM)
                version = self.await_list(self.servers[1:])
            else:
                version = self.await_list(self.servers)
            found, entries = self.servers[2].list()
            self.assertEqual(found, version)
            client = bmemcached.Client(['%s:%s' % tuple(one.split('|')[1:]) for one in entries], socket_timeout=server.TIMEOUT_S)
            for key in KEYS[:100]:
                self.assertTrue(client.set(key, 'x'))
            self.assertEqual(client.get_multi(KEYS[:100]), {key: 'x' for key in KEYS[:100]})
            client.disconnect_all()

    def nutcracker_list(self):
        """By the man page's own command, but for what asks the server."""
        with open(MAN_PAGE, encoding='utf-8') as page:
            text = page.read().replace(r'\(aq', "'").replace('\\-', '-').replace('\\\\', '\\')
        command = re.search(r"\| (tr ' '.*?)\n\.fi", text, re.S)[1]
        with self.servers[0].connect() as client:
            client.send(b'config get cluster\r\nquit\r\n')
            answer = client.read_all()
        return subprocess.run(['sh', '-c', command], input=answer, capture_output=True, check=True).stdout.decode()

    def test_nutcracker(self):
        servers = self.nutcracker_list()
        self.assertEqual(sorted(re.findall(r'^ {3}- (\S+):1$', servers, re.M)), sorted(self.places))
        client = nutcracker.start(self, servers)
        client.send(b''.join(b'set %s 0 0 1\r\nx\r\n' % key.encode() for key in KEYS))
        for _ in KEYS:
            self.assertEqual(client.read_line(), b'STORED\r\n')
        self.agree_all(KEYS)


if __name__ == '__main__':
    server.main()
