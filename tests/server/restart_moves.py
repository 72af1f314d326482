"""Warm restarts (-e) with other settings: items move while the server answers."""
import itertools
import os
import random
import signal
import time
import unittest

import restart
import server
from restart import LARGE, FileTest, Writer, read_value


class MovesTest(FileTest):
    """Items move to other settings while the server answers."""

    flags = ()

    def fill(self, one, count):
        """Many small ones, so that moving takes its time."""
        with one.connect() as client:
            for n in range(count):
                client.send(b'set k%d 0 0 %d noreply\r\n%d\r\n' % (n, len(str(n)), n))
            self.assertEqual(client.ask(b'set large 0 0 %d\r\n%s\r\n' % (LARGE, b'L' * LARGE)), b'STORED\r\n')

    def check_filled(self, one, count):
        with one.connect() as client:
            for n in range(0, count, 100):
                keys = b' '.join(b'k%d' % i for i in range(n, n + 100))
                client.send(b'get %s\r\n' % keys)
                found = {}
                while (line := client.read_line()) != b'END\r\n':
                    found[line.split()[1]] = client.read_line()
                self.assertEqual(found, {b'k%d' % i: b'%d\r\n' % i for i in range(n, n + 100)})
            self.assertEqual(read_value(client, b'get large\r\n'), b'L' * LARGE)


class Moves(MovesTest):
    """Everything that an item has goes with it."""

    CHANGES = ((3, ('-m', '64')), (1, ('-m', '64')), (8, ('-m', '128')), (2, ('-m', '16')), (2, ('-m', '256')),
               (2, ('-m', '256', '-M')), (2, ('-m', '256', '-I', '4m')), (5, ('-m', '64', '-C')), (4, ('-m', '64')))

    def test_each(self):
        ends = (signal.SIGTERM, signal.SIGKILL)
        one = self.begin('-m', '64')
        with one.connect() as client:
            wanted = self.fill_all(client)
        for n, (cores, flags) in enumerate(self.CHANGES):
            with self.subTest('%d cores %s' % (cores, ' '.join(flags))):
                restart.Ends.end(one, ends[n % 2])
                one = self.begin(*flags, cores=cores)
                self.check(one, wanted)
                self.wait_moved(one)
                self.assertEqual(os.listdir(self.folder), ['items'])
                self.check(one, wanted)

    @staticmethod
    def fill_all(client):
        """Values of all sizes, by key: the answer of a get with its flags, and its value."""
        wanted = {}
        for n in range(400):
            key = b'k%d' % n
            value = b'%d' % n * (1, 10, 100, 1000, 20_000)[n % 5]
            if client.ask(b'set %s %d %d %d\r\n%s\r\n' % (key, n, n % 2 * 5000, len(value), value)) != b'STORED\r\n':
                raise AssertionError('not stored')
            wanted[key] = b'VALUE %s %d %d\r\n' % (key, n, len(value)), value
        return wanted

    def check(self, one, wanted):
        with one.connect() as client:
            for key, (line, value) in wanted.items():
                self.assertEqual(client.ask(b'get %s\r\n' % key), line)
                self.assertEqual(client.read(len(value) + 7), value + b'\r\nEND\r\n')
            self.assertTrue(4000 < int(client.ask(b'mg k1 t\r\n').split()[1][1:]) <= 5000)
            self.assertEqual(client.ask(b'mg k2 t\r\n'), b'HD t-1\r\n')

    def test_cas_goes_on(self):
        one = self.begin('-m', '64')
        for cores in 3, 2, 1:
            with one.connect() as client:
                self.assertEqual(client.ask(b'set key 0 0 1\r\nx\r\n'), b'STORED\r\n')
                cas = int(client.ask(b'gets key\r\n').split()[4])
            one.kill()
            one = self.begin('-m', '64', cores=cores)
            with one.connect() as client:
                self.assertEqual(int(client.ask(b'gets key\r\n').split()[4]), cas)
                client.read(8)
                self.assertEqual(client.ask(b'set key 0 0 1\r\ny\r\n'), b'STORED\r\n')
                self.assertGreater(int(client.ask(b'gets key\r\n').split()[4]), cas)

    def test_a_delayed_flush_goes_with_them(self):
        one = self.begin('-m', '64')
        with one.connect() as client:
            self.assertEqual(client.ask(b'set key 0 0 1\r\nx\r\n'), b'STORED\r\n')
            self.assertEqual(client.ask(b'flush_all 3\r\n'), b'OK\r\n')
        one.kill()
        two = self.begin('-m', '64', cores=3)
        self.wait_gone(two, b'key')

    def test_what_does_not_fit(self):
        """The least wanted go; and what is larger than an item may be now."""
        one = self.begin('-m', '64', '-I', '4m')
        big = 3 << 20
        with one.connect() as client:
            for n in range(30_000):
                client.send(b'set k%d 0 0 1000 noreply\r\n%s\r\n' % (n, b'%d ' % n + b'x' * (999 - len(b'%d' % n))))
            self.assertEqual(client.ask(b'set big 0 0 %d\r\n%s\r\n' % (big, b'x' * big)), b'STORED\r\n')
            for n in range(0, 30_000, 10):
                self.assertIsNotNone(read_value(client, b'get k%d\r\n' % n))
        one.stop()
        two = self.begin('-m', '16', cores=3)
        self.wait_moved(two)
        self.assertIn('30001 items to be moved', two.errors())
        self.assertRegex(two.errors(), r'30001 items moved|30000 items moved .* 1 had no room')
        self.assertIsNone(self.found(two, b'big'))
        found = read = 0
        with two.connect() as client:
            for n in range(30_000):
                value = read_value(client, b'get k%d\r\n' % n)
                if value is not None:
                    self.assertTrue(value.startswith(b'%d ' % n))
                    found += 1
                    read += n % 10 == 0
        self.assertGreater(found, 8000)
        self.assertGreater(read, 2700)


class Interrupted(MovesTest):
    """Whatever happens meanwhile."""

    SETTINGS = ((3, ()), (1, ()), (3, ('-M',)), (2, ('-I', '2m')), (5, ()))
    count = 60_000 if not server.SANITIZED else 20_000
    flags = ('-m', '128')

    def test_killed_while_they_move(self):
        """Again and again, with other settings each time: when it has not begun, in the middle, when it has ended."""
        choice = random.Random(5)
        one = self.begin()
        self.fill(one, self.count)
        one.kill()
        interrupted = 0
        for number, cores in enumerate(itertools.cycle((3, 5, 1, 4, 2, 7, 3, 6))):
            if number >= 8 and interrupted or number > 100:
                break
            one = self.begin(cores=cores, wait=False)
            deadline = time.monotonic() + server.TIMEOUT_S
            while not os.path.exists(self.file + '.moving') and time.monotonic() < deadline:
                if os.path.exists(self.file) and one.process.poll() is None and ' moved to ' in one.errors():
                    break
            time.sleep(choice.uniform(0, 0.1) if number % 4 else 0)
            one.kill()
            interrupted += os.path.exists(self.file + '.moving')
        one = self.begin(cores=2)
        self.check_filled(one, self.count)
        self.wait_moved(one)
        self.check_filled(one, self.count)
        self.assertEqual(os.listdir(self.folder), ['items'])
        self.assertGreater(interrupted, 0)

    def write(self, one, known, choice):
        """Writers for a moment; each begins with what the ones before it have left."""
        writers = [Writer(one, i, choice.random(), known[i]) for i in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(choice.uniform(0.02, 0.4))
        return writers

    def end_writers(self, writers):
        for writer in writers:
            writer.join()
            if writer.problem:
                raise writer.problem
        return [writer.known for writer in writers]

    def settle(self, one, known):
        """What the items are that were being changed when a server was killed."""
        with one.connect() as client:
            for keys in known:
                for key, values in keys.items():
                    value = read_value(client, b'get %s\r\n' % key)
                    self.assertIn(value, values, key)
                    keys[key] = {value}

    def test_changed_while_they_move(self):
        """What was acknowledged holds, however often a move is cut off: nothing deleted or replaced comes back."""
        choice = random.Random(23)
        one = self.begin()
        self.fill(one, self.count)
        known = self.end_writers(self.write_and_end(one, [None] * 4, choice, signal.SIGKILL))
        for n, (cores, flags) in enumerate(self.SETTINGS * (10 if os.environ.get('LONG') else 1)):
            one = self.begin(*flags, cores=cores)
            self.settle(one, known)
            known = self.end_writers(
                self.write_and_end(one, known, choice, signal.SIGTERM if n % 3 == 2 else signal.SIGKILL))
        one = self.begin(cores=2)
        self.settle(one, known)
        self.wait_moved(one)
        self.settle(one, known)
        self.check_filled(one, self.count)

    def write_and_end(self, one, known, choice, how):
        writers = self.write(one, known, choice)
        restart.Ends.end(one, how)
        return writers

    def test_flushed_while_they_move(self):
        """What was there before a flush is gone, also where it had not moved yet, and after a kill."""
        for delay in (0, 2):
            one = self.begin(cores=2)
            self.fill(one, self.count)
            one.kill()
            two = self.begin(cores=3)
            with two.connect() as client:
                self.assertEqual(client.ask(b'flush_all %d\r\n' % delay), b'OK\r\n')
                asked = time.monotonic()
                while time.monotonic() < asked + delay + 0.2 and delay:
                    time.sleep(0.05)
                self.assertEqual(client.ask(b'set new 0 0 1\r\nx\r\n'), b'STORED\r\n')
            two.kill()
            for cores in 1, 2:
                one = self.begin(cores=cores)
                with one.connect() as client:
                    for n in range(0, self.count, 500):
                        self.assertIsNone(read_value(client, b'get k%d\r\n' % n))
                    self.assertIsNone(read_value(client, b'get large\r\n'))
                    self.assertEqual(read_value(client, b'get new\r\n'), b'x')
                one.kill()

    def test_told(self):
        """A line for its begin and its end, and statistics."""
        one = self.begin()
        self.fill(one, self.count)
        one.stop()
        two = self.begin(cores=3)
        self.wait_moved(two)
        self.assertIn('%d items to be moved to other settings' % (self.count + 1), two.errors())
        self.assertIn('%d items moved to other settings in ' % (self.count + 1), two.errors())
        told = [two.stat('file_items_' + name) for name in ('moved', 'lost', 'left')]
        self.assertEqual(told, [str(self.count + 1), '0', '0'])
        self.assertEqual(two.stat('curr_items'), str(self.count + 1))
        two.stop()
        three = self.begin(cores=3)
        self.assertEqual(three.stat('file_items_moved'), '0')

    def test_dumped_while_they_move(self):
        """A dump waits until all are there, and shows each once."""
        one = self.begin()
        self.fill(one, 5000)
        one.stop()
        two = self.begin(cores=3)
        with two.connect() as client:
            client.send(b'lru_crawler metadump all\r\n')
            keys = []
            while (line := client.read_line()) != b'END\r\n':
                keys += [line.split()[0]] if line.startswith(b'key=') else []
        self.assertEqual(len(keys), 5001)
        self.assertEqual(len(set(keys)), 5001)


if __name__ == '__main__':
    server.main()
