"""libmemcached's command line tools, text and --binary.

Debian: libmemcached-tools. What a tool needs beyond the commands served so far is not asked of it:
memctouch --binary (opcode 1c).
"""
import os
import random
import subprocess
import tempfile
import unittest

import server


class Libmemcached:
    """The cases; one class per protocol and number of cores below."""

    cores = None
    protocol = ()  # flags of each tool

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(cores=cls.cores, flags=('-m', '256'))
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.run_tool('memcflush')
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_tool(self, tool, *arguments, status=0):
        """The tool's output; its exit status must be the given one."""
        done = subprocess.run([tool, *self.protocol, '--servers=127.0.0.1:%d' % self.server.port,
                               *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE,
                              timeout=server.TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, status,
                         (tool, arguments, done.stdout[-500:], done.stderr))
        return done.stdout

    def copy(self, name, value, *flags):
        """memccp stores a file under its name."""
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as file:
            file.write(value)
        self.run_tool('memccp', *flags, path)

    def test_cat(self):
        self.copy('one', b'value one')
        self.copy('two', b'value two')
        self.assertEqual(self.run_tool('memccat', 'one'), b'value one\n')
        self.assertEqual(self.run_tool('memccat', 'two', 'one'), b'value two\nvalue one\n')

    def test_cat_missing(self):
        self.run_tool('memccat', 'none', status=1)

    def test_flags(self):
        self.copy('flagged', b'value', '--flags=4242')
        self.assertIn(b'4242', self.run_tool('memccat', '--flags', 'flagged'))

    def test_large(self):
        for size in (10 << 10, 100 << 10, 900 << 10):
            value = random.Random(size).randbytes(size)
            self.copy('large', value)
            self.assertEqual(self.run_tool('memccat', 'large'), value + b'\n')

    def test_many_files(self):
        names = ['file%d' % n for n in range(100)]
        for name in names:
            with open(os.path.join(self.folder, name), 'w', encoding='ascii') as file:
                file.write('value of ' + name)
        self.run_tool('memccp', *(os.path.join(self.folder, name) for name in names))
        self.assertEqual(self.run_tool('memccat', *names).decode(),
                         ''.join('value of %s\n' % name for name in names))

    def test_add_and_replace(self):
        path = os.path.join(self.folder, 'key')
        self.copy('key', b'first', '--add')
        self.run_tool('memccp', '--add', path, status=1)
        self.copy('key', b'second', '--replace')
        self.assertEqual(self.run_tool('memccat', 'key'), b'second\n')
        self.run_tool('memcrm', 'key')
        self.run_tool('memccp', '--replace', path, status=1)

    def test_exist(self):
        """It asks with an add that expires at once."""
        self.run_tool('memcexist', 'key', status=1)
        self.copy('key', b'value')
        self.run_tool('memcexist', 'key')
        self.run_tool('memcexist', 'other', status=1)
        self.run_tool('memccat', 'other', status=1)

    def test_rm(self):
        self.copy('key', b'value')
        self.run_tool('memcrm', 'key')
        self.run_tool('memccat', 'key', status=1)

    def test_flush(self):
        self.copy('key', b'value')
        self.run_tool('memcflush')
        self.run_tool('memccat', 'key', status=1)

    def test_stat(self):
        output = self.run_tool('memcstat').decode()
        self.assertIn('pid: %d' % self.server.pid, output)
        for name in ('curr_items', 'cmd_get', 'threads', 'evictions'):
            self.assertRegex(output, r'\b%s: [0-9]+' % name)

    def test_slap(self):
        """Its own load, with many connections at once."""
        self.run_tool('memcslap', '--concurrency=4', '--execute-number=500', '--test=set')
        self.run_tool('memcslap', '--concurrency=4', '--execute-number=500', '--initial-load=1000',
                      '--test=get')


class Text(Libmemcached):
    def test_ping(self):
        self.run_tool('memcping')

    def test_touch(self):
        self.run_tool('memctouch', '--expire=100', 'key', status=1)
        self.copy('key', b'value')
        self.run_tool('memctouch', '--expire=100', 'key')
        self.assertEqual(self.run_tool('memccat', 'key'), b'value\n')


class Binary(Libmemcached):
    protocol = ('--binary',)


class TextOneCore(Text, unittest.TestCase):
    cores = 1


class TextTwoCores(Text, unittest.TestCase):
    cores = 2


class BinaryOneCore(Binary, unittest.TestCase):
    cores = 1


class BinaryTwoCores(Binary, unittest.TestCase):
    cores = 2


if __name__ == '__main__':
    server.main()
