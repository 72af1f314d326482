"""Clients of npm, as their users install them: exactly the versions of clients/package-lock.json, whose hashes npm
compares, in a temporary folder. everyday.py makes the calls.

Skipped where node and npm are not installed (Debian: nodejs, npm), or npm reaches no registry.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

import everyday
import ring
import server

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients')
# npm's words for no network, no answer, and a registry that has it not; not those for another hash.
UNREACHABLE = 'ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENETUNREACH', 'E403', 'E404', 'E50'

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
    done = subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=15 * server.TIMEOUT_S, check=False)
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


del Npm


if __name__ == '__main__':
    server.main()
