"""UDP: memcached's frames, each datagram by itself, bounded answers. udp_sockets.py has where the
server takes datagrams."""
import os
import random
import signal
import unittest

import server
from binary import (FOREVER, GET, GETKQ, GETQ, NOOP, QUIT, SET, SETQ, STAT, error, found, reply,
                    request, stored)
from datagrams import HEADER, PAYLOAD_MAX, PROBE, Datagrams, UdpTest, each, framed
from exchanges import EXCHANGES, TOO_LARGE
from transcript import Player

ANSWER_MAX = 65536
TOO_LONG = b'SERVER_ERROR answer too long for UDP\r\n'
DUMPS = (b'ERROR metadump not allowed\r\n', b'ERROR key dump not allowed\r\n')


def value_of(key, length):
    """Bytes that differ from key to key and along the value."""
    return random.Random(key + b'%d' % length).randbytes(length)


class Frames(UdpTest):
    """What makes a request, and how it is numbered."""

    @each
    def test_request_id(self, _, client):
        for number in (0, 1, 255, 256, 65535, 1):
            self.assertEqual(client.ask(b'mn\r\n', number=number), b'MN\r\n')

    @each
    def test_sequence_number_and_reserved_bytes_are_not_looked_at(self, _, client):
        self.assertEqual(client.ask(b'mn\r\n', sequence=7, reserved=65535), b'MN\r\n')

    @each
    def test_what_is_no_frame_is_passed_over(self, _, client):
        for length in range(9):
            self.assertTrue(client.answers_nothing_to(framed(b'mn\r\n')[:length]), length)
        for total in (0, 2, 256, 257, 65535):
            self.assertTrue(client.answers_nothing_to(framed(b'mn\r\n', total=total)), total)

    @unittest.skipIf(server.ORIGINAL, 'memcached answers itself for ever')
    @each
    def test_answers_are_not_answered_for_ever(self, _, client):
        """Whatever a server says, another one's answer to that is passed over."""
        for said in (b'mn\r\n', b'nosuch\r\n', b'get\r\n', b'stats\r\n', b'set a 0 0 1\r\nx\r\n',
                     b'get a\r\n', b'mg a v\r\n', request(NOOP)):
            for _ in range(3):
                if not said.startswith(b'ERROR'):
                    said = client.ask(said)
            self.assertTrue(client.answers_nothing_to(framed(said)), said)

    @each
    def test_split_request_is_passed_over(self, _, client):
        """A set in two frames, in either order; the server goes on, and takes it whole."""
        whole = b'set split 0 0 3000\r\n' + b'x' * 3000 + b'\r\n'
        for order in ((0, 1), (1, 0)):
            for part in order:
                data = whole[:1392] if part == 0 else whole[1392:]
                self.assertTrue(client.answers_nothing_to(framed(data, 9, part, 2)))
            self.assertEqual(client.ask(b'get split\r\n'), b'END\r\n')
        self.assertEqual(client.ask(whole), b'STORED\r\n')

    @unittest.skipIf(server.ORIGINAL, 'memcached has half a set take the next datagram')
    @each
    def test_nothing_of_a_datagram_outlives_it(self, _, client):
        """Half commands are passed over, whole ones before them answered."""
        halves = (b'get a', b'set c 0 0 10\r\nabcd', b'set c 0 0 10\r\nabcdefghij',
                  b'set c 0 0 1000000\r\n' + b'x' * 40000, b'mg', b'\r', b'ms c 10\r\n',
                  b'get ' + b'a ' * 20000, b'x' * 3000, request(SET, b'c', FOREVER, b'1')[:-1],
                  request(GET, b'a')[:20], b'\x80')
        self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
        for half in halves:
            self.assertTrue(client.answers_nothing_to(framed(half)), half[:30])
            self.assertEqual(client.ask(b'efghij\r\n'), b'ERROR\r\n')
            self.assertEqual(client.ask(request(NOOP)), reply(NOOP))
            whole = request(NOOP) if half[:1] == b'\x80' else b'mn\r\n'
            self.assertEqual(client.ask(whole + half),
                             reply(NOOP) if half[:1] == b'\x80' else b'MN\r\n')
        self.assertEqual(client.ask(b'get c a\r\n'), self.values((b'a', b'x')))

    @unittest.skipIf(server.ORIGINAL, 'memcached stops reading: it waits for the rest of the value')
    @each
    def test_refused_value_ends_with_its_datagram(self, _, client):
        self.assertEqual(client.ask(b'set a 0 0 2000000\r\n' + b'x' * 5000), TOO_LARGE)
        self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')

    @unittest.skipIf(server.ORIGINAL, 'memcached answers each with a message of its own')
    @each
    def test_pipelined_requests(self, _, client):
        """All of their answers are one message, in their order."""
        for count in (2, 16, 17, 500):
            sets = b''.join(b'set p%d 0 0 %d\r\n%d\r\n' % (n, len(str(n)), n) for n in range(count))
            self.assertEqual(client.ask(sets), b'STORED\r\n' * count)
            gets = b''.join(b'get p%d\r\n' % n for n in range(count))
            self.assertEqual(client.ask(gets), b''.join(
                self.values((b'p%d' % n, b'%d' % n)) for n in range(count)))
        self.assertEqual(client.ask(b'mn\r\nquit\r\nmn\r\n'), b'MN\r\n')
        self.assertTrue(client.answers_nothing_to(framed(b'quit\r\n')))
        self.assertEqual(client.ask(request(QUIT) + request(NOOP)), reply(QUIT))
        self.assertEqual(client.ask(request(NOOP)), reply(NOOP))

    @each
    def test_protocols_by_turns(self, _, client):
        """Each datagram is text or binary by its own first byte."""
        self.assertEqual(client.ask(b'ms a 1\r\nx\r\n'), b'HD\r\n')
        self.assertEqual(client.ask(request(GET, b'a'))[24:], bytes(4) + b'x')
        self.assertEqual(client.ask(b'get a\r\n'), self.values((b'a', b'x')))
        self.assertEqual(client.ask(request(NOOP)), reply(NOOP))
        self.assertEqual(client.ask(b'mg a v k\r\n'), b'VA 1 ka\r\nx\r\n')

    @unittest.skipIf(server.ORIGINAL, 'memcached speaks all over UDP, whatever -B says')
    def test_binding(self):
        client = self.client(self.serve('-B', 'ascii'))
        self.assertEqual(client.ask(request(NOOP) + b'\r\nmn\r\n')[-4:], b'MN\r\n')

    @each
    def test_garbage(self, under_test, client):
        """Random datagrams, with and without a frame; then all is well."""
        seed = random.randrange(1 << 32)
        randomness = random.Random(seed)
        words = (b'get ', b'set a 0 0 ', b'5', b'\r\n', b'\x80\x01', b'ms ', b'a', b' ',
                 b'\0\0\0\x09', b'gat 1 ', b'stats', b' detail on', b'-1', b'incr ')
        for _ in range(1500):
            data = b''.join(randomness.choice(words) for _ in range(randomness.randrange(12)))
            data += randomness.randbytes(randomness.choice((0, 0, 5, 40, 1000)))
            client.raw(data if randomness.random() < 0.3 else framed(data))
        self.eventually_answers(under_test, seed)


class Quiet(UdpTest):
    """Where there is nothing to say, nothing is sent; memcached sends bare frames for some."""

    @each
    def test_text_and_meta(self, _, client):
        for data in (b'set a 0 0 1 noreply\r\nx\r\n', b'set a 0 x 1 noreply\r\ny\r\n',
                     b'delete no noreply\r\n', b'mg no v q\r\n',
                     b'ms b 1 q\r\ny\r\n', b'ms d 1 q\r\ny\r\n', b'md d q\r\n'):
            self.assertTrue(client.answers_nothing_to(framed(data)), data)
        self.assertEqual(client.ask(b'mg no v q\r\nmn\r\n'), b'MN\r\n')
        self.assertEqual(client.ask(b'mg b v q\r\n'), b'VA 1\r\ny\r\n')
        self.assertEqual(client.ask(b'get a\r\n'), self.values((b'a', b'x')))

    @unittest.skipIf(server.ORIGINAL, 'memcached sends a frame without a payload')
    @each
    def test_binary(self, _, client):
        for data in (request(SETQ, b'a', FOREVER, b'x'), request(GETQ, b'no'),
                     request(GETKQ, b'no') * 3):
            self.assertTrue(client.answers_nothing_to(framed(data)), data)
        self.assertEqual(client.ask(request(GETQ, b'no') + request(NOOP)), reply(NOOP))
        self.assertEqual(client.ask(request(GETQ, b'a'))[24:], FOREVER[:4] + b'x')


@unittest.skipIf(server.ORIGINAL, 'memcached answers requests and keys of a get apart')
class Transcripts(UdpTest):
    """The exchanges of transcript.py, a datagram for each step."""

    @staticmethod
    def fits(steps):
        """What has to be refused over UDP, or fits no datagram, is left out."""
        return all(len(step) < 60000 and b'lru_crawler m' not in step for step in steps)

    @each
    def test_exchanges(self, under_test, client):
        played = 0
        for name, steps, *_ in EXCHANGES:
            if not self.fits(steps):
                continue
            with self.subTest(name):
                self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')
                player = Player(self, client, name)
                for sent, expected in zip(steps[::2], steps[1::2]):
                    player.step(sent, expected, None)
                self.assertEqual(client.ask(PROBE), b'OK\r\n')
                self.assertEqual(client.buffer, b'')
            played += 1
        self.assertGreater(played, 250)


class Answers(UdpTest):
    """Long ones in many frames, none without end."""

    @each
    def test_frames_of_a_long_answer(self, under_test, client):
        """As many as it takes, and no more: payloads of 1392 bytes but for the last."""
        for answer_bytes in (PAYLOAD_MAX - 1, PAYLOAD_MAX, PAYLOAD_MAX + 1, 2 * PAYLOAD_MAX,
                             2 * PAYLOAD_MAX + 1, 20000, 60000):
            key = b'a%d' % answer_bytes
            value = self.fill_answer(key, answer_bytes)
            self.store(under_test, [(key, value)])
            client.request(b'get %s\r\n' % key)
            _, answer, frames = client.message()
            self.assertEqual(answer, self.values((key, value)))
            self.assertEqual(frames, -(-answer_bytes // PAYLOAD_MAX))

    def fill_answer(self, key, answer_bytes):
        """A value whose answer to get is that long."""
        length = answer_bytes
        while len(self.values((key, bytes(length)))) > answer_bytes:
            length -= 1
        return value_of(key, length)

    @each
    def test_a_value_of_a_whole_datagram(self, _, client):
        """65,507 bytes are the most that one holds."""
        value = value_of(b'v', 65507 - HEADER.size - len(b'set v 0 0 65480\r\n\r\n'))
        sent = framed(b'set v 0 0 %d\r\n%s\r\n' % (len(value), value), number=5)
        self.assertEqual(len(sent), 65507)
        client.raw(sent)
        self.assertEqual(client.message(), (5, b'STORED\r\n', 1))
        self.assertEqual(client.ask(b'get v\r\n'), self.values((b'v', value)))
        with self.subTest('binary'):
            client.request(request(SET, b'w', FOREVER, value[:20000]))
            self.assertEqual(client.message()[1][:8], stored()[:8])
            self.assertEqual(client.ask(request(GET, b'w'))[28:], value[:20000])

    @unittest.skipIf(server.ORIGINAL, 'memcached sends each value as a message of its own')
    @each
    def test_many_keys(self, under_test, client):
        """50 keys over all shards, in the order in which they were asked for."""
        items = [(b'key%d' % n, value_of(b'key%d' % n, 1000 + n)) for n in range(50)]
        self.store(under_test, items)
        random.Random(1).shuffle(items)
        asked = b' '.join(key + b' no' + key for key, _ in items)
        self.assertEqual(client.ask(b'get %s\r\n' % asked), self.values(*items))
        asked = b''.join(b'mg %s k v q\r\nmg no%s k v q\r\n' % (key, key) for key, _ in items)
        self.assertEqual(client.ask(asked + b'mn\r\n'), b''.join(
            b'VA %d k%s\r\n%s\r\n' % (len(value), key, value) for key, value in items) + b'MN\r\n')
        asked = b''.join(request(GETKQ, key, opaque=b'%04d' % n)
                         for n, (key, _) in enumerate(items)) + request(NOOP)
        answer = client.ask(asked)
        for n, (key, value) in enumerate(items):
            wanted = found(value, GETKQ, extras=bytes(4), key=key, opaque=b'%04d' % n, cas=b'')
            self.assertEqual(answer[:16] + bytes(8) + answer[24:len(wanted)], wanted)
            answer = answer[len(wanted):]
        self.assertEqual(answer, reply(NOOP))

    @unittest.skipIf(server.ORIGINAL, 'memcached sends whatever is asked for')
    @each
    def test_bound(self, under_test, client):
        """One byte more than the longest answer, and far more; the server goes on."""
        for key, length in ((b'longest', ANSWER_MAX), (b'longer', ANSWER_MAX + 1)):
            self.store(under_test, [(key, self.fill_answer(key, length))])
        self.store(under_test, [(b'huge', b'x' * 1000000), (b'tenth', b'x' * 6553)])
        longest = client.ask(b'get longest\r\n')
        self.assertEqual((len(longest), longest[-7:]), (ANSWER_MAX, b'\r\nEND\r\n'))
        for asked in (b'get longer', b'get huge', b'get' + b' huge' * 200, b'mg huge v',
                      b'gat 9 huge', b'get' + b' tenth' * 10, b'get ' + b'tenth ' * 9000):
            self.assertEqual(client.ask(asked + b'\r\n'), TOO_LONG)
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')
        self.assertEqual(client.ask(b'get tenth\r\nmn\r\n' * 100), TOO_LONG)

    @unittest.skipIf(server.ORIGINAL, 'memcached sends whatever is asked for')
    @each
    def test_bound_in_binary(self, under_test, client):
        """The error has opcode and opaque of the first request that was answered."""
        self.store(under_test, [(b'huge', b'x' * 100000), (b'small', b'x')])
        self.assertEqual(client.ask(request(GET, b'huge', opaque=b'once')),
                         error(GET, 3, opaque=b'once'))
        asked = request(GETQ, b'no', opaque=b'miss') + request(GETQ, b'small', opaque=b'here')
        self.assertEqual(client.ask(asked + request(GET, b'huge') * 9),
                         error(GETQ, 3, opaque=b'here'))
        self.assertEqual(client.ask(request(NOOP)), reply(NOOP))

    @each
    def test_stats(self, _, client):
        client.request(b'stats\r\n')
        _, answer, frames = client.message()
        self.assertGreater(frames, 1)
        self.assertEqual(answer[-5:], b'END\r\n')
        names = [line.split()[1] for line in answer.splitlines()[:-1]]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn(b'curr_items', names)
        self.assertEqual(client.ask(request(STAT, opaque=b'stat'))[-24:],
                         reply(STAT, opaque=b'stat'))

    @unittest.skipIf(server.ORIGINAL, 'memcached loses the socket to a dump')
    @each
    def test_dumps(self, under_test, client):
        """Those without end are refused, the others bounded."""
        for word, refusal in zip((b'metadump', b'mgdump'), DUMPS):
            self.assertEqual(client.ask(b'lru_crawler %s all\r\n' % word), refusal)
        self.assertEqual(client.ask(b'stats detail dump\r\n'), b'END\r\n')
        self.assertEqual(client.ask(b'stats cachedump 1 0\r\n'), b'END\r\n')
        self.store(under_test, [(b'only', b'x')])
        self.assertEqual(client.ask(b'stats cachedump 1 0\r\n'),
                         b'ITEM only [1 b; 0 s]\r\nEND\r\n')
        self.assertRegex(client.ask(b'stats sizes\r\n'), rb'\ASTAT \d+ 1\r\nEND\r\n\Z')
        with under_test.connect() as stream:
            stream.send(b''.join(b'set d%d 0 0 1 noreply\r\nx\r\n' % n for n in range(9000)))
            stream.ask(b'mn\r\n')
        for _ in range(3):
            self.assertEqual(client.ask(b'stats cachedump 1 0\r\n'), TOO_LONG)
            self.assertEqual(client.ask(b'stats cachedump 1 500\r\n').count(b'ITEM'), 500)
        self.assertEqual(client.ask(b'watch fetchers\r\n'),
                         b'CLIENT_ERROR watch commands not allowed\r\n')
        self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')


class InFlight(UdpTest):
    """Many datagrams at once, and clients that don't wait."""

    @each
    def test_answers_by_id(self, under_test, client):
        """Up to 20 requests out at a time; each answer is that of its id, in whatever order."""
        items = [(b'key%d' % n, value_of(b'key%d' % n, n * n % 4000)) for n in range(300)]
        self.store(under_test, items)
        wanted, answered = {}, 0
        for key, value in items * 3:
            while len(wanted) >= 20:
                answered += self.check_next(client, wanted)
            wanted[client.request(b'get %s\r\n' % key)] = self.values((key, value))
        while wanted:
            answered += self.check_next(client, wanted)
        self.assertEqual(answered, 900)

    def check_next(self, client, wanted):
        number, answer, _ = client.message()
        self.assertEqual(answer, wanted.pop(number))
        return 1

    @unittest.skipIf(server.ORIGINAL, 'it has no such statistics')
    def test_leases_without_credit(self):
        """Large values of other shards, which can't be told at once that they are copied: meanwhile
        others arrive for the same datagram, and all is given back."""
        under_test = self.serve('-m', '64', cores=3, ring_capacity=2)
        client = self.client(under_test)
        items = [(b'key%d' % n, value_of(b'key%d' % n, 17000)) for n in range(24)]
        self.store(under_test, items)
        for n in range(300):
            some = [items[(n + 5 * i) % len(items)] for i in range(3)]
            asked = b''.join(b'get %s\r\n' % key for key, _ in some)
            sent = [client.request(asked) for _ in range(2)]  # its buffer holds the answers
            wanted = b''.join(self.values(item) for item in some)
            answered = [client.message()[:2] for _ in sent]
            self.assertEqual(sorted(answered), [(number, wanted) for number in sorted(sent)])
        self.until(lambda: under_test.stat('leases'), '0')
        self.until(lambda: under_test.stat('pinned_bytes'), '0')

    @each
    def test_more_than_are_worked_on(self, under_test, client):
        """200 small requests are in the kernel's queue before the server sees the first."""
        items = [(b'key%d' % n, b'%d' % n) for n in range(200)]
        self.store(under_test, items)
        os.kill(under_test.pid, signal.SIGSTOP)
        self.until(lambda: under_test.states(), {'T'})
        wanted = {client.request(b'get %s\r\n' % key): self.values((key, value))
                  for key, value in items}
        os.kill(under_test.pid, signal.SIGCONT)
        for _ in items:
            self.check_next(client, wanted)
        self.assertEqual(wanted, {})

    @each
    def test_a_thousand_at_once(self, under_test, _):
        """Some may be lost, but none of what comes is wrong, and nothing is left behind."""
        items = [(b'key%d' % n, value_of(b'key%d' % n, 10 * n)) for n in range(100)]
        self.store(under_test, items)
        clients = [self.client(under_test) for _ in range(10)]
        descriptors = under_test.descriptors()
        wanted = [{} for _ in clients]
        for number in range(1000):
            key, value = items[number % 100]
            there = number % 10
            wanted[there][clients[there].request(b'get %s\r\n' % key)] = self.values((key, value))
        self.eventually_answers(under_test)
        answered = sum(self.check_arrived(*pair) for pair in zip(clients, wanted))
        self.assertGreater(answered, 0)
        self.assertLessEqual(under_test.descriptors(), descriptors)

    def check_arrived(self, client, wanted):
        """Whole answers that are there; a lost frame leaves one unfinished."""
        client.socket.settimeout(0.1)
        answered = 0
        try:
            while wanted:
                answered += self.check_next(client, wanted)
        except TimeoutError:
            pass
        return answered

    @each
    def test_clients_that_are_gone(self, under_test, client):
        """Their answers go nowhere; many more requests than may be worked on at once."""
        self.store(under_test, [(b'a', b'x' * 30000)])
        for _ in range(300):
            with Datagrams(under_test.port) as gone:
                gone.request(b'get a\r\n')
        self.eventually_answers(under_test)
        self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')

    @each
    def test_beside_streams(self, under_test, client):
        """What one side stores the other sees; both are served."""
        for n in range(100):
            with under_test.connect() as stream:
                self.assertEqual(client.ask(b'set k%d 0 0 1\r\nx\r\n' % n), b'STORED\r\n')
                self.assertEqual(stream.ask(b'append k%d 0 0 1\r\ny\r\n' % n), b'STORED\r\n')
                self.assertEqual(client.ask(b'get k%d\r\n' % n), self.values((b'k%d' % n, b'xy')))

    @each
    def test_bytes_are_counted(self, under_test, client):
        """With the headers of the frames, as in memcached."""
        with under_test.connect() as stream:
            before, answer_bytes = self.counted(stream)
            client.ask(b'set a 0 0 5000\r\n' + b'x' * 5000 + b'\r\n')
            client.ask(b'get a\r\n')
            after, _ = self.counted(stream)
        self.assertEqual(after[b'get_hits'] - before[b'get_hits'], 1)
        self.assertEqual(after[b'bytes_read'] - before[b'bytes_read'],
                         client.sent_bytes + len(b'stats\r\n'))
        self.assertEqual(after[b'bytes_written'] - before[b'bytes_written'],
                         client.received_bytes + answer_bytes)

    @staticmethod
    def counted(stream):
        """Some of the statistics, and how long all of them were."""
        stream.send(b'stats\r\n')
        counts, length = {}, 0
        while (line := stream.read_line()) != b'END\r\n':
            length += len(line)
            _, name, value = line.split(None, 2)
            if name in (b'bytes_read', b'bytes_written', b'get_hits'):
                counts[name] = int(value)
        return counts, length + len(line)


if __name__ == '__main__':
    server.main()
