"""php-memcached, text and binary: clients_php.php makes the calls and tells of each.

Debian: php-cli php-memcached.
"""
import os
import subprocess
import unittest

import server

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients_php.php')


class Php:
    """The cases; one class per number of cores below."""

    cores = None

    @classmethod
    def setUpClass(cls):
        server.need('php', 'php-cli')
        modules = subprocess.run(['php', '-m'], stdout=subprocess.PIPE, check=True).stdout.split()
        if b'memcached' not in modules:
            raise AssertionError('PHP has no module memcached (Debian: php-memcached)')
        cls.server = server.Server(cores=cls.cores, flags=('-m', '256'))
        cls.addClassCleanup(cls.server.stop)

    def calls(self, protocol):
        done = subprocess.run(['php', SCRIPT, str(self.server.port), protocol],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=3 * server.TIMEOUT_S, check=False)
        lines = done.stdout.decode(errors='replace').splitlines()
        wrong = [line for line in lines if not line.startswith('ok ')]
        self.assertEqual((done.returncode, wrong), (0, ['done']))
        self.assertGreater(len(lines), 80)

    def test_text(self):
        self.calls('text')

    def test_binary(self):
        self.calls('binary')


class OneCore(Php, unittest.TestCase):
    cores = 1


class FiveCores(Php, unittest.TestCase):
    cores = 5


if __name__ == '__main__':
    server.main()
