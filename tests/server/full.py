"""A full server that must not evict (-M): what gives back as much memory as it takes is done, in every
protocol and on any number of cores; what is refused says so, and changes nothing that memcached keeps.

FULL_SEED=n runs the model with another seed, FULL_OPERATIONS=n with more operations for each client.
"""
import os
import random
import struct

import binary
import server
from speech import (DONE, EXISTS, GATK, GATKQ, GATQ, MISSING, NON_NUMERIC, NOT_STORED, REFUSED, Binary, Meta,
                    Text)

OPERATIONS = int(os.environ.get('FULL_OPERATIONS', 200 if server.SANITIZED else 600))
SEEDS = [int(os.environ['FULL_SEED'])] if 'FULL_SEED' in os.environ else [1, 2]
PARTS_FROM = 3800  # with 8 MB a core, longer values come in parts
TOO_LONG = 1000000 + 48000  # a value is refused for its length from there on, more or less


def value_of(name, length):
    """Bytes that come nowhere else, and begin no number."""
    return b'v' * bool(length) + random.Random(name).randbytes(max(length - 1, 0))


class Item:
    """What the model knows of a key."""

    def __init__(self, value, flags):
        self.value, self.flags = value, flags
        self.joined = False  # a long value that was appended or prepended to


class Client:
    """A client with keys of its own, and the model of them."""

    keys = 40
    lengths = (1, 16, 17, 100, 1000, 1000, 4000, 9000, 16000, 17000, 60000, 200000, 1000000)

    def __init__(self, test, under_test, name, seed):
        self.test, self.name = test, name
        self.rng = random.Random('%s.%d' % (name, seed))
        self.sockets = [under_test.connect(timeout=4 * server.TIMEOUT_S) for _ in range(3)]
        self.speaks = [Text(self.sockets[0]), Meta(self.sockets[1]), Binary(self.sockets[2], self.rng)]
        self.items, self.fillers = {}, 0
        self.refused = self.step = 0
        self.seed = seed

    def check(self, condition, *what):
        self.test.assertTrue(condition, ('client %s, seed %d, operation %d' % (self.name, self.seed,
                                                                              self.step), *what))

    def new_value(self, length):
        return value_of('%s.%d.%d' % (self.name, self.seed, self.rng.randrange(1 << 40)), length)

    def fill(self, lengths):
        """New keys with shorter and shorter values, until even the last ones are refused."""
        for length in lengths:
            while True:
                key = b'%s-fill%d' % (self.name.encode(), self.fillers)
                self.fillers += 1
                value = value_of(key, length)
                outcome = self.speaks[self.fillers % 3].store('add', key, value)
                if outcome == REFUSED:
                    break
                self.check(outcome == DONE, key, outcome)
                self.items[key] = Item(value, 0)

    def begin(self):
        for n in range(self.keys):
            key = b'%s-key%d' % (self.name.encode(), n)
            value = self.new_value(self.rng.choice(self.lengths))
            if self.speaks[0].store('set', key, value) == DONE:
                self.items[key] = Item(value, 0)

    def shown(self, key, of_get):
        """Whether that is what the key has."""
        item = self.items.get(key)
        if not item:
            return of_get == MISSING
        return isinstance(of_get, tuple) and of_get[:2] == (item.value, item.flags)

    def gives_back(self, mode, item, length):
        """Whether a value of this length must be stored instead of the one there."""
        if not item or mode in ('add', 'append', 'prepend') or length > len(item.value):
            return False
        return not item.joined

    def touch(self, speaks, key):
        seconds = self.rng.choice((0, 100, 1000))
        if self.rng.random() < 0.5:
            of_gat = speaks.gat(key, seconds)
            self.check(self.shown(key, of_gat), 'gat', key, type(speaks), of_gat[:1])
        else:
            outcome = speaks.touch(key, seconds)
            self.check(outcome == (DONE if key in self.items else MISSING), 'touch', key, outcome)

    def mark(self, speaks, key):
        item = self.items.get(key)
        if not speaks.marks:
            return
        if self.rng.random() < 0.7:
            outcome = speaks.mark(key, 1000)
        else:
            outcome = speaks.empty(key)
            if item:
                item.value, item.flags = b'', 0
        self.check(outcome == (DONE if item else MISSING), 'mark', key, outcome)

    def expected(self, mode, item, cas_is_right):
        if mode == 'add':
            return NOT_STORED if item else DONE
        if mode == 'cas':
            return MISSING if not item else DONE if cas_is_right else EXISTS
        return DONE if item or mode == 'set' else NOT_STORED

    def write(self, speaks, key):
        item = self.items.get(key)
        mode = self.rng.choice(('set', 'set', 'set', 'set', 'cas', 'cas', 'replace', 'add', 'append', 'prepend'))
        value = self.new_value(self.length_for(item))
        flags, seconds = self.rng.choice((0, 0, 7, 1 << 31)), self.rng.choice((0, 0, 1000))
        if self.rng.random() < 0.2:
            value = b'%d' % self.rng.randrange(10 ** self.rng.randrange(1, 19))
        of_get = speaks.get(key)
        self.check(self.shown(key, of_get), 'get', key)
        right = self.rng.random() < 0.9
        cas = (of_get[2] if isinstance(of_get, tuple) else 1) + (not right)
        outcome = speaks.store(mode, key, value, flags, seconds, cas)
        expected = self.expected(mode, item, right)
        what = ('%s of %d bytes over %s' % (mode, len(value), len(item.value) if item else None), key,
                type(speaks).__name__, outcome, expected)
        if outcome == REFUSED:
            self.check(not (expected == DONE and self.gives_back(mode, item, len(value))), *what)
            self.refused += 1
            self.after_refusal(speaks, key, mode, len(value))
            return
        joined = len(value) + len(item.value) if item and mode in ('append', 'prepend') else 0
        self.check(outcome == expected or outcome == NOT_STORED and joined > TOO_LONG, *what)
        if outcome == DONE:
            self.stored(key, mode, value, flags)

    def after_refusal(self, speaks, key, mode, length):
        """A set removes the old value. So may any meta, and a binary cas, whose value comes in parts, as
        they do in memcached."""
        may = length >= PARTS_FROM and (isinstance(speaks, Meta) or mode == 'cas' and isinstance(speaks, Binary))
        of_get = speaks.get(key)
        if mode == 'set' or may and of_get == MISSING:
            self.items.pop(key, None)
        self.check(self.shown(key, of_get), 'after a refused', mode, length, key, type(speaks).__name__)

    def stored(self, key, mode, value, flags):
        old = self.items.get(key)
        if mode in ('append', 'prepend'):
            old.value = old.value + value if mode == 'append' else value + old.value
            old.joined = len(old.value) > 1500
        else:
            self.items[key] = Item(value, flags)

    def length_for(self, item):
        """Often one that gives back, by little or much."""
        if not item or self.rng.random() < 0.3:
            return self.rng.choice(self.lengths)
        length = len(item.value)
        return max(0, self.rng.choice((length, length, length - 1, length - 4, length - 17, length // 2, 1)))

    def count(self, speaks, key):
        item = self.items.get(key)
        up, delta = self.rng.random() < 0.5, self.rng.randrange(1000)
        outcome = speaks.count(up, key, delta)
        if not item:
            self.check(outcome == MISSING, 'count', key, outcome)
            return
        text = item.value.split(b' ')[0]  # as in memcached, a number may have anything behind a blank
        of_parts = len(item.value) >= PARTS_FROM and outcome == NON_NUMERIC
        if of_parts or not text.isdigit() or int(text) >= 1 << 64:
            self.check(outcome == NON_NUMERIC, 'count', key, outcome, item.value[:30])
            return
        number = (int(text) + delta) % (1 << 64) if up else max(int(text) - delta, 0)
        digits = b'%d' % number
        if outcome == REFUSED:
            self.check(len(digits) > len(item.value), 'count', key, item.value, delta)
            self.refused += 1
            return
        self.check(outcome == number, 'count', key, outcome, number)
        item.value = digits.ljust(len(item.value))

    def delete(self, speaks, key):
        outcome = speaks.delete(key)
        self.check(outcome == (DONE if self.items.pop(key, None) else MISSING), 'delete', key, outcome)

    def operate(self):
        """One operation on a key: of the few that change all the time, or one that has filled up."""
        speaks = self.rng.choice(self.speaks)
        key = b'%s-%s%d' % (self.name.encode(), *self.rng.choice((
            (b'key', self.rng.randrange(self.keys)), (b'fill', self.rng.randrange(self.fillers)))))
        kinds = (self.touch, self.touch, self.mark, self.write, self.write, self.write, self.write, self.count)
        kind = self.delete if self.rng.random() < 0.03 else self.rng.choice(kinds)
        kind(speaks, key)
        self.check(self.shown(key, self.rng.choice(self.speaks).get(key)), kind.__name__, key)

    def run(self, operations):
        for self.step in range(operations):
            self.operate()
            if self.step % 8 == 0:
                self.fill((self.rng.choice((16000, 3000)), 500, 16))

    def end(self):
        for key in self.items:
            self.check(self.shown(key, self.speaks[0].get(key)), 'at the end', key)
        for client in self.sockets:
            client.close()


class Model(server.ServerTest):
    """Random operations in all protocols, several clients at a time."""

    def run_model(self, cores, clients, seed):
        under_test = self.start(cores=cores, flags=('-m', str(8 * cores), '-M'))
        models = [Client(self, under_test, 'c%d' % n, seed) for n in range(clients)]
        for model in models:
            model.begin()
        models[0].fill((1000000, 100000, 10000, 1000, 100, 16))
        for model in models[1:]:
            model.fill((16,))
        failures = []

        def run(model):
            try:
                model.run(OPERATIONS)
            except BaseException as failure:  # pylint: disable=broad-except
                failures.append(failure)
        threads = [server.Thread(target=run, args=(model,)) for model in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for failure in failures:
            raise failure
        for model in models:
            model.end()
        self.assertEqual(under_test.stat('evictions'), '0')
        return sum(model.refused for model in models)

    def run_models(self, clients):
        refused = 0
        for seed in SEEDS:
            for cores in (1, 2, 8):
                with self.subTest(cores=cores, seed=seed):
                    refused += self.run_model(cores, clients, seed)
        # How many are refused depends on when the memory of others is taken back, but for one client on one core.
        self.assertGreater(refused, 0)

    def test_one_client(self):
        self.run_models(1)

    def test_three_clients(self):
        self.run_models(3)


class Reported(server.ServerTest):
    """The faults as they were reported: -m 8 --cores 1 -M, values of 1000 bytes until one is refused."""

    def setUp(self):
        under_test = self.start(flags=('-m', '8', '-M'))
        self.client = under_test.connect()
        self.addCleanup(self.client.close)
        self.numbers = dict.fromkeys((b'a', b'b', b'c'), 0)
        for length, name in ((1000, b'a'), (100, b'b'), (1, b'c')):
            self.fill(b'set', name, length)
        self.assertGreater(self.numbers[b'a'], 6000)
        self.numbers[b'a'] = 5000
        # Where it was the index that refused new keys, room for values is left, and the other way round.
        while self.fill(b'replace', b'a', 3000) + self.fill(b'replace', b'a', 1100) + self.fill(b'set', b'c', 1) > 0:
            self.assertLess(self.numbers[b'a'], 6000)

    def fill(self, command, name, length):
        """The next keys of that name, until one is refused; returns how many were not."""
        first = self.numbers[name]
        while self.store(b'%s%d' % (name, self.numbers[name]), b'x' * length, command=command) == b'STORED\r\n':
            self.numbers[name] += 1
        return self.numbers[name] - first

    def store(self, key, value, flags=0, seconds=0, command=b'set'):
        return self.client.ask(b'%s %s %d %d %d\r\n%s\r\n' % (command, key, flags, seconds, len(value), value))

    def answers(self, sent, wanted):
        self.client.send(sent)
        self.assertEqual(self.client.read(len(wanted)), wanted)

    def test_times(self):
        value = b'x' * 1000
        self.answers(b'gat 100 a3000\r\n', b'VALUE a3000 0 1000\r\n%s\r\nEND\r\n' % value)
        self.answers(b'gat 100 a3001 a3002\r\n', b'VALUE a3001 0 1000\r\n%s\r\nVALUE a3002 0 1000\r\n%s\r\nEND\r\n'
                     % (value, value))
        self.answers(b'mg a3003 T100 t\r\n', b'HD t100\r\n')
        self.answers(b'touch a3004 100\r\n', b'TOUCHED\r\n')
        self.answers(b'md a3005 I T30\r\nmg a3005 t s\r\n', b'HD\r\nHD t30 s1000 X W\r\n')

    def test_binary_times(self):
        with server.Connection(self.client.socket.getpeername()[1]) as client:
            speaks = Binary(client, random.Random(1))
            for n, opcode in enumerate((binary.GAT, GATK, GATQ, GATKQ)):
                reply = speaks.ask(opcode, opcode in (GATQ, GATKQ), b'a%d' % (3100 + n), struct.pack('>I', 9))
                self.assertEqual((reply[1], reply[5]), (0, b'x' * 1000))
            self.assertEqual(speaks.touch(b'a3110', 100), DONE)

    def test_values(self):
        for n, (value, flags, seconds) in enumerate(((b'y', 0, 0), (b'y' * 1000, 7, 0), (b'y' * 1000, 0, 100),
                                                     (b'y' * 1000, 7, 100), (b'y' * 999, 1, 1000))):
            key = b'a%d' % (3200 + n)
            self.assertEqual(self.store(key, value, flags, seconds), b'STORED\r\n')
            self.answers(b'get %s\r\n' % key, b'VALUE %s %d %d\r\n%s\r\nEND\r\n' % (key, flags, len(value), value))

    def test_refusals(self):
        """A set loses the old value, others don't; a new item is refused by name, but for mg N: a miss."""
        refused = b'SERVER_ERROR out of memory storing object\r\n'
        more = b'y' * 3000
        number = 3300
        # What takes the place of others may find some room that new items don't.
        while self.client.ask(b'replace a%d 0 0 3000\r\n%s\r\n' % (number, more)) == b'STORED\r\n':
            number += 1
            self.assertLess(number, 3330)
        key = b'a%d' % number
        for mode in b'replace', b'append', b'add':
            self.answers(b'%s %s 0 0 3000\r\n%s\r\n' % (mode, b'new' if mode == b'add' else key, more), refused)
        self.answers(b'get %s new\r\n' % key, b'VALUE %s 0 1000\r\n%s\r\nEND\r\n' % (key, b'x' * 1000))
        self.answers(b'set %s 0 0 3000\r\n%s\r\nget %s\r\n' % (key, more, key), refused + b'END\r\n')

    def test_new_items(self):
        refused = b'SERVER_ERROR out of memory storing object\r\n'
        self.answers(b'mg new1 N30 t\r\n', b'EN\r\n')
        self.answers(b'ma new2 N30 J5\r\n', refused)
        self.answers(b'ms new3 100 MA N30\r\n%s\r\n' % (b'x' * 100), refused)


if __name__ == '__main__':
    server.main()
