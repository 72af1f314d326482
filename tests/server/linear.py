"""Whether what many connections are told of a few keys that all of them read and write is linearizable, by text, meta
and binary commands, on one to eight cores. tests/linear asks and checks, and its head says how.

The environment may say more:
  LINEAR           path of that program (meson gives it)
  LINEAR_SEED      from which what is asked follows (default 1)
  LINEAR_SECONDS   how long the long test goes on (default 3600)
"""
import os
import re
import subprocess
import time
import unittest

import server

SEED = int(os.environ.get('LINEAR_SEED', '1'))
LONG = 'LONG' in os.environ
LONG_S = float(os.environ.get('LINEAR_SECONDS', '3600'))
SECONDS = 1.5  # of a case in the gate
REQUESTS = 30000  # of a round there: each has new keys, which are copied anew
HITS_MIN, STALE_MIN = 1000, 10  # answers from copies, and copies that were found to be out of date


def work(under_test, seed, seconds, *flags):
    """The client at work; returns its figures."""
    done = subprocess.run([os.environ['LINEAR'], '--port', str(under_test.port), '--seed', str(seed), '--seconds',
                           str(seconds), *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError('seed %d: %s' % (seed, done.stdout))
    return {name: int(count) for name, count in re.findall(r'^(\w+) (\d+)$', done.stdout, re.M)}


@unittest.skipIf(LONG, 'the long one runs')
class Linear(server.ServerTest):
    def check(self, cores, flags=(), seconds=SECONDS):
        under_test = self.start(cores=cores, flags=flags)
        deadline = time.monotonic() + 10 * server.TIMEOUT_S
        seed = SEED
        while True:
            work(under_test, seed, seconds, '--requests', str(REQUESTS))
            if server.ORIGINAL or cores == 1 or self.has_copied(under_test):
                return
            self.assertLess(time.monotonic(), deadline, 'there were no answers from copies')
            seed += 1

    @staticmethod
    def has_copied(under_test):
        return int(under_test.stat('hot_hits')) >= HITS_MIN and int(under_test.stat('hot_stale')) >= STALE_MIN

    def test_one_core(self):
        self.check(1, seconds=0.5)

    def test_two_cores(self):
        self.check(2)

    def test_four_cores(self):
        self.check(4)

    def test_eight_cores(self):
        self.check(8)

    @unittest.skipIf(server.ORIGINAL, 'it has one engine')
    def test_epoll(self):
        self.check(2, flags=('-o', 'io=epoll'))


@unittest.skipUnless(LONG, 'it takes an hour')
class ForLong(server.ServerTest):
    """Servers in turn, half a minute each."""

    SERVERS = [(2, ()), (4, ()), (8, ()), (1, ()), (3, ('-o', 'no_conn_moves')), (2, ('-o', 'io=epoll')), (5, ('-R', '1')),
               (2, ('-m', '16')), (4, ('-m', '32'))]
    SERVER_S = 30

    def test_for_long(self):
        end, seed, sums = time.monotonic() + LONG_S, SEED, {}
        while (left := end - time.monotonic()) > 0:
            cores, flags = self.SERVERS[seed % len(self.SERVERS)]
            under_test = server.Server(cores=cores, flags=flags)
            try:
                evicts = ['--fills', '20'] if '-m' in flags else []
                found = work(under_test, seed, min(left, self.SERVER_S), *evicts)
                for name in 'hot_hits', 'hot_stale', 'get_expired', 'evictions':
                    found[name] = int(under_test.stat(name))
            finally:
                under_test.stop()
            for name, count in found.items():
                sums[name] = max(sums.get(name, 0), count) if name == 'ways_max' else sums.get(name, 0) + count
            print('# %.0f s left, seed %d, %d cores %s: %s' % (left, seed, cores, ' '.join(flags), sums), flush=True)
            seed += 1


if __name__ == '__main__':
    server.main()
