"""`stats hotkeys`: the keys that most requests name, from a sample of one in 128, over all cores and protocols. What
the sketch promises exactly is in tests/core/test_hotkeys.c."""
import server
from binary import GET, NOOP, SET, STAT, FOREVER, error, request
from datagrams import Datagrams, free_port
from latency import ask_binary, ask_text, parse

GETS, SETS, OTHERS = 30000, 12000, 6000  # of hot, of warm, and of keys that come once
SUM = GETS + SETS + OTHERS
VALUE = b'v' * 500
WHAT = ('key', 'share', 'share_max', 'reads', 'writes', 'bytes', 'copied')


def ask(client):
    return parse(ask_text(client, b'stats hotkeys\r\n', b'END\r\n'))


def load(client, hot=b'hot'):
    """Gets of one key, sets of another, and keys of which each is asked for once."""
    ask_text(client, b'set %s 0 0 %d\r\n%s\r\n' % (hot, len(VALUE), VALUE), b'STORED\r\n')
    for part in range(60):
        first = part * OTHERS // 60
        client.send(b'mg %s v q\r\n' % hot * (GETS // 60) + b'ms warm 3 q\r\nabc\r\n' * (SETS // 60) +
                    b''.join(b'mg once%d v q\r\n' % (first + i) for i in range(OTHERS // 60)))
        client.send(b'mn\r\n')
        while not client.buffer.endswith(b'MN\r\n'):
            assert client.fill()
        client.buffer.clear()


class HotKeys(server.ServerTest):

    def near(self, told, expected):
        """Hundreds of samples: off by far less, but for one run in a million."""
        self.assertGreater(float(told), expected * 0.5)
        self.assertLess(float(told), expected * 1.5)

    def assert_hot(self, told, hot='hot'):
        self.near(told['sampled'], SUM / 128)
        self.assertEqual(told['sample'], '128')
        self.assertEqual((told['1:key'], told['2:key']), (hot, 'warm'))
        self.near(told['1:share'], 100 * GETS / SUM)
        self.near(told['2:share'], 100 * SETS / SUM)
        self.near(told['1:reads'], GETS)
        self.near(told['1:bytes'], GETS * len(VALUE))
        self.near(told['2:writes'], SETS)
        self.near(told['2:bytes'], SETS * 3)
        self.assertEqual(told['2:reads'], '0')
        self.assertLessEqual(int(told['1:writes']), 128)  # the first set
        for rank in (1, 2):
            self.assertGreaterEqual(float(told['%d:share_max' % rank]), float(told['%d:share' % rank]))

    def test_what_is_hot(self):
        for cores in (1, 2, 5):
            with self.subTest(cores=cores):
                port = free_port()
                under_test = self.start(cores=cores, port=port, flags=('-U', str(port)))
                with under_test.connect() as client, Datagrams(port) as datagrams, under_test.connect() as binary:
                    load(client)
                    told = ask(client)
                    self.assert_hot(told)
                    ranks = (len(told) - 3) // len(WHAT)
                    self.assertLessEqual(ranks, 32)
                    self.assertEqual(list(told), ['sample', 'sampled', 'window'] +
                                     ['%d:%s' % (i + 1, what) for i in range(ranks) for what in WHAT])
                    self.assert_hot(parse(datagrams.ask(b'stats hotkeys\r\n')))
                    self.assert_hot(dict(ask_binary(binary, request(STAT, b'hotkeys'), STAT)))
                    ask_text(client, b'stats reset\r\n', b'RESET\r\n')
                    self.assertEqual(list(ask(client)), ['sample', 'sampled', 'window'])

    def test_keys_are_encoded(self):
        """As metadump encodes them, of any bytes, and as long as may be."""
        with self.start().connect() as client:
            load(client, b'a/b:%<\xc3\xa9>')
            self.assert_hot(ask(client), 'a%2Fb%3A%25%3C%C3%A9%3E')
        longest = b'/' * 250
        with self.start().connect() as client:
            load(client, longest)
            self.assert_hot(ask(client), '%2F' * 250)
        with self.start().connect() as client:
            key = bytes(range(1, 251))
            ask_binary(client, request(SET, key, FOREVER, b'x'), SET)
            for _ in range(20):
                ask_binary(client, request(GET, key) * 500 + request(NOOP), NOOP)
            told = dict(ask_binary(client, request(STAT, b'hotkeys'), STAT))
            encoded = ''.join(chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in '-._~')
                              else '%%%02X' % byte for byte in key)
            self.assertEqual(told['1:key'], encoded)

    def test_a_large_value(self):
        """Uploads are sampled, and gets of what is leased."""
        with self.start(cores=2).connect() as client:
            value = b'v' * 100000
            told = {}
            while '1:key' not in told:  # a hundred of them may well have none in the sample
                for _ in range(100):
                    client.send(b'set large 0 0 100000\r\n%s\r\n' % value)
                    self.assertEqual(client.read_line(), b'STORED\r\n')
                told = ask(client)
            self.assertEqual(told['1:key'], 'large')
            self.assertEqual(int(told['1:bytes']), 100000 * int(told['1:writes']))

    def test_where_dumps_are_forbidden(self):
        with self.start(flags=('-X',)).connect() as client:
            self.assertEqual(client.ask(b'stats hotkeys\r\n'), b'ERROR hotkeys not allowed\r\n')
            self.assertEqual(client.ask(b'lru_crawler metadump all\r\n'), b'ERROR metadump not allowed\r\n')
            self.assertIn(b'STAT get:count', client.ask(b'stats latency\r\n'))
        with self.start(flags=('-X',)).connect() as client:
            client.send(request(STAT, b'hotkeys'))
            self.assertEqual(client.read(24)[6:8], b'\0\1')


if __name__ == '__main__':
    server.main()
