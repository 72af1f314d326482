"""Memory files (-e) that are not as they were: behind links, at mount points, copied, with flipped bits."""
import os
import random
import resource
import subprocess
import unittest

import server
from restart import IMAGES_AT, SLOT_BYTES, FileTest, read_value
from startup import run

PAGE_BYTES = 4096
SEGMENT_BYTES = 32  # a segment's header
IMAGE_HEADER_BYTES = 216
STATE_AT = 112  # in an image: what changes


class Places(FileTest):
    """Where the file may be."""

    def store(self, one):
        with one.connect() as client:
            self.assertEqual(client.ask(b'set key 0 0 5\r\nvalue\r\n'), b'STORED\r\n')

    def link(self):
        """FILE is a link to a file in another folder, which is not there yet."""
        target = self.folder + '/target'
        os.mkdir(target)
        os.symlink(target + '/real', self.file)
        return target

    def test_behind_a_link(self):
        target = self.link()
        one = self.begin()
        self.store(one)
        one.stop()
        for cores in 3, 1:
            two = self.begin(cores=cores)
            self.assertEqual(self.found(two, b'key'), b'value')
            self.wait_moved(two)
            two.stop()
            self.assertTrue(os.path.islink(self.file))
            self.assertEqual(os.listdir(target), ['real'])

    def test_behind_a_link_with_a_move_that_began(self):
        target = self.link()
        one = self.begin()
        self.store(one)
        one.kill()
        os.rename(target + '/real', target + '/real.moving')
        two = self.begin(cores=3)
        self.assertEqual(self.found(two, b'key'), b'value')
        self.wait_moved(two)
        self.assertEqual(os.listdir(target), ['real'])

    def test_a_limit_on_the_length_of_files(self):
        for limit in (1 << 20,) if server.SANITIZED else (0, 100, 1 << 20):  # sanitizers write files of their own
            with self.subTest(limit):
                status, _, stderr = run(
                    '-e', self.file, '-m', '64', '-t', '2', '-p', str(server.free_port()), *server.user_flags(),
                    before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
                self.assertEqual(status, 1)
                self.assertIn('File too large', stderr)
                self.assertEqual(stderr.count('\n'), 1, stderr)

    def mount(self, *arguments):
        if os.geteuid() != 0:
            self.skipTest('needs root')
        done = subprocess.run(['mount', *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest('mount: ' + done.stderr.strip())
        self.addCleanup(subprocess.run, ['umount', '-l', arguments[-1]], check=True)

    def test_a_mount_point(self):
        """As a container gets one file of the host. It can't be renamed."""
        for name in self.folder + '/host', self.file:
            with open(name, 'wb'):
                pass
        self.mount('--bind', self.folder + '/host', self.file)
        one = self.begin()
        self.store(one)
        one.stop()
        two = self.begin(cores=3)
        self.assertIn('the server starts empty', two.errors())
        self.assertIsNone(self.found(two, b'key'))
        self.store(two)
        two.kill()
        three = self.begin(cores=3)
        self.assertEqual(self.found(three, b'key'), b'value')
        three.stop()
        self.change(IMAGES_AT + 8, b'\x63\0\0\0')
        four = self.begin(cores=3)
        self.assertIn('it is emptied', four.errors())
        self.assertIsNone(self.found(four, b'key'))
        four.stop()

    def test_a_copy_with_holes_in_a_full_file_system(self):
        """A page of zeros is a hole in the copy, and there is no other to be had."""
        self.mount('-t', 'tmpfs', '-o', 'size=8m', 'none', self.folder)
        for _ in range(2):
            self.begin().kill()
        subprocess.run(['cp', '--sparse=always', self.file, self.file + '2'], check=True)
        os.rename(self.file + '2', self.file)
        with open(self.folder + '/rest', 'wb', buffering=0) as file:
            try:
                while True:
                    file.write(bytes(PAGE_BYTES))
            except OSError:
                pass
        status, _, stderr = run('-e', self.file, *self.flags, '-t', '2', '-p', str(server.free_port()),
                                *server.user_flags())
        self.assertEqual(status, 1)
        self.assertIn('No space left on device', stderr)

    def test_a_move_in_a_full_file_system(self):
        """What the old file gives back the new one takes, and nothing is refused afterwards."""
        self.mount('-t', 'tmpfs', '-o', 'size=30m', 'none', self.folder)
        value = b'x' * 30_000
        one = self.begin(cores=1)
        with one.connect() as client:
            for n in range(1500):
                self.assertEqual(client.ask(b'set k%d 0 0 30000\r\n%s\r\n' % (n, value)), b'STORED\r\n')
        one.stop()
        two = self.begin('-m', '1024')
        self.wait_moved(two)
        self.assertGreater(int(two.stat('curr_items')), 100)
        with two.connect() as client:
            for n in range(100):
                self.assertEqual(client.ask(b'set s%d 0 0 1\r\nx\r\n' % n), b'STORED\r\n')
        two.stop()


class Damage(FileTest):
    """Whatever bits of its structure are wrong, the server starts, and no value is. (Values have no sum.)"""

    rounds = 200 if os.environ.get('LONG') else 10
    flags = ('-m', '64')

    def setUp(self):
        super().setUp()
        self.choice = random.Random(29)
        self.wanted = {}

    def fill(self, one):
        with one.connect() as client:
            for n in range(300):
                key = b'k%d' % n
                value = (key + b':') * self.choice.choice((1, 3, 30, 300, 3000, 30_000))
                request = b'set %s %d %d %d\r\n%s\r\n' % (key, n % 2 * n, n % 3 * 5000, len(value), value)
                self.assertEqual(client.ask(request), b'STORED\r\n')
                self.wanted[key] = value
            for n in range(0, 300, 7):
                self.assertEqual(client.ask(b'delete k%d\r\n' % n), b'DELETED\r\n')
                self.wanted[b'k%d' % n] = None

    def keep(self):
        """The file's bytes, by offset; without the holes."""
        kept = {}
        with open(self.file, 'rb') as file:
            at, end = 0, os.path.getsize(self.file)
            while at < end:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                kept[at] = os.pread(file.fileno(), hole - at, at)
                at = hole
        return end, kept

    def restore(self, end, kept):
        for name in os.listdir(self.folder):
            os.unlink(self.folder + '/' + name)
        with open(self.file, 'wb') as file:
            file.truncate(end)
            for at, data in kept.items():
                os.pwrite(file.fileno(), data, at)

    def place(self, end):
        """Where something is damaged: in a slot of the file's header, an image's, a segment's."""
        image = IMAGES_AT + self.choice.randrange(2) * (end - IMAGES_AT) // 2
        return self.choice.choice((
            self.choice.randrange(2) * SLOT_BYTES + self.choice.randrange(18) * 8,
            image + self.choice.randrange(IMAGE_HEADER_BYTES // 8) * 8,
            image + PAGE_BYTES + self.choice.randrange(100) * SEGMENT_BYTES + self.choice.randrange(4) * 8))

    def damage(self, end):
        for _ in range(self.choice.choice((1, 1, 4))):
            at = self.place(end)
            with open(self.file, 'rb') as file:
                word = int.from_bytes(os.pread(file.fileno(), 8, at), 'little')
            flipped = self.choice.choice((1 << self.choice.randrange(64), word, word ^ (1 << 64) - 1))
            self.change(at, (word ^ flipped).to_bytes(8, 'little'))

    def check(self, one):
        with one.connect() as client:
            for key, value in self.wanted.items():
                self.assertIn(read_value(client, b'get %s\r\n' % key), (value, None), key)
            for n in range(100):
                value = b'%d ' % n * self.choice.choice((1, 100, 10_000))
                request = b'set n%d 0 0 %d\r\n%s\r\n' % (n, len(value), value)
                self.assertEqual(client.ask(request), b'STORED\r\n')
                self.assertEqual(read_value(client, b'get n%d\r\n' % n), value)
            self.assertEqual(client.ask(b'flush_all\r\n'), b'OK\r\n')

    def check_each(self, end):
        one = self.begin()
        self.fill(one)
        end(one)
        kept = self.keep()
        for n in range(self.rounds):
            with self.subTest(n):
                self.restore(*kept)
                self.damage(kept[0])
                two = self.begin(cores=self.choice.choice((2, 2, 3)))
                self.check(two)
                two.stop()
                three = self.begin()
                self.assertIsNone(self.found(three, b'n5'))
                three.kill()

    def test_after_a_regular_end(self):
        self.check_each(lambda one: one.stop())

    def test_after_a_kill(self):
        self.check_each(lambda one: one.kill())

    def test_a_sequence_that_can_not_go_on(self):
        """Of the first segment in use; of the segments that a flush has left."""
        first = IMAGES_AT + PAGE_BYTES + SEGMENT_BYTES
        for at in first, IMAGES_AT + STATE_AT:
            with self.subTest(at):
                one = self.begin()
                self.fill(one)
                one.kill()
                self.change(at, b'\xff' * 8)
                two = self.begin()
                self.assertIn('it is kept as %s' % self.aside, two.errors())
                self.check(two)
                two.stop()
                os.unlink(self.file)

    def test_a_part_that_has_lost_its_mark(self):
        for end in lambda one: one.stop(), lambda one: one.kill():
            one = self.begin()
            self.fill(one)
            end(one)
            with open(self.file, 'rb') as file:
                mark = os.pread(file.fileno(), 1, IMAGES_AT)
            self.change(IMAGES_AT, bytes([mark[0] ^ 1]))
            two = self.begin()
            self.assertIn('it is kept as %s' % self.aside, two.errors())
            self.assertEqual(two.stat('curr_items'), '0')
            two.stop()
            os.unlink(self.file)


if __name__ == '__main__':
    server.main()
