"""The servers that bench/ladder leaves something out of: what they answer, and what they count.

RUNGS is the folder where they are (meson gives it).
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'server'))
from server import ServerTest, TapRunner  # noqa: E402

SET = b'set key2 0 0 100\r\n' + b'v' * 100 + b'\r\n'
VALUE = b' 0 100\r\n' + b'x' * 100 + b'\r\n'


def stats(server, *names):
    """Some figures of a server."""
    return [int(server.stat(name)) for name in names]


class Rungs(ServerTest):
    def start_rung(self, name, cores):
        """One of them in place of the server."""
        os.environ['SIMPLECACHE'] = os.path.join(os.environ['RUNGS'], name)
        return self.start(cores=cores)

    def check_canned(self, name, keys):
        """Each key has the one value, named as `keys` says, in whatever pieces the commands come."""
        server = self.start_rung(name, 1)
        commands = b'get key1 \r\n' + SET + b'get key1 key2\r\nversion\r\n' * 40
        answer = b'VALUE %s%sEND\r\n' % (keys[0], VALUE) + b'STORED\r\n' + b''.join(
            b'VALUE %s%sVALUE %s%sEND\r\nVERSION %s\r\n' % (
                keys[0], VALUE, keys[1], VALUE, server.stat('version').encode()) for _ in range(40))
        for fragment in None, 1, 7, 1000:
            with server.connect() as client:
                client.send(commands + b'quit\r\n', fragment)
                self.assertEqual(client.read_all(), answer)
        self.assertEqual(stats(server, 'cmd_get', 'get_hits', 'cmd_set', 'curr_items'),
                         [4 * 81, 4 * 81, 4, 0])

    def test_without_a_parser(self):
        self.check_canned('canned', [b'key12345'] * 2)

    def test_without_a_store(self):
        self.check_canned('parsed', [b'key1', b'key2'])

    def test_a_client_that_does_not_read(self):
        """Waits with its output full, and goes on."""
        server = self.start_rung('canned', 1)
        with server.connect(receive_buffer=4096) as client:
            client.send(b'get key1\r\n' * 40000)
            for _ in range(40000):
                self.assertEqual(client.read(len(VALUE) + 19), b'VALUE key12345' + VALUE + b'END\r\n')

    def test_all_on_another_shard(self):
        """Whatever the key, and whichever connection asks."""
        server = self.start_rung('elsewhere', 2)
        for number in range(20):
            with server.connect() as client, server.connect() as other:
                before, = stats(server, 'mesh_requests')
                key = b'key%d' % number
                self.assertEqual(client.ask(b'set %s 0 0 1\r\n7\r\n' % key), b'STORED\r\n')
                self.assertEqual(other.ask(b'get %s\r\n' % key), b'VALUE %s 0 1\r\n' % key)
                # One message for each, and one for the other shard's part of stats.
                self.assertEqual(stats(server, 'mesh_requests'), [before + 3])


if __name__ == '__main__':
    unittest.main(testRunner=TapRunner)
