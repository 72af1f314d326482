"""bmemcached, the client of the first version of this server (binary protocol).

Debian: python3-binary-memcached.
"""
import random
import unittest

import bmemcached

import server


class Bmemcached:
    """The cases; one class per number of cores below."""

    cores = None

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(cores=cls.cores, flags=('-m', '256'))
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.client = bmemcached.Client(('127.0.0.1:%d' % self.server.port,), socket_timeout=server.TIMEOUT_S)
        self.addCleanup(self.client.disconnect_all)
        self.assertTrue(self.client.flush_all())

    def keep(self, value, **options):
        """A value that is set must come back as it was."""
        self.assertTrue(self.client.set('key', value, **options))
        self.assertEqual(self.client.get('key'), value)

    def test_first_version(self):
        """The whole of the first version's example."""
        self.client.set('key', 'value')
        self.assertEqual(self.client.get('key'), 'value')

    def test_miss(self):
        self.assertIsNone(self.client.get('none'))
        self.assertEqual(self.client.get('none', 'default'), 'default')

    def test_types(self):
        """The client's flags come back untouched, or it would take one type for another."""
        for value in ('', 'text', 'ünïcödé', b'', b'\0\xff\r\n', 0, -1, 1 << 40, 1.5, None, True,
                      ['a', 1], {'k': (1, 2)}):
            with self.subTest(value=value):
                self.assertTrue(self.client.set('key', value))
                self.assertEqual(self.client.get('key'), value)

    def test_large(self):
        """Bytes that don't compress, so that they cross in full."""
        for size in (1 << 10, 16 << 10, 64 << 10, 300 << 10, 700 << 10):
            with self.subTest(size=size):
                self.keep(random.Random(size).randbytes(size), compress_level=0)

    def test_compressed(self):
        self.keep('compressible ' * 50000)
        self.keep(['pickled and compressible'] * 50000)

    def test_multi(self):
        """SETQ × n and NOOP; GETKQ × n-1 and GETK."""
        values = {'multi%d' % n: 'value %d' % n for n in range(1000)}
        self.assertEqual(self.client.set_multi(values), [])
        self.assertEqual(self.client.get_multi(list(values) + ['none']), values)
        self.assertEqual(self.client.get_multi(['none', 'nor this']), {})
        self.assertEqual(self.client.get_multi(['multi1', 'none']), {'multi1': 'value 1'})
        self.assertTrue(self.client.delete_multi(['multi1', 'multi2']))
        self.assertEqual(self.client.get_multi(['multi1', 'multi3']), {'multi3': 'value 3'})

    def test_multi_large(self):
        """More than any socket buffer holds, in both directions."""
        values = {'large%d' % n: random.Random(n).randbytes(100 << 10) for n in range(40)}
        self.assertEqual(self.client.set_multi(values, compress_level=0), [])
        self.assertEqual(self.client.get_multi(list(values)), values)

    def test_delete(self):
        self.client.set('key', 'value')
        self.assertTrue(self.client.delete('key'))
        self.assertIsNone(self.client.get('key'))
        self.assertTrue(self.client.delete('key'))  # it takes a miss for success

    def test_incr_decr(self):
        self.assertEqual(self.client.incr('n', 5), 0)  # created with its default
        self.assertEqual(self.client.incr('n', 5), 5)
        self.assertEqual(self.client.decr('n', 2), 3)
        self.assertEqual(self.client.decr('n', 20), 0)
        self.assertEqual(self.client.incr('m', 1, default=41), 41)
        self.assertEqual(self.client.incr('m', 1), 42)

    def test_cas(self):
        self.client.set('key', 'old')
        value, token = self.client.gets('key')
        self.assertEqual(value, 'old')
        self.assertTrue(self.client.cas('key', 'new', token))
        self.assertFalse(self.client.cas('key', 'newer', token))
        self.assertEqual(self.client.get('key'), 'new')
        self.assertEqual(self.client.gets('none'), (None, None))

    def test_add_replace(self):
        self.assertFalse(self.client.replace('key', 'none'))
        self.assertTrue(self.client.add('key', 'first'))
        self.assertFalse(self.client.add('key', 'second'))
        self.assertTrue(self.client.replace('key', 'third'))
        self.assertEqual(self.client.get('key'), 'third')

    def test_expiry(self):
        self.keep('value', time=1000)

    def test_flush(self):
        self.client.set('key', 'value')
        self.assertTrue(self.client.flush_all())
        self.assertIsNone(self.client.get('key'))

    def test_stats(self):
        (stats,) = self.client.stats().values()
        self.assertEqual(int(stats['pid']), self.server.pid)
        self.assertIn('curr_items', stats)

    def test_bad_key(self):
        """Too long a key is an error and ends the connection; other clients notice nothing."""
        other = bmemcached.Client(('127.0.0.1:%d' % self.server.port,), socket_timeout=server.TIMEOUT_S)
        self.addCleanup(other.disconnect_all)
        other.set('key', 'value')
        with self.assertRaises(bmemcached.exceptions.MemcachedException):
            self.client.set('k' * 251, 'value')
        self.assertEqual(other.get('key'), 'value')


class OneCore(Bmemcached, unittest.TestCase):
    cores = 1


class TwoCores(Bmemcached, unittest.TestCase):
    cores = 2


if __name__ == '__main__':
    server.main()
