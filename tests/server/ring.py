"""--ring against the clients that place keys: libmemcached (pylibmc), PHP, nutcracker, pymemcache; npm's memcached is
in clients_npm.py. Each client sets 2,000 keys at three servers, which are then asked who has them.

Debian: python3-pylibmc, python3-pymemcache, php-cli, php-memcached, nutcracker.
"""
import os
import subprocess
import unittest

import nutcracker
import server

KEYS = ['key:%d' % n for n in range(1990)] + ['a', 'ü', 'x' * 250, 'user/7?', '%s', '-', '0', 'K', 'k' * 31, 'é' * 9]
TEXT_KEYS = [key for key in KEYS if key.isascii()]

PHP = '''<?php
$client = new Memcached();
$client->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
$client->setOption(Memcached::OPT_POLL_TIMEOUT, 60000);
$servers = [];
foreach (explode(",", $argv[1]) as $node) {
    $parts = explode(":", $node);
    $servers[] = [$parts[0], (int)$parts[1], (int)($parts[2] ?? 1)];
}
$client->addServers($servers);
while (($key = fgets(STDIN)) !== false) {
    $key = rtrim($key, "\\n");
    if (!$client->set($key, "x")) {
        fwrite(STDERR, $key . ": " . $client->getResultMessage() . "\\n");
        exit(1);
    }
}
'''

# Where it would go, without a server.
PHP_TOLD = PHP[:PHP.index('while')] + '''
while (($key = fgets(STDIN)) !== false) {
    $key = rtrim($key, "\\n");
    $node = $client->getServerByKey($key);
    echo $key, "\\t", $node["host"], ":", $node["port"], "\\n";
}
'''

def ring(nodes, keys):
    """{key: (node of the common ring, node of pymemcache)}, as the program prints them."""
    done = subprocess.run([*server.program(), '--ring', ','.join(nodes), '--', *keys], capture_output=True, text=True,
                          timeout=server.TIMEOUT_S, check=True)
    rows = [line.split('\t') for line in done.stdout.splitlines()]
    return {key: (one, other) for key, one, other in rows}


class Placing(server.ServerTest):
    """Three servers, and where clients have put keys. --ring needs the MD5 of OpenSSL."""

    @classmethod
    def setUpClass(cls):
        if os.environ.get('TLS') == '0':
            raise unittest.SkipTest('this build is without OpenSSL')

    def setUp(self):
        self.servers = [self.start() for _ in range(3)]
        self.nodes = ['127.0.0.1:%d' % one.port for one in self.servers]

    def placed(self, keys):
        """{key: node}, of what the servers have."""
        found = {}
        for node, one in zip(self.nodes, self.servers):
            with one.connect() as client:
                for key in keys:
                    client.send(b'mg %s\r\n' % key.encode())
                for key in keys:
                    if client.read_line() == b'HD\r\n':
                        self.assertNotIn(key, found)
                        found[key] = node
                client.send(b'flush_all\r\n')
                client.read_line()
        return found

    def agree(self, keys, which, weights=(1, 1, 1)):
        wanted = ring(['%s:%d' % pair for pair in zip(self.nodes, weights)], keys)
        found = self.placed(keys)
        self.assertEqual({key: nodes[which] for key, nodes in wanted.items()}, found)
        self.assertEqual(len(found), len(keys))
        if which == 0 and weights != (1, 1, 1):
            self.assertGreater(sum(node == self.nodes[0] for node in found.values()), len(keys) * 0.4)


class Ring(Placing):
    def test_libmemcached(self):
        import pylibmc
        client = pylibmc.Client(self.nodes, behaviors={'ketama_weighted': True})
        for key in KEYS:
            client.set(key, 'x')
        self.agree(KEYS, 0)

    def test_php(self):
        server.need('php', 'php-cli, php-memcached')
        for weights in (1, 1, 1), (2, 1, 1), (200, 100, 100), (5, 3, 1):
            nodes = ['%s:%d' % pair for pair in zip(self.nodes, weights)]
            done = subprocess.run(['php', '-r', PHP[6:], '--', ','.join(nodes)], input='\n'.join(TEXT_KEYS),
                                  capture_output=True, text=True, timeout=server.TIMEOUT_S, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.agree(TEXT_KEYS, 0, weights)

    def test_nutcracker(self):
        for weights in (1, 1, 1), (3, 1, 1):
            client = nutcracker.start(self, ''.join('   - %s:%d\n' % pair for pair in zip(self.nodes, weights)))
            client.send(b''.join(b'set %s 0 0 1\r\nx\r\n' % key.encode() for key in KEYS))
            for _ in KEYS:
                self.assertEqual(client.read_line(), b'STORED\r\n')
            self.agree(KEYS, 0, weights)

    def test_pymemcache(self):
        from pymemcache.client.hash import HashClient
        client = HashClient([('127.0.0.1', one.port) for one in self.servers], default_noreply=False)
        for key in TEXT_KEYS:
            self.assertTrue(client.set(key, 'x'))
        self.agree(TEXT_KEYS, 1)


class Printed(server.ServerTest):
    def run_ring(self, *words):
        done = subprocess.run([*server.program(), '--ring', *words], capture_output=True, text=True,
                              timeout=server.TIMEOUT_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_shares(self):
        status, printed, errors = self.run_ring('10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4:11211:4')
        self.assertEqual((status, errors), (0, ''))
        rows = [line.split('\t') for line in printed.splitlines()]
        self.assertEqual(rows[0], ['share of 100000 keys', 'ring', 'pymemcache'])
        self.assertEqual([row[0] for row in rows[1:5]], ['10.0.0.%d:11211' % n for n in range(1, 5)])
        shares = [[float(share.split()[0]) for share in row[1:]] for row in rows[1:]]
        for column in 0, 1:
            self.assertAlmostEqual(sum(row[column] for row in shares[:4]), 100, delta=0.3)
        self.assertGreater(shares[3][0], 45)  # of 57 by its weight, which pymemcache has not
        self.assertLess(shares[3][1], 27)
        self.assertEqual([row[0] for row in rows[5:]], ['moved when a node is added', 'moved when 10.0.0.4:11211 goes'])
        self.assertAlmostEqual(shares[4][1], 20, delta=1)
        self.assertAlmostEqual(shares[5][1], shares[3][1], delta=0.2)  # all that it had, and nothing else

    def test_many_nodes(self):
        """The number of a node's points is computed in single precision, which shows at some numbers of nodes."""
        server.need('php', 'php-cli, php-memcached')
        for count in (1, 2, 10, 25, 33, 47, 50, 61, 94, 100):
            nodes = ['10.0.%d.%d:%d' % (n // 100, n % 100, 11200 + n) for n in range(count)]
            keys = TEXT_KEYS[:500]
            done = subprocess.run(['php', '-r', PHP_TOLD[6:], '--', ','.join(nodes)], input='\n'.join(keys),
                                  capture_output=True, text=True, timeout=server.TIMEOUT_S, check=True)
            told = dict(line.split('\t') for line in done.stdout.splitlines())
            self.assertEqual(told, {key: one for key, (one, _) in ring(nodes, keys).items()}, count)

    def test_default_port(self):
        """The common ring leaves 11211 out of the name, pymemcache doesn't."""
        self.assertEqual(ring(['a', 'b'], ['k']), ring(['a:11211', 'b:11211'], ['k']))

    def test_mistakes(self):
        for words, line in ((('',), 'takes HOST[:PORT[:WEIGHT]]'), (('a:b',), 'not "a:b"'), (('a:0',), 'not "a:0"'),
                            (('a:1:0',), 'not "a:1:0"'), (('a:1:1:1',), 'not "a:1:1:1"'), (('a,,b',), 'not ""'),
                            (('[::1',), 'not "[::1"'), (('a,a:11211',), 'has a:11211 twice'),
                            ((','.join('h%d' % n for n in range(501)),), 'at most 500 nodes'), ((), 'needs a value')):
            status, printed, errors = self.run_ring(*words)
            self.assertNotEqual(status, 0)
            self.assertEqual(printed, '')
            self.assertIn(line, errors)
            self.assertEqual(errors.count('\n'), 1, errors)


if __name__ == '__main__':
    server.main()
