"""HTTP clients that mean harm: what they cost is bounded, others get their answers, and the cache is unharmed."""
import contextlib
import ctypes
import os
import resource
import socket
import threading
import time

import server
from metrics_server import MetricsTest

CONNECTIONS = 64  # of a listener, see core/server/http.h
REQUEST_S = 10


class HostileTest(MetricsTest):
    def setUp(self):
        self.under_test = self.begin(cores=2)
        self.sockets = []
        self.addCleanup(self.close_all)

    def close_all(self):
        for one in self.sockets:
            one.close()

    def raw(self, data=b''):
        one = server.Connection(self.under_test.http_port)
        self.sockets.append(one)
        one.send(data)
        return one

    def serves(self):
        """Both a new client of HTTP and one of the cache."""
        with self.under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
        self.assertEqual(self.under_test.get('/healthz').body, b'ok\n')
        self.assertGreater(len(self.under_test.page().families), 100)


class Requests(HostileTest):
    def status(self, data):
        """The first status of what is answered, or none; the connection must end."""
        one = self.raw(data)
        with contextlib.suppress(OSError):  # it may have been refused by now
            one.end_input()
        return one.read_all().partition(b'\r\n')[0].decode()

    def test_bad_requests(self):
        for data in (b'GET\r\n\r\n', b'GET /readyz\r\n\r\n', b'GET /readyz HTTP/2.0\r\n\r\n',
                     b'GET /readyz HTTP/9.9\r\n\r\n', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'get a\r\n',
                     b'GET /readyz HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
                     b'GET /readyz HTTP/1.1\r\nContent-Length: x\r\n\r\n',
                     b'GET /readyz HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n',
                     b'POST /readyz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
                     b'GET /readyz HTTP/1.1\r\nHost: a\nb\r\n\r\n', b' GET /readyz HTTP/1.1\r\n\r\n'):
            self.assertNotRegex(self.status(data), r'^HTTP/1\.\d 200', data)
        self.serves()

    def test_huge(self):
        """Headers and lines are bounded; a body is not kept."""
        self.assertRegex(self.status(b'GET /readyz HTTP/1.1\r\nX: ' + b'x' * 100000 + b'\r\n\r\n'), ' 431 |^$')
        self.assertRegex(self.status(b'GET /' + b'x' * 100000 + b' HTTP/1.1\r\n\r\n'), ' 414 |^$')
        self.assertRegex(self.status(b'GET /readyz HTTP/1.1\r\n' + b'X: y\r\n' * 20000 + b'\r\n'), ' 431 |^$')
        before = self.under_test.resident_bytes()
        size = 20000000
        one = self.raw(b'GET /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n' % size)
        for _ in range(20):
            one.send(b'x' * (size // 20))
        self.assertRegex(one.read_line(), b' 200 ')
        if not server.SANITIZED:
            self.assertLess(self.under_test.resident_bytes() - before, size // 4)
        self.serves()

    def test_pipelining(self):
        """A thousand requests that nobody reads the answers of; they end when the client does."""
        for _ in range(4):
            one = self.raw()
            one.socket.settimeout(0.2)
            try:
                for _ in range(1000):
                    one.send(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
            except OSError:
                pass  # nothing more is taken
        before = self.under_test.resident_bytes()
        self.serves()
        if not server.SANITIZED:
            self.assertLess(before, 100 << 20)


class Floods(HostileTest):
    def test_idle_connections(self):
        """More than it has places for: the oldest make way, and a new one is answered."""
        for i in range(4 * CONNECTIONS):
            self.raw(b'GET /metr' if i % 2 else b'')
            if i % 50 == 0:
                self.serves()
        self.serves()
        limit = 3 * CONNECTIONS + 60
        self.wait_for(lambda: self.under_test.descriptors() < limit)
        self.assertEqual(self.sockets[0].read_all(), b'')

    def wait_for(self, condition):
        deadline = time.monotonic() + 2 * REQUEST_S + server.TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_flood_while_asked(self):
        """Connections that come as fast as they can; the cache and other clients are served meanwhile."""
        stop = threading.Event()

        def flood():
            while not stop.is_set():
                try:
                    with socket.create_connection(('127.0.0.1', self.under_test.http_port), timeout=5) as one:
                        one.sendall(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
                        one.recv(100)
                except OSError:
                    pass
        threads = [server.Thread(target=flood) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                self.serves()
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def test_slow(self):
        """Who sends a byte now and then has as long as who sends nothing: all are closed in time, and
        those who ask before that are answered."""
        quiet, half, drip = self.raw(), self.raw(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n'), self.raw()
        lazy = self.raw(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')  # doesn't read the answer
        begun = time.monotonic()
        others = [self.raw(data) for data in (b'\r\n' * 1000, bytes(1000), b'\x16\x03\x01\x02\x00\x01\x00',
                                              b'\x80\x00\x00\x05' + bytes(20))]
        open_ones = {quiet, half, drip, lazy, *others}
        word = iter(b'GET /metrics HTTP/1.1\r\nX: ' + b'x' * 10000)
        while open_ones - {lazy} and time.monotonic() - begun < 2 * REQUEST_S + server.TIMEOUT_S:
            for one in list(open_ones - {lazy}):
                one.socket.settimeout(0.1)
                try:
                    if one is drip:
                        one.send(bytes([next(word)]))
                    if not one.socket.recv(1000):
                        open_ones.remove(one)
                except TimeoutError:
                    pass
                except OSError:
                    open_ones.remove(one)
        self.assertEqual(open_ones, {lazy})
        if not server.SANITIZED:
            self.assertGreater(time.monotonic() - begun, REQUEST_S - 5)
        self.serves()

    def test_resets(self):
        """Connections that end in the middle of a request or an answer, and at once."""
        for i in range(200):
            one = self.raw(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'[:i])
            one.reset()
        self.serves()
        self.wait_for(lambda: len(os.listdir('/proc/%d/fd' % self.under_test.pid)) < 60)


class Hanging(MetricsTest):
    ATTACH, DETACH, WAIT_ALL = 16, 17, 0x40000000  # of ptrace(2) and waitpid(2)

    def stop_thread(self, under_test, name):
        """Stops one thread; returns what lets it go on."""
        folder = '/proc/%d/task/' % under_test.pid
        libc = ctypes.CDLL(None)
        for number in os.listdir(folder):
            with open(folder + number + '/comm') as file:
                if file.read().strip() == name:
                    break
        if libc.ptrace(self.ATTACH, int(number), None, None) != 0:
            self.skipTest('threads may not be traced here')
        os.waitpid(int(number), self.WAIT_ALL)
        return lambda: libc.ptrace(self.DETACH, int(number), None, None)

    def test_a_reactor_hangs(self):
        """That is told, and from then on without a wait; whether the server is ready, at any time."""
        under_test = self.begin(cores=2)
        go_on = self.stop_thread(under_test, 'reactor 0')
        try:
            self.assertEqual(under_test.get('/metrics').status, 503)
            begun = time.monotonic()
            for _ in range(10):
                self.assertEqual([under_test.get(path).status for path in ('/healthz', '/readyz', '/metrics', '/')],
                                 [503, 200, 503, 200])
            self.assertLess(time.monotonic() - begun, server.TIMEOUT_S)
        finally:
            go_on()
        deadline = time.monotonic() + server.TIMEOUT_S
        while under_test.get('/healthz').status != 200:
            self.assertLess(time.monotonic(), deadline)


class Descriptors(MetricsTest):
    def test_those_of_the_cache_are_its_own(self):
        """A flood of HTTP leaves the cache as many descriptors as -c needs."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        under_test = self.begin('-c', '50', cores=2, nofile=(100, hard))
        with contextlib.ExitStack() as stack:
            for _ in range(2 * CONNECTIONS):
                stack.enter_context(server.Connection(under_test.http_port)).send(b'GET /metr')
            self.assertEqual(under_test.get('/readyz').status, 200)
            left = resource.prlimit(under_test.pid, resource.RLIMIT_NOFILE)[0] - under_test.descriptors()
            self.assertGreater(left, 50)
            for _ in range(50):
                self.assertEqual(stack.enter_context(under_test.connect()).ask(b'get a\r\n'), b'END\r\n')
            self.assertEqual(under_test.get('/readyz').status, 200)


if __name__ == '__main__':
    server.main()
