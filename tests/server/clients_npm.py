"""Clients of npm, as their users install them: exactly the versions of clients/package-lock.json, whose hashes npm
compares, in a temporary folder. everyday.py makes the calls.

Skipped where node and npm are not installed (Debian: nodejs, npm), or npm reaches no registry.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import everyday
import ring
import server

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients')
# npm's words for no network, no answer, and a registry that has it not; not those for another hash.
UNREACHABLE = ('ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENETUNREACH', 'E403', 'E404', 'E50',
               'E429', 'ERR_SOCKET_TIMEOUT', 'ERR_SOCKET_CLOSED', 'EPROTO')
INSTALL_S = 300

folder = None  # where the clients are installed


def setUpModule():
    global folder
    for name in 'node', 'npm':
        if not shutil.which(name):
            raise unittest.SkipTest('%s is not installed' % name)
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    folder = temporary.name
    shutil.copytree(CLIENTS, folder, dirs_exist_ok=True)
    try:
        done = subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest('npm has not installed them within %d s' % INSTALL_S) from None
    if done.returncode and any(word in done.stdout for word in UNREACHABLE):
        raise unittest.SkipTest('npm reaches no registry: ' + done.stdout.splitlines()[0])
    if done.returncode:
        raise AssertionError('npm ci: ' + done.stdout)


class Npm(everyday.Everyday):
    name = None

    @classmethod
    def command(cls):
        return ['node', os.path.join(folder, cls.name + '.js'), 'PORT']


class Memjs(Npm):
    name = 'memjs'


class Memcached(Npm):
    name = 'memcached'


class MemcachePlus(Npm):
    name = 'memcache-plus'


class MemcacheClient(Npm):
    name = 'memcache-client'


class Limits(server.ServerTest):
    """A server that takes more than what clients themselves take for the limit: nothing is refused by it, for which
    memcached of npm leaves a server alone, of itself 30 s."""

    def test_larger_items(self):
        for name in 'memcached', 'memcache-plus':
            with self.subTest(client=name):
                client = everyday.Client(['node', os.path.join(folder, name + '.js'), 'PORT'],
                                         lambda port: server.Server(port=port, flags=('-I', '2m')))
                client.call('set', 'big', 'x' * everyday.ITEM_MAX, 0)
                client.expect('x' * everyday.ITEM_MAX, 'get', 'big')
                self.assertIn('error: ', client.call('set', 'big', 'x' * (everyday.ITEM_MAX + 1), 0))
                client.call('set', 'small', 'right after', 0)
                client.expect('right after', 'get', 'small')
                client.end()


class Placing(ring.Placing):
    """memcached of npm puts keys where --ring says."""

    def test_memcached(self):
        done = subprocess.run(['node', os.path.join(folder, 'ring.js'), ','.join(self.nodes)], cwd=folder,
                              input='\n'.join(ring.TEXT_KEYS), capture_output=True, text=True,
                              timeout=server.TIMEOUT_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        self.agree(ring.TEXT_KEYS, 0)


class Discovering(ring.Placing):
    """Clients that are told one server, and put keys at all three as --ring says. Two of them ask again and again: they
    learn of the third server only when the list has changed."""

    def setUp(self):
        self.list = os.path.join(folder, 'nodes.' + self.id())
        ports = [server.free_port() for _ in range(3)]
        self.nodes = ['127.0.0.1:%d' % port for port in ports]
        self.write(3)
        self.servers = [self.start(port=port, flags=['-o', 'nodes=' + self.list, '--verbose', '-vv']) for port in ports]

    def write(self, count):
        with open(self.list + '.new', 'w', encoding='ascii') as file:
            file.write(' '.join(self.nodes[:count]))
        os.rename(self.list + '.new', self.list)

    def reload(self, count):
        self.write(count)
        for one in self.servers:
            one.process.send_signal(signal.SIGHUP)

    def discover(self, name, later, keys=ring.TEXT_KEYS):
        if later:
            self.reload(2)
        client = subprocess.Popen(['node', os.path.join(folder, 'discover.js'), name, self.nodes[0], '3'], cwd=folder,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        if later:
            deadline = time.monotonic() + server.TIMEOUT_S
            while self.servers[0].errors().count(' config get') < 2:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.reload(3)
        said = client.communicate('\n'.join(keys), timeout=3 * server.TIMEOUT_S)[0]
        self.assertEqual(client.returncode, 0, said)
        self.agree(keys, 0)

    def test_memcached_elasticache(self):
        self.discover('memcached-elasticache', True)

    def test_elasticache_client(self):
        self.discover('elasticache-client', True)

    def test_memcache_plus(self):
        """It asks once, and takes no keys of 250 bytes."""
        self.discover('memcache-plus', False, [key for key in ring.TEXT_KEYS if len(key) < 250])


del Npm


if __name__ == '__main__':
    server.main()
