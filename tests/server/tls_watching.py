"""Clients that watch, and connections with TLS."""
import re
import time

import server
from tls_server import TlsTest


class Watching(TlsTest):
    def setUp(self):
        self.server = self.start_tls(cores=2)

    def test_a_watcher_over_tls(self):
        with self.server.tls() as watcher, self.server.connect() as client:
            self.assertEqual(watcher.ask(b'watch fetchers\r\nget not_this\r\n'), b'OK\r\n')
            watcher.send(b'get nor_this\r\n')
            for number in range(300):
                client.ask(b'get k%d\r\n' % number)
            told = {re.search(rb' key=(\S+) ', watcher.read_line())[1] for _ in range(300)}
            self.assertEqual(told, {b'k%d' % number for number in range(300)})
        deadline = time.monotonic() + server.TIMEOUT_S
        while self.server.stat('log_watchers') != '0':
            self.assertLess(time.monotonic(), deadline)

    def test_what_is_no_tls_is_told(self):
        with self.server.connect() as watcher:
            self.assertEqual(watcher.ask(b'watch connevents\r\n'), b'OK\r\n')
            with server.Connection(self.server.ports['tls']) as client:
                client.send(b'this is no handshake\r\n')
                self.assertEqual(client.read_all(), b'')
                port = client.socket.getsockname()[1]
            where = rb'rip=127\.0\.0\.1 rport=%d transport=tcp' % port
            line = watcher.read_line()
            while b' type=conn_close ' in line:  # that of wait_ready()
                line = watcher.read_line()
            new = re.search(rb' type=conn_new %s cfd=(\d+)\n\Z' % where, line)
            self.assertTrue(new)
            self.assertRegex(watcher.read_line(), rb' type=conntlserr fd=%s msg=[^\n]+\n\Z' % new[1])
            self.assertRegex(watcher.read_line(),
                             rb' type=conn_close %s reason=error cfd=%s\n\Z' % (where, new[1]))


if __name__ == '__main__':
    server.main()
