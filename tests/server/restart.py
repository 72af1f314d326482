"""Warm restarts (-e): what the next server finds of what one had, however that one ended."""
import os
import random
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
import unittest

import server
from startup import run

SLOT_BYTES = 4096  # the file's header comes twice
IMAGES_AT = 2 << 20
LARGE = 300_000


def memory_folder():
    """A folder for memory files: on a tmpfs where there is one."""
    return tempfile.mkdtemp(dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)


class FileTest(unittest.TestCase):
    """With a folder for the file."""

    cores = 2
    flags = ('-m', '64')

    def setUp(self):
        self.folder = memory_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder + '/items'
        self.aside = self.file + '.aside'

    def begin(self, *flags, cores=None, **options):
        """Starts a server on the file; it tells what it finds there."""
        one = server.Server(cores=cores or self.cores, flags=('-e', self.file, *self.flags, *flags), **options)
        one.may_talk = True
        self.addCleanup(lambda: one in server.running and one.stop())
        return one

    def wait_moved(self, one):
        """Until all items have moved to the settings of this server."""
        moving = os.path.realpath(self.file) + '.moving'
        deadline = time.monotonic() + server.TIMEOUT_S
        while os.path.exists(moving) or one.stat('file_items_left') != '0':
            self.assertLess(time.monotonic(), deadline, one.errors())
            time.sleep(0.01)

    def change(self, offset, data):
        with open(self.file, 'r+b') as file:
            file.seek(offset)
            file.write(data)

    def found(self, one, key):
        """The value of a key, or None."""
        with one.connect() as client:
            return read_value(client, b'get %s\r\n' % key)

    def wait_gone(self, one, key):
        """Until its time is over."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while self.found(one, key) is not None:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


def read_value(client, request):
    """The value that a get of one key answers, or None."""
    line = client.ask(request)
    if line == b'END\r\n':
        return None
    value = client.read(int(line.split()[3]))
    if client.read(7) != b'\r\nEND\r\n':
        raise AssertionError('an answer is cut off')
    return value


class Ends(FileTest):
    """Everything that an item has is there again."""

    def fill(self, one):
        with one.connect() as client:
            for request in (b'set plain 7 0 5\r\nvalue\r\n', b'set timed 0 1000 2\r\nab\r\n',
                            b'set number 0 0 2\r\n41\r\n', b'set gone 0 0 1\r\nx\r\n',
                            b'set brief 0 1 1\r\nx\r\n',
                            b'set large 3 0 %d\r\n%s\r\n' % (LARGE, b'L' * LARGE)):
                self.assertEqual(client.ask(request), b'STORED\r\n')
            self.assertEqual(client.ask(b'incr number 1\r\n'), b'42\r\n')
            self.assertEqual(client.ask(b'delete gone\r\n'), b'DELETED\r\n')
            self.assertEqual(client.ask(b'ms %s 3 b F9\r\nbin\r\n' % b'a2V5AA=='), b'HD\r\n')
            return client.ask(b'gets plain\r\n').split()[4]

    def check(self, one, cas):
        with one.connect() as client:
            self.assertEqual(client.ask(b'gets plain\r\n'), b'VALUE plain 7 5 %s\r\n' % cas)
            self.assertEqual(client.read(12), b'value\r\nEND\r\n')
            self.assertEqual(read_value(client, b'get large\r\n'), b'L' * LARGE)
            self.assertEqual(read_value(client, b'get number\r\n'), b'42')
            self.assertIsNone(read_value(client, b'get gone\r\n'))
            self.assertEqual(client.ask(b'mg %s b v f\r\n' % b'a2V5AA=='), b'VA 3 f9\r\n')
            self.assertEqual(client.read(5), b'bin\r\n')
            left = int(client.ask(b'mg timed t\r\n').split()[1][1:])
            self.assertTrue(900 < left <= 1000, left)
            self.assertEqual(client.ask(b'set plain 0 0 1\r\nx\r\n'), b'STORED\r\n')
            self.assertGreater(int(client.ask(b'gets plain\r\n').split()[4]), int(cas))

    def test_each(self):
        for sent in signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGKILL, 'shutdown', 'shutdown graceful':
            with self.subTest(sent):
                one = self.begin('-A')
                cas = self.fill(one)
                self.end(one, sent)
                two = self.begin()
                self.check(two, cas)
                with two.connect() as client:
                    self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')
                two.stop()

    @staticmethod
    def end(one, sent):
        if sent == signal.SIGKILL:
            one.kill()
        elif isinstance(sent, str):
            with one.connect() as client:
                client.send(sent.encode() + b'\r\n')
                one.process.wait(server.TIMEOUT_S)
                one.stop()
        else:
            one.stop(sent)

    def test_told(self):
        one = self.begin()
        self.fill(one)
        one.kill()
        two = self.begin()
        self.assertIn('-e %s: 6 items found in ' % self.file, two.errors())
        with two.connect() as client:
            client.send(b'stats settings\r\n')
            text = b''
            while not text.endswith(b'END\r\n'):
                text += client.read_line()
            self.assertIn(b'STAT memory_file %s\r\n' % self.file.encode(), text)
            self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
            client.send(b'quit\r\n')
        two.stop()

    def test_down_time_counts(self):
        one = self.begin()
        with one.connect() as client:
            self.assertEqual(client.ask(b'set brief 0 2 1\r\nx\r\n'), b'STORED\r\n')
            self.assertEqual(client.ask(b'set long 0 1000 1\r\nx\r\n'), b'STORED\r\n')
        one.kill()
        time.sleep(3)  # in which nothing happens, and yet counts
        two = self.begin()
        self.wait_gone(two, b'brief')
        with two.connect() as client:
            self.assertLessEqual(int(client.ask(b'mg long t\r\n').split()[1][1:]), 998)

    def test_flushed_stays_flushed(self):
        one = self.begin()
        with one.connect() as client:
            self.assertEqual(client.ask(b'set before 0 0 1\r\nx\r\n'), b'STORED\r\n')
            self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')
            self.assertEqual(client.ask(b'set after 0 0 1\r\ny\r\n'), b'STORED\r\n')
            self.assertEqual(client.ask(b'flush_all 4\r\n'), b'OK\r\n')
        asked = time.monotonic()
        one.kill()
        two = self.begin()
        self.assertIsNone(self.found(two, b'before'))
        if time.monotonic() < asked + 2:
            self.assertEqual(self.found(two, b'after'), b'y')
        self.wait_gone(two, b'after')

    def test_another_limit_on_memory(self):
        one = self.begin()
        cas = self.fill(one)
        one.stop()
        two = self.begin('-m', '128')
        self.check(two, cas)
        self.assertEqual(int(two.stat('limit_maxbytes')), 128 << 20)


class Unusable(FileTest):
    """What can't be used is put aside or refused, by one line; never is anything wrong served."""

    def expect_empty_start(self, reason):
        two = self.begin()
        self.assertIn(reason, two.errors())
        self.assertIn('it is kept as %s' % self.aside, two.errors())
        self.assertIsNone(self.found(two, b'key'))
        self.assertTrue(os.path.exists(self.aside))
        self.assertEqual(two.stat('curr_items'), '0')
        with two.connect() as client:
            self.assertEqual(client.ask(b'set key 0 0 3\r\nnew\r\n'), b'STORED\r\n')
        two.stop()
        three = self.begin()
        self.assertEqual(self.found(three, b'key'), b'new')
        three.stop()

    def make(self):
        one = self.begin()
        with one.connect() as client:
            self.assertEqual(client.ask(b'set key 0 0 5\r\nvalue\r\n'), b'STORED\r\n')
        one.stop()

    def test_foreign(self):
        with open(self.file, 'wb') as file:
            file.write(b'The quick brown fox\n' * 1000)
        self.expect_empty_start('this is no memory file of simplecache')
        with open(self.aside, 'rb') as file:
            self.assertEqual(file.read(), b'The quick brown fox\n' * 1000)

    def test_of_another_version(self):
        self.make()
        for slot in 0, 1:
            self.change(slot * SLOT_BYTES + 8, b'\x63\0\0\0')
        self.expect_empty_start('it is of another version')

    def test_image_of_another_version(self):
        self.make()
        self.change(IMAGES_AT + 8, b'\x63\0\0\0')
        self.expect_empty_start('it is of another version')

    def test_damaged_header(self):
        self.make()
        for slot in 0, 1:
            self.change(slot * SLOT_BYTES + 40, b'\x55\x55')
        self.expect_empty_start('its header is damaged')

    def test_one_damaged_slot(self):
        """The other one is enough, as after a crash in the middle of writing one."""
        self.make()
        for slot in 0, 1:
            with self.subTest(slot):
                self.change(slot * SLOT_BYTES + 40, b'\x55\x55')
                two = self.begin()
                self.assertEqual(self.found(two, b'key'), b'value')
                two.stop()

    def test_damaged_image(self):
        self.make()
        self.change(IMAGES_AT + 24, b'\x55\x55')
        self.expect_empty_start('it is damaged')

    def test_cut_off(self):
        self.make()
        os.truncate(self.file, os.path.getsize(self.file) - SLOT_BYTES)
        self.expect_empty_start('it is damaged')

    def test_cut_off_within_the_header(self):
        self.make()
        os.truncate(self.file, 100)
        self.expect_empty_start('damaged')

    def test_empty(self):
        """As mktemp(1) leaves one."""
        with open(self.file, 'wb'):
            pass
        one = self.begin()
        self.assertEqual(one.errors(), '')
        one.stop()
        self.assertFalse(os.path.exists(self.aside))

    def expect_refusal(self, reason, path=None):
        status, _, stderr = run('-e', path or self.file, '-t', '2', '-p', str(server.free_port()), *server.user_flags())
        self.assertEqual(status, 1)
        self.assertIn(reason, stderr)
        self.assertEqual(stderr.count('\n'), 1, stderr)

    def test_two_servers(self):
        one = self.begin()
        self.expect_refusal('another server uses it')
        with one.connect() as client:
            self.assertEqual(client.ask(b'set key 0 0 1\r\nx\r\n'), b'STORED\r\n')
        one.stop()
        two = self.begin()
        self.assertEqual(self.found(two, b'key'), b'x')

    def test_no_folder(self):
        self.expect_refusal('No such file or directory', self.folder + '/none/items')

    def test_no_file(self):
        self.expect_refusal('', self.folder)
        self.expect_refusal('this is no regular file', '/dev/null')

    def test_full(self):
        """A small tmpfs, which says so as soon as nothing can be kept; and serves what fits."""
        if os.geteuid() != 0:
            self.skipTest('needs root')
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=12m', 'none', self.folder],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest('mount: ' + done.stderr.strip())
        self.addCleanup(subprocess.run, ['umount', '-l', self.folder], check=True)
        one = self.begin('-I', '8k')
        self.fill(one)
        one.kill()
        two = self.begin('-I', '8k')
        self.fill(two)
        two.stop()

    def fill(self, one):
        """More than there is room for: each is stored, or refused, and found or not, but never wrong."""
        stored = found = 0
        with one.connect() as client:
            for n in range(8000):
                value = b'%d ' % n * 800
                stored += client.ask(b'set k%d 0 0 %d\r\n%s\r\n' % (n, len(value), value)) == b'STORED\r\n'
                back = read_value(client, b'get k%d\r\n' % n)
                self.assertIn(back, (value, None))
            for n in range(8000):
                back = read_value(client, b'get k%d\r\n' % n)
                self.assertIn(back, (b'%d ' % n * 800, None))
                found += back is not None
        self.assertGreater(stored, 100)
        self.assertGreater(found, 100)


class Writer(threading.Thread):
    """Changes keys of its own until the server is gone; knows what each may be. A value of None: not there."""

    def __init__(self, one, number, seed, known=None):
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.client = one.connect()
        self.keys = [b'w%d_%d' % (number, n) for n in range(60)]
        self.known = known or {key: {None} for key in self.keys}
        self.done = 0
        self.problem = None

    def value(self):
        length = self.random.choice((1, 20, 300, 3000, 20_000, 150_000))
        return b'%08d' % self.random.randrange(10 ** 8) * (length // 8 + 1)

    def change(self, key):
        """One operation: what it sends, what is there afterwards."""
        now, = self.known[key]
        kind = self.random.randrange(10)
        if kind < 6 or now is None:
            value = self.value()
            if kind % 2:
                return b'ms %s %d\r\n%s\r\n' % (key, len(value), value), value
            return b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value), value
        if kind == 6:
            return b'delete %s\r\n' % key, None
        if kind == 7:
            return b'append %s 0 0 3\r\nxyz\r\n' % key, now + b'xyz'
        if kind == 8:
            return b'prepend %s 0 0 3\r\nabc\r\n' % key, b'abc' + now
        return b'touch %s 1000\r\n' % key, now

    def run(self):
        try:
            while True:
                key = self.random.choice(self.keys)
                request, value = self.change(key)
                before, = self.known[key]
                self.known[key] = {before, value, None} if before != value else {before, None}
                answer = self.client.ask(request)
                if not answer.endswith(b'\r\n'):
                    return
                if answer.split()[0] not in (b'STORED', b'HD', b'DELETED', b'TOUCHED'):
                    raise AssertionError('%s: %s' % (request[:40], answer))
                self.known[key] = {value}
                self.done += 1
        except OSError:
            pass
        except Exception as error:  # of a thread: the test raises it
            self.problem = error


class Killed(FileTest):
    """kill -9 under load, again and again on one file."""

    rounds = 200 if os.environ.get('LONG') else 8
    flags = ('-m', '256')

    def test_nothing_is_lost(self):
        choice = random.Random(17)
        done = 0
        for n in range(self.rounds):
            one = self.begin()
            self.check_empty_of(one, n)
            writers = [Writer(one, i, choice.random()) for i in range(4)]
            for writer in writers:
                writer.start()
            time.sleep(choice.uniform(0.05, 0.6))
            one.kill()
            for writer in writers:
                writer.join()
                if writer.problem:
                    raise writer.problem
            done += sum(writer.done for writer in writers)
            two = self.begin()
            self.check(two, writers)
            two.kill() if n % 2 else two.stop()
        self.assertGreater(done, 0)

    def check_empty_of(self, one, n):
        with one.connect() as client:
            self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n', n)

    def check(self, two, writers):
        with two.connect() as client:
            for writer in writers:
                for key, values in writer.known.items():
                    self.assertIn(read_value(client, b'get %s\r\n' % key), values, key)


if __name__ == '__main__':
    server.main()
