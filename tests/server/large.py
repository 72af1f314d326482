"""Large values: what goes in comes out, in every protocol and on any number of cores; clients that
stall in the middle of one cost nobody anything for long.
"""
import os
import random
import select
import socket
import struct
import time
import unittest

import server

LENGTHS = (16383, 16384, 16385, 65536, 100000, 1047552)
NOTHING = ('uploads', 'upload_bytes', 'leases', 'leased_bytes', 'pinned_bytes')


def value_of(length, seed=0):
    """Bytes that come nowhere else."""
    return random.Random('%d.%d' % (length, seed)).randbytes(length)


def packet(opcode, key=b'', extras=b'', value=b'', opaque=0):
    body = extras + key + value
    return struct.pack('>BBHBBHIIQ', 0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque,
                       0) + body


class Exchange(server.ServerTest):
    """What a client says and what it is answered."""

    def exchange(self, client, sent, wanted):
        """Sends from a thread of its own, so that both directions may be full at once."""
        sender = server.Thread(target=client.send, args=(sent,))
        sender.start()
        received = client.read(len(wanted))
        sender.join(server.TIMEOUT_S)
        self.assertFalse(sender.is_alive())
        if received != wanted:
            at = next((n for n, (a, b) in enumerate(zip(received, wanted)) if a != b),
                      min(len(received), len(wanted)))
            self.fail('at byte %d of %d (%d received): %r, expected %r'
                      % (at, len(wanted), len(received), received[at:at + 100],
                         wanted[at:at + 100]))

    def nothing_held(self, under_test):
        """Soon, nothing of large values is held for anybody."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while (held := [under_test.stat(name) for name in NOTHING]) != ['0'] * len(NOTHING):
            self.assertLess(time.monotonic(), deadline, dict(zip(NOTHING, held)))
            time.sleep(0.02)


class Protocols:
    """The cases; one class per number of cores below. Keys are many, so that they are everyone's."""

    cores = None
    keys = 6

    def setUp(self):
        self.server = self.start(cores=self.cores, flags=('-m', '256'))
        self.client = self.server.connect()
        self.addCleanup(self.client.close)

    def test_text(self):
        for length in LENGTHS:
            for n in range(self.keys):
                key, value = b'text%d' % n, value_of(length, n)
                with self.subTest(length=length, key=key):
                    self.exchange(self.client, b'set %s %d 0 %d\r\n%s\r\nget %s\r\n'
                                  % (key, n, length, value, key),
                                  b'STORED\r\nVALUE %s %d %d\r\n%s\r\nEND\r\n'
                                  % (key, n, length, value))

    def test_text_quiet(self):
        """noreply, then another command at once."""
        for length in LENGTHS:
            value = value_of(length)
            self.exchange(self.client, b''.join(
                b'set quiet%d 0 0 %d noreply\r\n%s\r\n' % (n, length, value) for n in range(self.keys))
                + b'get %s\r\n' % b' '.join(b'quiet%d' % n for n in range(self.keys)),
                b''.join(b'VALUE quiet%d 0 %d\r\n%s\r\n' % (n, length, value)
                         for n in range(self.keys)) + b'END\r\n')

    def test_meta(self):
        for length in LENGTHS:
            for n in range(self.keys):
                key, value = b'meta%d' % n, value_of(length, n)
                self.exchange(self.client, b'ms %s %d F%d k Oab\r\n%s\r\nmg %s k s f v Ocd\r\nmn\r\n'
                              % (key, length, n, value, key),
                              b'HD k%s Oab\r\nVA %d k%s s%d f%d Ocd\r\n%s\r\nMN\r\n'
                              % (key, length, key, length, n, value))
        self.exchange(self.client, b'ms bGFyZ2U= 50000 b q\r\n%s\r\nmg large s k\r\nmg bGFyZ2U= b s q\r\nmn\r\n'
                      % value_of(50000), b'HD s50000 kbGFyZ2U= b\r\nHD s50000\r\nMN\r\n')

    def test_binary(self):
        """SETQ, GETK and GETQ, with a NOOP behind."""
        flags = struct.pack('>II', 0x01020304, 0)
        for length in LENGTHS:
            for n in range(self.keys):
                key, value = b'binary%d' % n, value_of(length, n)
                self.client.send(packet(0x11, key, flags, value)
                                 + packet(0x0c, key, opaque=7) + packet(0x09, key, opaque=8)
                                 + packet(0x0a, opaque=9))
                for opcode, opaque, name in ((0x0c, 7, key), (0x09, 8, b'')):
                    body = flags[:4] + name + value
                    head = self.client.read(24)
                    self.assertEqual(head[:16], struct.pack('>BBHBBHII', 0x81, opcode, len(name), 4,
                                                            0, 0, len(body), opaque))
                    self.assertTrue(self.client.read(len(body)) == body, (length, key))
                self.assertEqual(self.client.read(24)[:2], b'\x81\x0a')

    def test_cas(self):
        """The right token stores, the wrong one doesn't, whatever the length."""
        for n in range(self.keys):
            key = b'cas%d' % n
            self.exchange(self.client, b'set %s 0 0 50000\r\n%s\r\n' % (key, value_of(50000)),
                          b'STORED\r\n')
            token = int(self.client.ask(b'gets %s\r\n' % key).split()[4])
            self.client.read(50000 + 2 + 5)
            large = value_of(300000, n)
            self.exchange(self.client, b'cas %s 0 0 300000 %d\r\n%s\r\n' % (key, token, large)
                          + b'cas %s 0 0 200000 %d\r\n%s\r\n' % (key, token, value_of(200000))
                          + b'get %s\r\n' % key,
                          b'STORED\r\nEXISTS\r\nVALUE %s 0 300000\r\n%s\r\nEND\r\n' % (key, large))

    def test_joins(self):
        """append and prepend of anything to anything."""
        rng = random.Random(self.cores)
        for n in range(self.keys):
            key, value = b'join%d' % n, value_of(rng.choice((10, 16000, 100000)), n)
            self.exchange(self.client, b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value),
                          b'STORED\r\n')
            for step in range(8):
                more = value_of(rng.choice((1, 5000, 16385, 90000)), step)
                verb = rng.choice((b'append', b'prepend'))
                value = value + more if verb == b'append' else more + value
                self.exchange(self.client, b'%s %s 0 0 %d\r\n%s\r\nget %s\r\n'
                              % (verb, key, len(more), more, key),
                              b'STORED\r\nVALUE %s 0 %d\r\n%s\r\nEND\r\n' % (key, len(value), value))

    def test_refused(self):
        """Too large, without its end, under another's conditions: the answer, and then the next
        command."""
        long = b'x' * (1 << 20)
        old = b'set old 0 0 3\r\nold\r\n'
        self.exchange(self.client, old + b'add old 0 0 1048576\r\n%s\r\nget old\r\n' % long,
                      b'STORED\r\nSERVER_ERROR object too large for cache\r\n'
                      b'VALUE old 0 3\r\nold\r\nEND\r\n')
        self.exchange(self.client, b'set old 0 0 1048576\r\n%s\r\nget old\r\n' % long,
                      b'SERVER_ERROR object too large for cache\r\nEND\r\n')
        self.exchange(self.client, old + b'set old 0 0 100000\r\n%sxxget old\r\n' % long[:100000],
                      b'STORED\r\nCLIENT_ERROR bad data chunk\r\nVALUE old 0 3\r\nold\r\nEND\r\n')
        self.exchange(self.client, b'add old 0 0 100000\r\n%s\r\nget old\r\n' % long[:100000],
                      b'NOT_STORED\r\nVALUE old 0 3\r\nold\r\nEND\r\n')
        self.nothing_held(self.server)

    def test_pipelined_gets(self):
        """Far more than the server may hold for anyone: all come, in order, between small ones."""
        values = [value_of(length, 7) for length in (20000, 1047552, 300000, 65536, 16385, 900000)]
        for n, value in enumerate(values):
            self.exchange(self.client, b'set get%d 0 0 %d\r\n%s\r\n' % (n, len(value), value),
                          b'STORED\r\n')
        rng = random.Random(8)
        order = [[rng.randrange(len(values) + 1) for _ in range(rng.randrange(1, 8))]
                 for _ in range(25)]
        self.exchange(self.client, b''.join(
            b'get %s\r\nversion\r\n' % b' '.join(b'get%d' % n for n in line) for line in order)[:-9],
            b''.join(b''.join(b'VALUE get%d 0 %d\r\n%s\r\n' % (n, len(values[n]), values[n])
                              for n in line if n < len(values)) + b'END\r\nVERSION %s\r\n'
                     % self.version() for line in order)[:-len(b'VERSION \r\n' + self.version())])
        self.nothing_held(self.server)

    def version(self):
        with self.server.connect() as client:
            return client.ask(b'version\r\n').split()[1]

    def test_overwritten_while_read(self):
        """Readers see one value or the other, whole, while it is stored anew ever so often."""
        values = [bytes([letter]) * 700000 for letter in b'ab']
        trouble = []

        def store(until):
            with self.server.connect() as client:
                while time.monotonic() < until:
                    for value in values:
                        for key in range(3):
                            if client.ask(b'set over%d 0 0 700000\r\n%s\r\n' % (key, value)) != b'STORED\r\n':
                                trouble.append('not stored')
        writer = server.Thread(target=store, args=(time.monotonic() + 1,))
        writer.start()
        while writer.is_alive():
            for key in range(3):
                head = self.client.ask(b'get over%d\r\n' % key)
                if head == b'END\r\n':
                    continue
                self.assertEqual(head, b'VALUE over%d 0 700000\r\n' % key)
                self.assertIn(self.client.read(700000), values)
                self.assertEqual(self.client.read(7), b'\r\nEND\r\n')
        writer.join()
        self.assertEqual(trouble, [])


class OneCore(Protocols, Exchange):
    cores = 1


class TwoCores(Protocols, Exchange):
    cores = 2


class FiveCores(Protocols, Exchange):
    cores = 5


class Largest(Exchange):
    """-I, as far as it goes in a test."""

    @unittest.skipIf(server.SANITIZED, 'too slow')
    def test_quarter_of_a_gigabyte(self):
        """In and out through a server that never holds it twice."""
        under_test = self.start(cores=2, flags=('-I', '256m', '-m', '2048'))
        length = (256 << 20) - 1000
        block = value_of(1 << 16)
        value = (block * (length // len(block) + 1))[:length]
        with under_test.connect() as client:
            client.socket.settimeout(60)
            client.send(b'set huge 0 0 %d\r\n' % length)
            client.send(value)
            self.assertEqual(client.ask(b'\r\n'), b'STORED\r\n')
            self.assertEqual(client.ask(b'get huge\r\n'), b'VALUE huge 0 %d\r\n' % length)
            self.assertTrue(self.is_value(client, block, length))
            self.assertEqual(client.read(7), b'\r\nEND\r\n')
            if not server.ORIGINAL:
                self.assertLess(under_test.resident_bytes(), 1.1 * length + (32 << 20))
            self.assertEqual(client.ask(b'set huge 0 0 %d\r\n' % (length + 2000)),
                             b'SERVER_ERROR object too large for cache\r\n')

    @staticmethod
    def is_value(client, block, length):
        """Reads that much, and whether it is the block again and again."""
        received = bytearray(len(block))
        while length > 0:
            view = memoryview(received)[:min(length, len(block))]
            at = min(len(client.buffer), len(view))
            view[:at] = client.read(at)
            while at < len(view):
                got = client.socket.recv_into(view[at:])
                if got == 0:
                    return False
                at += got
            if view != block[:len(view)]:
                return False
            length -= len(view)
        return True


@unittest.skipIf(server.ORIGINAL, 'it lends as much as there is')
class Slow(Exchange):
    """Clients that take nothing, or send nothing more, while others want their share. The values are
    as many and as long as that every shard has twice as many bytes of them as it lends, and half as
    many as it holds, whichever way the keys fall."""

    values = 140
    length = 250000
    lent_max = 16 << 20  # and one value a shard

    def setUp(self):
        self.serve()

    def serve(self, *flags):
        """Over a unix socket, whose buffers don't grow."""
        path = '/tmp/simplecache-large-%d' % os.getpid()
        self.server = self.start(cores=2, flags=('-s', path, '-m', '64', *flags), host=path)
        self.client = self.server.connect()
        self.addCleanup(self.client.close)

    def clock(self, word):
        """Skips the test where the clock can't be moved."""
        if self.client.ask(b'debugtime %s\r\n' % word) == b'ERROR\r\n':
            self.skipTest('this build has no debugtime')

    def store(self):
        for n in range(self.values):
            self.exchange(self.client, b'set key%d 0 0 %d\r\n%s\r\n'
                          % (n, self.length, value_of(self.length, n)), b'STORED\r\n')

    def readers(self, count):
        """Each asks for a value of its own, more often than its socket holds, and takes nothing."""
        clients = [self.server.connect() for _ in range(count)]
        for n, client in enumerate(clients):
            self.addCleanup(client.close)
            client.send(b'get key%d\r\n' % n * 3)
        return clients

    def read_all(self, clients):
        """All of them at once: each has his value."""
        right = []

        def read(client, n):
            wanted = b'VALUE key%d 0 %d\r\n%s\r\nEND\r\n' % (n, self.length,
                                                           value_of(self.length, n)) * 3
            if client.read(len(wanted)) == wanted:
                right.append(n)
        readers = [server.Thread(target=read, args=(client, n)) for n, client in enumerate(clients)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual(sorted(right), list(range(len(clients))))

    def until(self, is_so):
        deadline = time.monotonic() + server.TIMEOUT_S
        while not is_so():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def number(self, name):
        return int(self.server.stat(name))

    def test_readers_wait_in_turn(self):
        """More than may be lent at once: small requests go on, memory stays, and when the first ones
        read at last, everybody has his value."""
        self.clock(b'p')
        self.store()
        before = self.server.resident_bytes()
        clients = self.readers(self.values)
        self.until(lambda: self.number('leased_bytes') > self.lent_max * 3 / 4)
        for n in range(100):
            self.assertEqual(self.client.ask(b'set small%d 0 0 1\r\nx\r\n' % n), b'STORED\r\n')
            self.assertEqual(self.client.ask(b'get none%d\r\n' % n), b'END\r\n')
        self.assertLess(self.number('leased_bytes'), self.lent_max + 2 * 300000)
        if not server.SANITIZED:
            self.assertLess(self.server.resident_bytes() - before, 8 << 20)
        self.read_all(clients)
        self.nothing_held(self.server)
        self.assertEqual(self.number('stall_kicks'), 0)

    def test_stalled_readers_are_broken_off(self):
        """Not before others wait; and those that wait, and take what they get, are served."""
        self.clock(b'p')
        self.store()
        first = self.readers(40)
        self.until(lambda: self.number('leased_bytes') >= 40 * self.length)
        self.clock(b'100')
        time.sleep(1.5)  # it looks once a second
        self.assertGreaterEqual(self.number('leased_bytes'), 40 * self.length)
        clients = self.readers(self.values)
        self.until(lambda: self.number('stall_kicks') > 0)
        self.read_all(clients)
        for client in first:
            client.close()
        self.nothing_held(self.server)

    def test_readers_stalled_before_a_large_value_are_broken_off(self):
        """It waits, leased, behind small replies that are not taken; so few that buffers are not scarce."""
        self.values, self.length = 30, 1000000
        self.client.close()
        self.server.stop()
        self.serve('-o', 'no_conn_moves')  # as many at either reactor
        self.clock(b'p')
        self.store()
        self.exchange(self.client, b'set small 0 0 8000\r\n%s\r\n' % (b's' * 8000), b'STORED\r\n')
        clients = [self.server.connect() for _ in range(self.values)]
        for client in clients:
            self.addCleanup(client.close)
        for _ in range(28):  # one by one: each is more than a socket holds, and less than a full output
            hits = self.number('get_hits')
            for client in clients:
                client.send(b'get small\r\n')
            self.until(lambda wanted=hits + len(clients): self.number('get_hits') == wanted)
        for n, client in enumerate(clients):
            client.send(b'get key%d\r\n' % n)
        self.until(lambda: self.number('leased_bytes') > self.lent_max * 3 / 4)
        self.clock(b'100')
        for n in range(self.values):
            self.exchange(self.client, b'get key%d\r\n' % n, b'VALUE key%d 0 %d\r\n%s\r\nEND\r\n'
                          % (n, self.length, value_of(self.length, n)))
        self.assertGreater(self.number('stall_kicks'), 0)
        for client in clients:
            client.close()
        self.nothing_held(self.server)

    def test_senders_wait_in_turn(self):
        """More uploads than memory for them: all are stored in the end, small requests meanwhile."""
        self.clock(b'p')
        senders = [self.server.connect() for _ in range(self.values)]
        value = value_of(self.length)
        for n, client in enumerate(senders):
            self.addCleanup(client.close)
            client.send(b'set sent%d 0 0 %d\r\n%s' % (n, self.length, value[:100000]))
        self.until(lambda: self.number('upload_bytes') > self.lent_max * 3 / 4)
        self.assertLess(self.number('upload_bytes'), self.lent_max + 2 * 300000)
        for n in range(100):
            self.assertEqual(self.client.ask(b'set small%d 0 0 1\r\nx\r\n' % n), b'STORED\r\n')
        rest = [server.Thread(target=client.send, args=(value[100000:] + b'\r\n',))
                for client in senders]
        for sender in rest:
            sender.start()
        for client in senders:
            self.assertEqual(client.read_line(), b'STORED\r\n')
        for sender in rest:
            sender.join()
        self.nothing_held(self.server)

    def senders(self):
        """More than can upload at once, all in the middle of a value."""
        clients = [self.server.connect() for _ in range(90)]
        for n, client in enumerate(clients):
            self.addCleanup(client.close)
            client.send(b'set sent%d 0 0 %d\r\n%s' % (n, self.length, b'v' * 100000))
        self.until(lambda: self.number('upload_bytes') > self.lent_max * 3 / 4)
        return clients

    def set_late(self, key, meanwhile):
        """Stores a value; every second that this takes calls meanwhile(). Should the clock jump in the
        midst of it, so that it is broken off itself, once more."""
        deadline = time.monotonic() + server.TIMEOUT_S
        line = b''
        while line != b'STORED\r\n':
            with self.server.connect() as client:
                sender = server.Thread(target=self.try_send, args=(
                    client, b'set %s 0 0 %d\r\n%s\r\n' % (key, self.length, b'v' * self.length)))
                sender.start()
                while not select.select([client.socket], [], [], 1)[0]:
                    self.assertLess(time.monotonic(), deadline)
                    meanwhile()
                line = client.read_line()
                client.socket.shutdown(socket.SHUT_RDWR)
                sender.join()

    def set_until_kicked(self, count, meanwhile):
        """So many late ones, and more while they find room beside those that have not all come to a stand yet."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while count > 0 or self.number('stall_kicks') == 0:
            self.assertLess(time.monotonic(), deadline + server.TIMEOUT_S, 'nobody is broken off')
            self.set_late(b'late%d' % count, meanwhile)
            count -= 1

    @staticmethod
    def try_send(client, data):
        try:
            client.send(data)
        except OSError:
            pass  # it was broken off, or waits

    def test_stalled_senders_are_broken_off(self):
        """Likewise: those that wait are stored then. When the ones that hold all there is are gone,
        others of the stalled ones come in, and stall."""
        self.clock(b'p')
        senders = self.senders()
        self.set_until_kicked(10, lambda: self.clock(b'31'))
        for client in senders:
            client.close()
        self.nothing_held(self.server)

    def test_senders_that_trickle_are_broken_off(self):
        """Who sends a byte now and then holds the others up as well."""
        self.clock(b'p')
        senders = self.senders()

        for client in senders:
            client.socket.setblocking(False)

        def trickle():
            self.clock(b'10')
            for client in senders:
                self.try_send(client, b'v')
        self.set_until_kicked(3, trickle)
        for client in senders:
            client.close()
        self.nothing_held(self.server)


if __name__ == '__main__':
    server.main()
