"""get_expired and get_flushed: what an operation on a key counts when it finds an item there that has expired or was
flushed. As memcached 1.6.45: one, whatever the operation.

The items that memcached's own threads have dropped before are nobody's: with SIMPLECACHE_COMMAND some of the cases
may find them gone."""
import time
import unittest

import server
from binary import ADD, APPEND, DELETE, GAT, GET, GETK, INCR, PREPEND, REPLACE, SET, TOUCH, number, request

NEVER = bytes(8)  # flags and expiry
DATA = b' 0 0 1\r\ny\r\n'

# Each asked about a key whose item is dead, and what it answers.
TEXT = (
    (b'get %s\r\n', b'END\r\n'),
    (b'gets %s\r\n', b'END\r\n'),
    (b'get %s %s\r\n', b'END\r\n'),
    (b'gat 9 %s\r\n', b'END\r\n'),
    (b'gats 9 %s\r\n', b'END\r\n'),
    (b'touch %s 9\r\n', b'NOT_FOUND\r\n'),
    (b'set %s' + DATA, b'STORED\r\n'),
    (b'add %s' + DATA, b'STORED\r\n'),
    (b'replace %s' + DATA, b'NOT_STORED\r\n'),
    (b'append %s' + DATA, b'NOT_STORED\r\n'),
    (b'prepend %s' + DATA, b'NOT_STORED\r\n'),
    (b'cas %s 0 0 1 5\r\ny\r\n', b'NOT_FOUND\r\n'),
    (b'incr %s 1\r\n', b'NOT_FOUND\r\n'),
    (b'decr %s 1\r\n', b'NOT_FOUND\r\n'),
    (b'delete %s\r\n', b'NOT_FOUND\r\n'),
    (b'mg %s v\r\n', b'EN\r\n'),
    (b'mg %s s t h\r\n', b'EN\r\n'),
    (b'mg %s N9\r\n', b'HD W\r\n'),
    (b'mg %s T9 v\r\n', b'EN\r\n'),
    (b'ms %s 1\r\ny\r\n', b'HD\r\n'),
    (b'ms %s 1 ME\r\ny\r\n', b'HD\r\n'),
    (b'ms %s 1 MA\r\ny\r\n', b'NS\r\n'),
    (b'ms %s 1 MA N9\r\ny\r\n', b'HD\r\n'),
    (b'md %s\r\n', b'NF\r\n'),
    (b'md %s I T9\r\n', b'NF\r\n'),
    (b'ma %s\r\n', b'NF\r\n'),
    (b'ma %s N9\r\n', b'HD\r\n'),
    (b'me %s\r\n', b'EN\r\n'),
)
BINARY = (
    ('get', lambda key: request(GET, key), 1),
    ('getk', lambda key: request(GETK, key), 1),
    ('set', lambda key: request(SET, key, NEVER, b'y'), 0),
    ('add', lambda key: request(ADD, key, NEVER, b'y'), 0),
    ('replace', lambda key: request(REPLACE, key, NEVER, b'y'), 1),
    ('append', lambda key: request(APPEND, key, b'', b'y'), 5),
    ('prepend', lambda key: request(PREPEND, key, b'', b'y'), 5),
    ('delete', lambda key: request(DELETE, key), 1),
    ('incr', lambda key: request(INCR, key, number(1, 5)), 0),
    ('incr alone', lambda key: request(INCR, key, number(1, 5, 0xffffffff)), 1),
    ('touch', lambda key: request(TOUCH, key, bytes(4)), 1),
    ('gat', lambda key: request(GAT, key, bytes(4)), 1),
)


class Counters:
    cores = None
    flags = () if server.ORIGINAL else ('-o', 'no_lru_crawler')  # which would come before the operations

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(cores=cls.cores, flags=cls.flags)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.client = self.server.connect()
        self.addCleanup(self.client.close)
        self.binary = self.server.connect()
        self.addCleanup(self.binary.close)

    def said(self, command, wanted):
        self.client.send(command)
        self.assertEqual(self.client.read(len(wanted)), wanted, command)

    def ask_binary(self, name, sent, status):
        self.binary.send(sent)
        header = self.binary.read(24)
        self.assertEqual(header[6:8], status.to_bytes(2, 'big'), name)
        self.binary.read(int.from_bytes(header[8:12], 'big'))

    def counts(self):
        """get_expired and get_flushed."""
        return int(self.server.stat('get_expired')), int(self.server.stat('get_flushed'))

    def check(self, value, kill):
        """kill: a command that lets the item of a key die, or `flush`, which lets all die."""
        keys = [b'key%d' % n for n in range(len(TEXT) + len(BINARY))]
        for key in keys:
            self.said(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value), b'STORED\r\n')
        if kill == b'flush':
            if server.ORIGINAL:
                time.sleep(3)  # what is younger is dropped by the flush itself
            self.said(b'flush_all\r\n', b'OK\r\n')
        else:
            for key in keys:
                self.said(kill % key, b'TOUCHED\r\n')
        before = self.counts()
        for key, (command, answer) in zip(keys, TEXT):
            self.said(command.replace(b'%s', key), answer)
            before = self.moved(command, before, kill)
        for key, (name, make, status) in zip(keys[len(TEXT):], BINARY):
            self.ask_binary(name, make(key), status)
            before = self.moved(name, before, kill)

    def moved(self, name, before, kill):
        expired, flushed = self.counts()
        wanted = (before[0], before[1] + 1) if kill == b'flush' else (before[0] + 1, before[1])
        self.assertEqual((expired, flushed), wanted, name)
        return expired, flushed

    def test_expired(self):
        self.check(b'5', b'touch %s -1\r\n')

    def test_flushed(self):
        self.check(b'5', b'flush')

    def test_flushed_large(self):
        self.check(b'5' * 100000, b'flush')

    def test_keys_that_never_were(self):
        before = self.counts()
        for number_ in range(10):
            self.said(b'get never%d\r\n' % number_, b'END\r\n')
        self.assertEqual(self.counts(), before)


class OneCore(Counters, unittest.TestCase):
    cores = 1


class FiveCores(Counters, unittest.TestCase):
    cores = 5


if __name__ == '__main__':
    server.main()
