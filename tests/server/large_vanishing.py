"""Large values whose clients vanish in the middle: nothing is held for them any more.

LARGE_CLIENTS says how many connections are broken off (default 2000, 300 with a sanitizer).
"""
import os
import random
import time
import unittest

import server
from large import Exchange

CLIENTS = int(os.environ.get('LARGE_CLIENTS', 300 if server.SANITIZED else 2000))


class Vanishing(Exchange):
    """Clients that break off in the middle of a value, thousands of times."""

    def vanish(self, under_test, seed, count, trouble):
        rng = random.Random(seed)
        for _ in range(count):
            key = b'key%d' % rng.randrange(20)
            length = rng.choice((20000, 100000, 900000))
            said = rng.choice((b'set %s 0 0 %d\r\n' % (key, length) + b'v' * length + b'\r\n',
                               b'get %s\r\n' % key * rng.randrange(1, 8),
                               b'append %s 0 0 30000\r\n' % key + b'v' * 30000 + b'\r\n'))
            if rng.random() < 0.7:
                said = said[:rng.randrange(len(said))]
            try:
                with under_test.connect() as client:
                    client.socket.settimeout(0.005)
                    client.send(said)
                    if rng.random() < 0.5:
                        client.socket.recv(rng.choice((1, 1000, 200000)))
                    if rng.random() < 0.5:
                        client.reset()
            except (TimeoutError, ConnectionError, BrokenPipeError):
                pass
            except OSError as error:
                trouble.append(error)

    @unittest.skipIf(server.ORIGINAL, 'it has no such statistics')
    def test_everything_is_given_back(self):
        under_test = self.start(cores=3, flags=('-m', '64'), ring_capacity=4)
        with under_test.connect() as client:
            for n in range(20):
                self.exchange(client, b'set key%d 0 0 900000\r\n%s\r\n' % (n, b'v' * 900000),
                              b'STORED\r\n')
        trouble = []
        seed = int(os.environ.get('LARGE_SEED', time.time()))
        print('# seed %d' % seed)
        clients = [server.Thread(target=self.vanish,
                                    args=(under_test, '%d.%d' % (seed, n), CLIENTS // 8, trouble))
                   for n in range(8)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        self.assertEqual(trouble, [])
        self.nothing_held(under_test)
        with under_test.connect() as client:
            self.exchange(client, b'set key1 0 0 900000\r\n%s\r\nget key1\r\n' % (b'w' * 900000),
                          b'STORED\r\nVALUE key1 0 900000\r\n%s\r\nEND\r\n' % (b'w' * 900000))


if __name__ == '__main__':
    server.main()
