"""The helper for gdb: its commands show what is in the server, of a process and of a core file."""
import os
import re
import signal
import subprocess
import tempfile
import unittest

import server

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../core/dist/simplecache-gdb.py')
KEYS = 40


def has_debug_information():
    sections = subprocess.run(['readelf', '-S', '-W', *server.program()], stdout=subprocess.PIPE, check=True,
                              text=True, timeout=server.TIMEOUT_S).stdout
    return '.debug_info' in sections


@unittest.skipIf(server.SANITIZED or server.ORIGINAL, 'for our own program, as it is built for use')
class Debugger(unittest.TestCase):
    def setUp(self):
        server.need('gdb', 'gdb')
        if not has_debug_information():
            self.skipTest('the program was built without debug information (meson -Ddebug=true)')
        self.start()
        self.addCleanup(self.end)

    def start(self, flags=(), **options):
        """A server with some items, and a client of it."""
        self.server = server.Server(cores=2, flags=('-m', '16', *flags), **options)
        self.client = self.server.connect()
        for i in range(KEYS):
            self.assertEqual(self.client.ask(b'set key_%d 0 0 6\r\nVALUE%d\r\n' % (i, i % 10)), b'STORED\r\n')

    def end(self):
        self.client.close()
        if self.server in server.running:
            self.server.stop()

    def ask(self, *commands, target=None):
        """What the commands print."""
        arguments = [word for command in commands for word in ('-ex', 'simplecache ' + command)]
        target = target or ['-p', str(self.server.pid)]
        done = subprocess.run(['gdb', '--nx', '--batch', *target, '-ex', 'source ' + HELPER, *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=6 * server.TIMEOUT_S)
        self.assertNotIn('Error', done.stdout)
        return done.stdout

    def check(self, target=None):
        answer = self.ask('reactors', 'segments 0', 'segments 1', 'mesh', 'connections 0', 'connections 1',
                          target=target)
        items = [int(count) for count in re.findall(r'^reactor \d: turn \d+, .* (\d+) items', answer, re.M)]
        self.assertEqual((len(items), sum(items)), (2, KEYS))
        self.assertRegex(answer, r'reactor 0: (asleep|awake)\n  to 1: 0 outstanding, requests 0 \+ 0, replies 0 \+ 0')
        self.assertEqual(len(re.findall(r'^connection \d+: open, 0 queued', answer, re.M)), 1, answer)
        self.assertRegex(answer, r'(?m)^segment \d+: small, sequence \d+, \d+ of \d+ bytes alive')
        self.assertNotIn('VALUE', answer)
        return answer

    def test_process(self):
        answer = self.check()
        segments = re.findall(r'^segment (\d+): small', answer, re.M)
        listed = self.ask(*('items %d %s 100' % (reactor, segment)
                            for reactor in (0, 1) for segment in sorted(set(segments))))
        found = re.findall(r'key (key_\d+), 6 bytes, .* bits linked', listed)
        self.assertEqual(sorted(found), sorted('key_%d' % i for i in range(KEYS)))
        for unused in (0, 999999):
            self.assertIn('segment %d is not in use\n' % unused, self.ask('items 0 %d' % unused))

    def test_chains(self):
        """All items are found by the index, each once."""
        chains = self.ask(*('chain %d %d' % (reactor, bucket) for reactor in (0, 1) for bucket in range(64)))
        found = re.findall(r'slot \d: tag [0-9a-f]{4}, frequency \d, location \d+: key (key_\d+),', chains)
        self.assertEqual(sorted(found), sorted('key_%d' % i for i in range(KEYS)))
        self.assertRegex(chains, r'(?m)^bucket \d+ is empty$')

    def test_numbers(self):
        """One that is none, or beyond the last, is told; nothing is read there."""
        answer = self.ask('segments -1', 'segments 2', 'connections x', 'chain 0 -5', 'chain 0 99999999', 'items 0 -1',
                          'items 0 x')
        self.assertEqual(answer.count('there are 2 reactors, with numbers from 0\n'), 3, answer)
        self.assertEqual(len(re.findall(r'there are \d+ buckets, with numbers from 0\n', answer)), 2, answer)
        self.assertEqual(answer.count(' segments at most, with numbers from 0\n'), 2, answer)

    def test_core_file(self):
        """One that the kernel writes when the process dies, where it writes it to a file."""
        with open('/proc/sys/kernel/core_pattern', encoding='ascii') as pattern:
            if pattern.read(1) in '|/':
                self.skipTest('core files go elsewhere')
        self.client.close()
        self.server.stop()
        with tempfile.TemporaryDirectory() as folder:
            self.start(flags=('-r',), before=lambda: os.chdir(folder))
            os.kill(self.server.pid, signal.SIGABRT)
            self.assertEqual(self.server.process.wait(server.TIMEOUT_S), -signal.SIGABRT)
            server.running.discard(self.server)
            (core,) = os.listdir(folder)
            self.check([*server.program(), os.path.join(folder, core)])

    def test_usage(self):
        answer = subprocess.run(['gdb', '--nx', '--batch', '-ex', 'source ' + HELPER, '-ex', 'simplecache items 0'],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                                timeout=server.TIMEOUT_S).stdout
        self.assertIn('usage: simplecache items REACTOR SEGMENT [N]', answer)


if __name__ == '__main__':
    server.main()
