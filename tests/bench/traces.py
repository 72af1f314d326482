"""bench/traces: what it makes of formats that others have, each file a few lines long."""
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'bench', 'traces')


def converted(kind, path, *flags):
    command = [sys.executable, '-B', PROGRAM, kind, path, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout.decode().split()


class Traces(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def test_columns(self):
        path = self.file('a.tr.gz', gzip.compress(b'1 17 100\n2 4 5000\n2 17 100\n'))
        self.assertEqual(converted('columns', path), (0, ['17,100', '4,5000', '17,100']))

    def test_twitter(self):
        """Reads, with the size of the key's first line that has one; a key may have commas."""
        path = self.file('t', b'0,a,1,0,7,get,0\n0,a,1,30,7,set,60\n1,b,c,3,9,7,gets,0\n'
                              b'1,d,1,0,7,get,0\n2,a,1,31,7,get,0\n')
        self.assertEqual(converted('twitter', path), (0, ['a,30', 'b,c,9', 'a,30']))

    def test_oracle(self):
        path = self.file('o.bin', b''.join(struct.pack('<IQIq', 1, key, size, -1)
                                           for key, size in ((1 << 40, 7), (2, 70000))))
        self.assertEqual(converted('oracle', path), (0, ['%d,7' % (1 << 40), '2,70000']))

    def test_cachebench(self):
        """Keys of the one popularity are asked for evenly, each always of one size."""
        self.file('pop.json', json.dumps({'oneHits': .1, 'popularityBuckets': [10, 90],
                                          'popularityWeights': [900, 100]}).encode())
        self.file('sizes.json', json.dumps({'valSizeRange': [10, 20],
                                            'valSizeRangeProbability': [1, 3]}).encode())
        status, lines = converted('cachebench', self.folder, '--keys', '100', '--requests', '20000')
        known = {line for line in lines if int(line.split(',')[0]) < 100}
        self.assertEqual((status, len(lines), len(known)), (0, 20000, 100))
        times = sorted((lines.count(line) for line in set(lines)), reverse=True)
        self.assertGreater(times[9], 1300)  # of 20000 × 0.9 × 0.9 / 10
        self.assertLess(times[10], 60)
        self.assertGreater(sum(line.endswith(',20') for line in set(lines)), len(set(lines)) / 2)

    def test_made(self):
        """Popularity and size go together, or not; what is not known is told."""
        for kind, small in (('hot-small', True), ('hot-large', False)):
            status, lines = converted('made', kind, '--keys', '1000', '--requests', '5000')
            by_times = sorted(set(lines), key=lines.count)
            sizes = [int(line.split(',')[1]) for line in by_times]
            self.assertEqual(status, 0)
            self.assertEqual(sum(sizes[-100:]) < sum(sizes[:100]), small)
        equal = converted('made', 'equal', '--requests', '100')[1]
        self.assertEqual({line.split(',')[1] for line in equal}, {'300'})
        self.assertEqual(converted('made', 'nothing')[0], 2)


if __name__ == '__main__':
    unittest.main()
