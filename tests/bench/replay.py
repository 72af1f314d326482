"""The replayer against a server that is a few lines long: what it counts, and that it notices lies."""
import os
import re
import socketserver
import subprocess
import threading
import unittest


class Cache(socketserver.StreamRequestHandler):
    """Answers get and set out of a dictionary, spoilt as the server's `spoil` says."""

    def handle(self):
        items = {}
        for line in self.rfile:
            words = line.split()
            if words[0] == b'set':
                items[words[1]] = self.rfile.read(int(words[4]) + 2)[:-2]
                self.wfile.write(self.server.spoil.stored(words[1], items))
            else:
                self.wfile.write(self.server.spoil.value(words[1], items))


class Honest:
    """What a cache must answer."""

    def stored(self, key, items):
        return b'STORED\r\n'

    def value(self, key, items):
        if key not in items:
            return b'END\r\n'
        return b'VALUE %b 0 %d\r\n%b\r\nEND\r\n' % (key, len(items[key]), items[key])


class Refusing(Honest):
    def stored(self, key, items):
        del items[key]
        return b'SERVER_ERROR out of memory storing object\r\n'


class OtherValue(Honest):
    """One bit of one value."""

    def value(self, key, items):
        answer = super().value(key, items)
        return answer[:-8] + bytes([answer[-8] ^ 1]) + answer[-7:] if key == b'2' in items else answer


class OtherKey(Honest):
    def value(self, key, items):
        return super().value(b'1' if key == b'2' in items else key, items)


class Shorter(Honest):
    def value(self, key, items):
        return super().value(key, {key: items[key][:-1]} if key == b'2' in items else items)


class Replay(unittest.TestCase):
    def replay(self, spoil, trace, *flags):
        """Status and figures of a replay."""
        with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Cache) as server:
            server.spoil = spoil
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            done = subprocess.run([os.environ['REPLAY'], '--port', str(server.server_address[1]),
                                   '--trace', '-', *flags], input=trace, stdout=subprocess.PIPE,
                                  check=False)
            server.shutdown()
        figures = dict(re.findall(r'(\w+) ([\d.]+)', done.stdout.decode()))
        return done.returncode, {name: float(value) for name, value in figures.items()}

    def test_counts(self):
        """A key that comes again hits, at once too, whatever goes in one batch."""
        for batch in '1', '2', '32':
            status, figures = self.replay(Honest(), b'1\n1\n1\n2\n1\n3\n2\n', '--batch', batch)
            self.assertEqual(status, 0)
            self.assertEqual((figures['requests'], figures['hits'], figures['refused'],
                              figures['wrong']), (7, 4, 0, 0))

    def test_refused_sets(self):
        status, figures = self.replay(Refusing(), b'1\n1\n2\n')
        self.assertEqual((status, figures['hits'], figures['refused']), (0, 0, 3))

    def test_lies_are_noticed(self):
        for spoil in OtherValue(), OtherKey(), Shorter():
            status, figures = self.replay(spoil, b'1\n2\n1\n2\n2\n')
            self.assertEqual((status, figures['wrong']), (1, 2), type(spoil).__name__)

    def test_large_values(self):
        """Replies that fill every buffer on the way."""
        trace = b''.join(b'%d,1000000\n' % (number % 20) for number in range(60))
        status, figures = self.replay(Honest(), trace, '--own-sizes')
        self.assertEqual((status, figures['hits'], figures['wrong']), (0, 40, 0))


if __name__ == '__main__':
    unittest.main()
