"""Copies of items that reactors keep of keys which they ask others for again and again: that they are made and told of,
and that no client sees what had been changed before it asked. What puts a copy out of date, case by case, is in
tests/core/test_copies_changes.c."""
import contextlib
import time
import unittest

import server
from binary import DELETE, FOREVER, GET, SET, request
from datagrams import Datagrams, free_port
from latency import ask_text, parse

KEYS = [b'hot%d' % n for n in range(16)]  # of all shards, but for one run in thousands with two
UNTIL_S = 60  # however busy the machine is
WORDS = 'hot_hits', 'hot_stale', 'hot_copies', 'hot_bytes'


def store(client, keys=KEYS, value=b'x'):
    for key in keys:
        if client.ask(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value)) != b'STORED\r\n':
            raise AssertionError('not stored')


def ask_often(client, keys=KEYS, times=20):
    """Gets of all keys, of whatever value; their number."""
    client.send(b''.join(b'mg %s v q\r\n' % key for key in keys) * times + b'mn\r\n')
    while not client.buffer.endswith(b'MN\r\n'):
        assert client.fill()
    client.buffer.clear()
    return len(keys) * times


class CopiesTest(server.ServerTest):
    def have_copies(self, under_test, clients, keys=KEYS):
        """Asks until copies have answered."""
        before, end = int(under_test.stat('hot_hits')), time.monotonic() + UNTIL_S
        while int(under_test.stat('hot_hits')) < before + 100:
            self.assertLess(time.monotonic(), end, 'no copies')
            for client in clients:
                ask_often(client, keys)


@unittest.skipIf(server.ORIGINAL, 'it has no reactors')
class Told(CopiesTest):
    def test_what_there_is(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            store(client)
            self.have_copies(under_test, [client])
            self.assertLessEqual(1, int(under_test.stat('hot_copies')))
            self.assertLessEqual(int(under_test.stat('hot_copies')), len(KEYS))
            self.assertLess(0, int(under_test.stat('hot_bytes')))
            end, copied = time.monotonic() + UNTIL_S, ()
            while not copied:  # those that are sampled while there are copies
                self.assertLess(time.monotonic(), end)
                ask_often(client)
                told = parse(ask_text(client, b'stats hotkeys\r\n', b'END\r\n'))
                copied = [name for name, value in told.items() if name.endswith(':copied') and value == 'yes']

    def test_each_get_counts(self):
        under_test = self.start(cores=2)
        with under_test.connect() as client:
            store(client)
            asked = sum(ask_often(client) for _ in range(100))
            self.assertEqual(int(under_test.stat('cmd_get')), asked)
            self.assertEqual(int(under_test.stat('get_hits')), asked)
            self.assertLess(int(under_test.stat('hot_hits')), asked)

    def test_without(self):
        for options in ({'cores': 1}, {'cores': 2, 'flags': ('-o', 'hot_keys=off')}):
            under_test = self.start(**options)
            with under_test.connect() as client:
                store(client)
                for _ in range(50):
                    ask_often(client)
                self.assertEqual([under_test.stat(word) for word in WORDS], ['0'] * 4)
                settings = parse(ask_text(client, b'stats settings\r\n', b'END\r\n'))
                self.assertEqual(settings['hot_keys'], 'no')

    def test_memory_for_them(self):
        with self.start(cores=2).connect() as client:
            for limit, told in (b'64', 'yes'), (b'8', 'no'), (b'64', 'yes'):
                self.assertEqual(client.ask(b'cache_memlimit %s\r\n' % limit), b'OK\r\n')
                settings = parse(ask_text(client, b'stats settings\r\n', b'END\r\n'))
                self.assertEqual(settings['hot_keys'], told)


def read_text(client, key):
    line = client.ask(b'get %s\r\n' % key)
    if line == b'END\r\n':
        return None
    value = client.read_line()[:-2]
    assert client.read_line() == b'END\r\n'
    return value


def read_meta(client, key):
    line = client.ask(b'mg %s v\r\n' % key)
    return None if line == b'EN\r\n' else client.read_line()[:-2]


def read_binary(client, key):
    client.send(request(GET, key))
    head = client.read(24)
    body = client.read(int.from_bytes(head[8:12], 'big'))
    return body[4:] if head[6:8] == b'\0\0' else None


def read_datagram(client, key):
    answer = client.ask(b'get %s\r\n' % key)
    return None if answer == b'END\r\n' else answer.split(b'\r\n')[1]


def set_text(client, key, value):
    assert client.ask(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value)) == b'STORED\r\n'


def set_meta(client, key, value):
    assert client.ask(b'ms %s %d\r\n%s\r\n' % (key, len(value), value)) == b'HD\r\n'


def set_binary(client, key, value):
    client.send(request(SET, key, FOREVER, value))
    assert client.read(24)[6:8] == b'\0\0'


def delete_text(client, key, _):
    assert client.ask(b'delete %s\r\n' % key) == b'DELETED\r\n'


def delete_binary(client, key, _):
    client.send(request(DELETE, key))
    assert client.read(24)[6:8] == b'\0\0'


def flush(client, _key, _value):
    assert client.ask(b'flush_all\r\n') == b'OK\r\n'


def flush_prefix(client, _key, _value):
    assert client.ask(b'flush_prefix hot\r\n') == b'OK\r\n'


# How a key is changed, and whether it has a value afterwards.
CHANGES = [(set_text, True), (set_meta, True), (set_binary, True), (delete_text, False), (set_text, True),
           (delete_binary, False), (set_text, True), (flush, False), (set_meta, True), (flush_prefix, False),
           (set_binary, True)]


@unittest.skipIf(server.ORIGINAL, 'it has no reactors')
class Changes(CopiesTest):
    def change(self, client, readers, key, number):
        """One change of a key, which all see who ask then."""
        value = b'%d' % number
        change, has_value = CHANGES[number % len(CHANGES)]
        change(client[change in (set_binary, delete_binary)], key, value)
        for reader, read in readers:
            self.assertEqual(read(reader, key), value if has_value else None, change.__name__)

    def test_all_see_them(self):
        """Connections of all protocols, on all reactors; each key is asked for by several before it is changed."""
        port = free_port()
        under_test = self.start(cores=4, port=port, flags=('-U', str(port), '-o', 'no_conn_moves'))
        with contextlib.ExitStack() as stack:
            readers = [(stack.enter_context(under_test.connect()), read)
                       for read in (read_text, read_meta, read_binary) * 4]
            asking = [client for client, read in readers if read is not read_binary]
            readers.append((stack.enter_context(Datagrams(port)), read_datagram))
            writers = [stack.enter_context(under_test.connect()) for _ in range(2)]
            for number in range(2 * len(CHANGES)):
                key = KEYS[number % len(KEYS)]
                store(writers[0], [key])
                self.have_copies(under_test, asking, [key])
                self.change(writers, readers, key, number)
            self.assertLess(0, int(under_test.stat('hot_stale')))


if __name__ == '__main__':
    server.main()
