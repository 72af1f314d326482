"""libmemcached's command line tools, text and --binary: memccapable in full, each of the everyday
ones by name, and memcaslap with its verification on.

Debian: libmemcached-tools.
  MEMCASLAP_SECONDS  how long memcaslap loads the server (default 1 for each case)
"""
import os
import random
import re
import subprocess
import tempfile
import unittest

import server

CASLAP_SECONDS = int(os.environ.get('MEMCASLAP_SECONDS', 1))


def run_program(test, *command, status=0, limit_s=server.TIMEOUT_S):
    """What the program says; its exit status must be the given one."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=limit_s, check=False)
    test.assertEqual(done.returncode, status, (command, done.stdout[-500:], done.stderr[-500:]))
    return done.stdout + done.stderr


class Libmemcached:
    """The cases; one class per protocol and number of cores below."""

    cores = None
    protocol = ()  # flags of each tool

    @classmethod
    def setUpClass(cls):
        server.need('memccat', 'libmemcached-tools')
        cls.server = server.Server(cores=cls.cores, flags=('-m', '512'))
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.run_tool('memcflush')
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_tool(self, tool, *arguments, status=0):
        """The tool's output; its exit status must be the given one."""
        return run_program(self, tool, *self.protocol, '--servers=127.0.0.1:%d' % self.server.port,
                                *arguments, status=status)

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

    def test_stat_of_a_kind(self):
        self.assertIn(b'maxbytes: %d' % (512 << 20), self.run_tool('memcstat', '--args=settings'))

    def test_server_version(self):
        self.assertRegex(self.run_tool('memcstat', '--server-version'),
                         rb'127\.0\.0\.1:%d [1-9]' % self.server.port)

    def test_touch(self):
        self.run_tool('memctouch', '--expire=100', 'key', status=1)
        self.copy('key', b'value')
        self.run_tool('memctouch', '--expire=100', 'key')
        self.assertEqual(self.run_tool('memccat', 'key'), b'value\n')

    def capable(self, flag):
        """All of memccapable's tests of a protocol; it asks with what it calls a fixed set."""
        said = run_program(self, 'memccapable', '-h', '127.0.0.1', '-p', str(self.server.port), flag,
                                '-t', '20', limit_s=5 * server.TIMEOUT_S).decode()
        self.assertIn('All tests passed', said)
        self.assertEqual(len(re.findall(r'\[pass\]', said)), 27, said)

    def test_slap(self):
        """Its own load, with many connections at once."""
        self.run_tool('memcslap', '--concurrency=4', '--execute-number=500', '--test=set')
        self.run_tool('memcslap', '--concurrency=4', '--execute-number=500', '--initial-load=1000',
                      '--test=get')


class Text(Libmemcached):
    def test_ping(self):
        self.run_tool('memcping')

    def test_dump(self):
        """It asks for stats cachedump of every class."""
        for name in ('one', 'two', 'three'):
            self.copy(name, b'value')
        said = self.run_tool('memcdump').split()
        if not server.ORIGINAL:  # memcached tells of its coldest items only
            self.assertEqual(sorted(said), [b'one', b'three', b'two'])

    def test_dump_of_many(self):
        """All of them, each once, where memcached ends at 2 MiB."""
        count = 100000
        with self.server.connect() as client:
            client.send(b''.join(b'set dumped%d 0 0 1 noreply\r\nx\r\n' % n for n in range(count)))
            client.ask(b'mn\r\n')
        said = self.run_tool('memcdump').split()
        if not server.ORIGINAL:
            self.assertEqual(len(said), count)
            self.assertEqual(set(said), {b'dumped%d' % n for n in range(count)})

    def test_capable(self):
        self.capable('-a')


class Binary(Libmemcached):
    protocol = ('--binary',)

    def test_capable(self):
        self.capable('-b')


class TextOneCore(Text, unittest.TestCase):
    cores = 1


class TextTwoCores(Text, unittest.TestCase):
    cores = 2


class BinaryOneCore(Binary, unittest.TestCase):
    cores = 1


class BinaryTwoCores(Binary, unittest.TestCase):
    cores = 2


class Caslap(server.ServerTest):
    """memcaslap compares what it gets with what it has set, for half of its gets."""

    def caslap(self, *flags):
        server.need('memcaslap', 'libmemcached-tools')
        under_test = self.start(cores=2, flags=('-m', '512'))
        said = run_program(self, 'memcaslap', '-s', '127.0.0.1:%d' % under_test.port, '-T', '1',
                           '-c', '16', '-t', '%ds' % CASLAP_SECONDS, '-v', '0.5', '-e', '0.05', *flags,
                           limit_s=CASLAP_SECONDS + 5 * server.TIMEOUT_S).decode(errors='replace')
        counts = dict(re.findall(r'^(\w+): (\d+)$', said, re.MULTILINE))
        self.assertGreater(int(counts['cmd_get']), 100)
        wanted = dict.fromkeys(('get_misses', 'verify_misses', 'verify_failed', 'expired_get',
                                'unexpired_unget'), '0')
        self.assertEqual({name: counts[name] for name in wanted}, wanted, said[-1000:])

    def test_text(self):
        self.caslap()

    def test_text_multiget(self):
        self.caslap('-d', '10')

    def test_binary(self):
        self.caslap('--binary')

    def test_binary_multiget(self):
        self.caslap('--binary', '-d', '10')


if __name__ == '__main__':
    server.main()
