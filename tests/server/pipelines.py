"""Long pipelines: every answer, in order, whoever owns the keys and however they are read."""
import random
import struct
import time
import unittest

import server


def value_of(n):
    """A value that tells its key, of varying length."""
    return b'%d:' % n + b'v' * (n * 7 % 190)


def hit(n, value=None):
    value = value_of(n) if value is None else value
    return b'VALUE key%d %d %d\r\n%s\r\n' % (n, n, len(value), value)


def store(numbers):
    """Commands that set keys, quietly."""
    return b''.join(b'set key%d %d 0 %d noreply\r\n%s\r\n' % (n, n, len(value_of(n)), value_of(n))
                    for n in numbers)


def mixture(seed, count, keys, prefix):
    """Random commands over few keys, and the answers that a dictionary gives to them."""
    rng = random.Random(seed)
    model, sent, wanted = {}, [], []
    for n in range(count):
        key = b'%s%d' % (prefix, rng.randrange(keys))
        command, answer = random_command(rng, model, key, n)
        sent.append(command)
        wanted.append(answer)
    return b''.join(sent), b''.join(wanted)


def random_command(rng, model, key, n):
    """One command and its answer; the model is changed as the server would be."""
    kind = rng.choice(('get', 'get', 'set', 'quiet', 'add', 'append', 'incr', 'delete', 'multi',
                       'bad'))
    if kind == 'get':
        return b'get %s\r\n' % key, shown(model, key) + b'END\r\n'
    if kind == 'multi':
        keys = [key] + rng.choices(list(model) + [key], k=rng.randrange(20))
        return b'get %s\r\n' % b' '.join(keys), b''.join(shown(model, one) for one in keys) + b'END\r\n'
    if kind in ('set', 'quiet'):
        model[key] = b'%d' % n if n % 3 else b'x' * rng.randrange(3000)
        return (b'set %s 0 0 %d%s\r\n%s\r\n'
                % (key, len(model[key]), b' noreply' if kind == 'quiet' else b'', model[key]),
                b'' if kind == 'quiet' else b'STORED\r\n')
    if kind == 'add':
        answer = b'NOT_STORED\r\n' if key in model else b'STORED\r\n'
        model.setdefault(key, b'7')
        return b'add %s 0 0 1\r\n7\r\n' % key, answer
    if kind == 'append':
        answer = b'STORED\r\n' if key in model else b'NOT_STORED\r\n'
        if key in model:
            model[key] += b'-'
        return b'append %s 0 0 1\r\n-\r\n' % key, answer
    if kind == 'incr':
        return b'incr %s 3\r\n' % key, incremented(model, key)
    if kind == 'delete':
        return b'delete %s\r\n' % key, b'NOT_FOUND\r\n' if model.pop(key, None) is None else b'DELETED\r\n'
    return b'bad %s\r\n' % key, b'ERROR\r\n'


def shown(model, key):
    return b'VALUE %s 0 %d\r\n%s\r\n' % (key, len(model[key]), model[key]) if key in model else b''


def incremented(model, key):
    if key not in model:
        return b'NOT_FOUND\r\n'
    if not model[key].isdigit():
        return b'CLIENT_ERROR cannot increment or decrement non-numeric value\r\n'
    model[key] = b'%d' % (int(model[key]) + 3)
    return model[key] + b'\r\n'


class Pipelines:
    """The cases; one class per number of cores and ring capacity below."""

    cores = None
    ring_capacity = None
    line_keys = 100000 if server.SANITIZED else 500000  # keys on one line

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(cores=cls.cores, ring_capacity=cls.ring_capacity,
                                   flags=('-m', '256'))
        cls.addClassCleanup(cls.server.stop)
        with cls.server.connect() as client:
            client.send(store(range(5000)))
            client.ask(b'version\r\n')

    def setUp(self):
        self.client = self.server.connect()
        self.addCleanup(self.client.close)

    def exchange(self, client, sent, wanted, fragment=None):
        """Sends from a thread of its own, so that both directions may be full at once."""
        sender = server.Thread(target=client.send, args=(sent, fragment))
        sender.start()
        received = client.read(len(wanted))
        sender.join(server.TIMEOUT_S)
        self.assertFalse(sender.is_alive())
        self.same(received, wanted)

    def same(self, received, wanted):
        """Equal; when not, the place is shown and not megabytes."""
        if received == wanted:
            return
        at = next((n for n, (a, b) in enumerate(zip(received, wanted)) if a != b),
                  min(len(received), len(wanted)))
        start = max(0, at - 100)
        self.fail('at byte %d of %d (%d received): received %r, expected %r'
                  % (at, len(wanted), len(received), received[start:at + 100],
                     wanted[start:at + 100]))

    def test_gets(self):
        """10,000 gets over all keys in one go."""
        numbers = random.Random(1).choices(range(5000), k=10000)
        self.exchange(self.client, b''.join(b'get key%d\r\n' % n for n in numbers),
                      b''.join(hit(n) + b'END\r\n' for n in numbers))

    def test_mixture(self):
        """20,000 random commands against a model."""
        self.exchange(self.client, *mixture(2, 20000, 300, b'mix'))

    def test_mixture_in_fragments(self):
        for seed, fragment in ((3, 1), (4, 7), (5, 1000)):
            with self.subTest(fragment=fragment):
                self.exchange(self.client, *mixture(seed, 300, 30, b'frag%d_' % seed), fragment)

    def test_two_connections(self):
        """Two clients with keys of their own, at the same time."""
        results = []

        def play(seed):
            with self.server.connect() as client:
                sent, wanted = mixture(seed, 10000, 300, b'two%d_' % seed)
                sender = server.Thread(target=client.send, args=(sent,))
                sender.start()
                results.append((client.read(len(wanted)), wanted))
                sender.join()
        players = [server.Thread(target=play, args=(seed,)) for seed in (6, 7)]
        for player in players:
            player.start()
        for player in players:
            player.join()
        self.assertEqual(len(results), 2)
        for received, wanted in results:
            self.same(received, wanted)

    def test_every_count(self):
        """n commands in one segment and then, when they are answered, another one: whatever a turn of
        the server may take, it must not forget to listen again when n is just that."""
        for n in [*range(1, 300), 384, 512, 1024]:
            self.exchange(self.client, b'delete none\r\n' * n, b'NOT_FOUND\r\n' * n)

    def test_multiget(self):
        """50 and 5,000 keys on a line, some missing, some twice."""
        for count in (50, 5000):
            numbers = random.Random(count).choices(range(6000), k=count)
            wanted = b''.join(hit(n) for n in numbers if n < 5000) + b'END\r\n'
            self.exchange(self.client, b'get ' + b' '.join(b'key%d' % n for n in numbers)
                          + b'\r\n', wanted)

    def test_multiget_on_a_long_line(self):
        """A line of megabytes with a space before the newline: request order, END once."""
        numbers = random.Random(8).choices(range(500), k=self.line_keys)
        line = b'get ' + b' '.join(b'key%d' % n for n in numbers) + b' \r\nversion\r\n'
        hits = {n: hit(n) for n in range(500)}
        self.exchange(self.client, line, b''.join(map(hits.__getitem__, numbers))
                      + b'END\r\nVERSION ')

    def test_multiget_on_a_long_line_of_misses(self):
        self.exchange(self.client, b'get' + b''.join(b' no%d' % n for n in range(self.line_keys))
                      + b' \r\nversion\r\n',
                      b'END\r\nVERSION ')

    def test_half_close(self):
        """1,000 gets, then the sending side is shut: all answers come, then the end."""
        self.client.send(b''.join(b'get key%d\r\n' % n for n in range(1000)))
        self.client.end_input()
        self.same(self.client.read_all(), b''.join(hit(n) + b'END\r\n' for n in range(1000)))

    def test_half_close_behind_one(self):
        """One get and the end at once: the short answer comes, whoever owns the key, then the end."""
        for n in range(200):
            with self.server.connect() as client:
                client.send(b'get key%d\r\n' % n)
                client.end_input()
                self.same(client.read_all(), hit(n) + b'END\r\n')

    def test_half_close_binary(self):
        """The same with getk of the binary protocol."""
        keys = [b'key%d' % n for n in range(1000)]
        self.client.send(b''.join(struct.pack('>BBHxxxxIIQ', 0x80, 0x0c, len(key), len(key), n, 0)
                                  + key
                                  for n, key in enumerate(keys)))
        self.client.end_input()
        received = self.client.read_all()
        for n, key in enumerate(keys):
            head = struct.unpack('>BBHBBHII', received[:16])
            body = struct.pack('>I', n) + key + value_of(n)
            self.assertEqual(head, (0x81, 0x0c, len(key), 4, 0, 0, len(body), n))
            self.assertEqual(received[24:24 + len(body)], body)
            received = received[24 + len(body):]
        self.assertEqual(received, b'')

    def test_quit(self):
        """quit in the middle: what came before is answered, what came after is not."""
        self.client.send(b''.join(b'get key%d\r\n' % n for n in range(500)) + b'quit\r\n'
                         + b'set after 0 0 1\r\nx\r\n' * 10)
        self.same(self.client.read_all(), b''.join(hit(n) + b'END\r\n' for n in range(500)))
        with self.server.connect() as other:
            self.assertEqual(other.ask(b'get after\r\n'), b'END\r\n')

    def test_slow_reader(self):
        """A reader with a small window that takes a few bytes at a time gets everything."""
        with self.server.connect(receive_buffer=2048) as client:
            numbers = [n % 5000 for n in range(3000)]
            wanted = b''.join(hit(n) + b'END\r\n' for n in numbers)
            sender = server.Thread(target=client.send,
                                      args=(b''.join(b'get key%d\r\n' % n for n in numbers),))
            sender.start()
            received = bytearray()
            rng = random.Random(9)
            while len(received) < len(wanted):
                chunk = client.socket.recv(rng.randrange(1, 5000))
                if not chunk:
                    break
                received += chunk
            sender.join()
            self.same(bytes(received), wanted)

    def pile_up(self, client, count):
        """Asks for short answers one by one and reads none, until the sockets are full and more."""
        value = random.Random(11).randbytes(3900)
        self.assertEqual(client.ask(b'set key5000 5000 0 3900\r\n%s\r\n' % value), b'STORED\r\n')
        for _ in range(count):
            client.send(b'get key5000\r\n')
        return (hit(5000, value) + b'END\r\n') * count

    def test_short_answers_that_pile_up(self):
        """Each is sent by itself as long as there is room, then in parts."""
        with self.server.connect(receive_buffer=2048) as client:
            wanted = self.pile_up(client, 3000)
            self.same(client.read(len(wanted)), wanted)
            client.send(b'get key0\r\n')
            self.same(client.read(len(hit(0)) + 5), hit(0) + b'END\r\n')

    def test_resets_while_answers_pile_up(self):
        """Clients that vanish then are forgotten, and so is what they were owed."""
        for _ in range(5):
            client = self.server.connect(receive_buffer=2048)
            self.pile_up(client, 3000)
            client.reset()
        deadline = time.monotonic() + server.TIMEOUT_S
        while self.connections() > 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def connections(self):
        """How many the server has open."""
        self.client.send(b'stats\r\n')
        lines = iter(self.client.read_line, b'END\r\n')
        return next(int(line.split()[2]) for line in list(lines)
                    if line.startswith(b'STAT curr_connections '))

    def test_large_values(self):
        """Values that need several sends, pipelined and interleaved with small ones."""
        value = random.Random(10).randbytes(200000)
        self.exchange(self.client, b'set large 0 0 200000\r\n' + value + b'\r\n', b'STORED\r\n')
        self.exchange(self.client, b'get large key1 large\r\nget key2\r\n' * 30,
                      (b'VALUE large 0 200000\r\n%s\r\n%sVALUE large 0 200000\r\n%s\r\nEND\r\n%sEND\r\n'
                       % (value, hit(1), value, hit(2))) * 30)

    def test_order_of_one_key(self):
        """What one connection does to one key happens in its order."""
        self.exchange(self.client, b'set n 0 0 1\r\n0\r\n' + b'incr n 1\r\n' * 5000,
                      b'STORED\r\n' + b''.join(b'%d\r\n' % n for n in range(1, 5001)))


class OneCore(Pipelines, unittest.TestCase):
    cores = 1


class TwoCores(Pipelines, unittest.TestCase):
    cores = 2


class FiveCores(Pipelines, unittest.TestCase):
    cores = 5


class SmallRing(Pipelines):
    """One request at a time between two cores: each key of another core costs a wake."""

    ring_capacity = 1
    line_keys = 20000


class TwoCoresSmallRing(SmallRing, unittest.TestCase):
    cores = 2


class FiveCoresSmallRing(SmallRing, unittest.TestCase):
    cores = 5


if __name__ == '__main__':
    server.main()
