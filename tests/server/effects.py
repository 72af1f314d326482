"""Flags whose effect takes more than one question to see: -R, -C, and what -X, -F and -W refuse."""
import os
import signal
import time
import unittest

import server
from flags import FlagsTest


class Turns(FlagsTest):
    """-R: a connection that has sent much yields to others, and is told about in conn_yields."""

    GETS = 1000

    def yields(self, *flags):
        """How often a client that pipelines its gets has yielded."""
        under_test = self.start(*flags)
        with under_test.connect() as client:
            client.send(b'get a\r\n' * self.GETS)
            self.assertEqual(client.read(5 * self.GETS), b'END\r\n' * self.GETS)
        return int(under_test.stat('conn_yields'))

    def test_yields(self):
        """As many turns as it takes, but the last; a few more where the gets came in pieces."""
        for flags, least in ((('-R', '1'), 999), (('-R', '10'), 99), (('-R', '20'), 49),
                             (('--max-reqs-per-event=100',), 9)):
            with self.subTest(flags=flags):
                self.assertGreaterEqual(self.yields(*flags), least - 5)
                self.assertEqual(self.settings(self.start(*flags))['reqs_per_event'],
                                 flags[-1].split('=')[-1])

    def test_no_yields(self):
        for most in ('2000', '2147483647'):
            self.assertEqual(self.yields('-R', most), 0)

    @unittest.skipIf(server.ORIGINAL, 'it takes 20 unless told')
    def test_default(self):
        self.assertEqual(self.settings(self.start())['reqs_per_event'], '128')
        self.assertIn(self.yields(), range(4, 12))

    def test_others_are_served(self):
        """Both have sent all they have when the server goes on, the greedy one first: its gets see
        the other's set, most of them."""
        under_test = self.start('-R', '10')
        with under_test.connect() as greedy, under_test.connect() as other:
            for client in (greedy, other):
                client.ask(b'get mark\r\n')
            os.kill(under_test.pid, signal.SIGSTOP)
            deadline = time.monotonic() + server.TIMEOUT_S
            while under_test.states() != {'T'} and time.monotonic() < deadline:
                time.sleep(0.01)
            greedy.send(b'get mark\r\n' * self.GETS)
            other.send(b'set mark 0 0 1\r\nx\r\n')
            os.kill(under_test.pid, signal.SIGCONT)
            self.assertEqual(other.read_line(), b'STORED\r\n')
            greedy.send(b'quit\r\n')
            self.assertGreater(greedy.read_all().count(b'VALUE'), self.GETS // 2)

    def test_walks_go_on(self):
        """A dump doesn't wait for a turn to be full."""
        under_test = self.start('-R', '2147483647', cores=2)
        keys = 5000
        with under_test.connect() as client:
            client.send(b''.join(b'set k%d 0 0 1 noreply\r\nx\r\n' % n for n in range(keys)))
            client.ask(b'mn\r\n')
            client.send(b'lru_crawler metadump all\r\n')
            lines = iter(client.read_line, b'END\r\n')
            self.assertEqual(sum(line.startswith(b'key=') for line in lines), keys)


if __name__ == '__main__':
    server.main()
