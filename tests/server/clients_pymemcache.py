"""pymemcache (text protocol): every everyday call, and its HashClient over three servers.

Debian: python3-pymemcache.
"""
import random
import unittest

from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError
from pymemcache.serde import pickle_serde

import server


class Pymemcache:
    """The cases; one class per number of cores below."""

    cores = None

    @classmethod
    def setUpClass(cls):
        cls.servers = [server.Server(cores=cls.cores, flags=('-m', '256')) for _ in range(3)]
        for one in cls.servers:
            cls.addClassCleanup(one.stop)
        cls.addresses = [('127.0.0.1', one.port) for one in cls.servers]

    def setUp(self):
        self.client = Client(self.addresses[0], timeout=server.TIMEOUT_S)
        self.addCleanup(self.client.close)
        self.assertTrue(self.client.flush_all(noreply=False))

    def test_set_get(self):
        self.assertTrue(self.client.set('key', b'value', noreply=False))
        self.assertEqual(self.client.get('key'), b'value')
        self.assertIsNone(self.client.get('none'))
        self.assertEqual(self.client.get('none', 'default'), 'default')

    def test_noreply(self):
        """Without replies the next answer must still be the right one."""
        for n in range(200):
            self.client.set('key%d' % n, b'%d' % n)
        self.client.add('key1', b'x', noreply=True)
        self.client.append('key2', b'x', noreply=True)
        self.client.prepend('key2', b'x', noreply=True)
        self.client.replace('key3', b'x', noreply=True)
        self.client.delete('key4', noreply=True)
        self.client.incr('key5', 5, noreply=True)
        self.client.decr('key6', 5, noreply=True)
        self.client.touch('key7', 1000, noreply=True)
        self.assertEqual(self.client.get_many(['key%d' % n for n in range(1, 9)]),
                         {'key1': b'1', 'key2': b'x2x', 'key3': b'x', 'key5': b'10', 'key6': b'1',
                          'key7': b'7', 'key8': b'8'})

    def test_many(self):
        values = {'many%d' % n: b'value %d' % n for n in range(2000)}
        self.assertEqual(self.client.set_many(values, noreply=False), [])
        self.assertEqual(self.client.get_many(list(values) + ['none']), values)
        tokens = self.client.gets_many(list(values))
        self.assertEqual({key: value for key, (value, _) in tokens.items()}, values)
        self.assertEqual(len({token for _, token in tokens.values()}), len(values))
        self.assertTrue(self.client.delete_many(list(values), noreply=False))
        self.assertEqual(self.client.get_many(list(values)), {})

    def test_large(self):
        for size in (1 << 10, 16 << 10, 64 << 10, 300 << 10, 900 << 10):
            with self.subTest(size=size):
                value = random.Random(size).randbytes(size)
                self.assertTrue(self.client.set('large', value, noreply=False))
                self.assertEqual(self.client.get('large'), value)

    def test_too_large(self):
        with self.assertRaises(MemcacheServerError):
            self.client.set('large', b'x' * (2 << 20), noreply=False)
        self.assertIsNone(self.client.get('large'))

    def test_cas(self):
        self.client.set('key', b'old')
        value, token = self.client.gets('key')
        self.assertEqual(value, b'old')
        self.assertTrue(self.client.cas('key', b'new', token, noreply=False))
        self.assertFalse(self.client.cas('key', b'newer', token, noreply=False))
        self.assertIsNone(self.client.cas('none', b'x', token, noreply=False))
        self.assertEqual(self.client.get('key'), b'new')

    def test_add_replace(self):
        self.assertFalse(self.client.replace('key', b'x', noreply=False))
        self.assertTrue(self.client.add('key', b'x', noreply=False))
        self.assertFalse(self.client.add('key', b'y', noreply=False))
        self.assertTrue(self.client.replace('key', b'z', noreply=False))
        self.assertEqual(self.client.get('key'), b'z')

    def test_append_prepend(self):
        self.assertFalse(self.client.append('key', b'x', noreply=False))
        self.client.set('key', b'mid')
        self.assertTrue(self.client.append('key', b'-end', noreply=False))
        self.assertTrue(self.client.prepend('key', b'beg-', noreply=False))
        self.assertEqual(self.client.get('key'), b'beg-mid-end')

    def test_incr_decr(self):
        self.assertIsNone(self.client.incr('n', 1))
        self.client.set('n', b'10')
        self.assertEqual(self.client.incr('n', 5), 15)
        self.assertEqual(self.client.decr('n', 20), 0)
        self.client.set('n', b'word')
        with self.assertRaises(MemcacheClientError):
            self.client.incr('n', 1)

    def test_touch_delete(self):
        self.assertFalse(self.client.touch('key', 100, noreply=False))
        self.client.set('key', b'x')
        self.assertTrue(self.client.touch('key', 100, noreply=False))
        self.assertTrue(self.client.delete('key', noreply=False))
        self.assertFalse(self.client.delete('key', noreply=False))

    def test_pickled(self):
        client = Client(self.addresses[0], serde=pickle_serde)
        self.addCleanup(client.close)
        for value in ('text', b'bytes', 42, 1 << 70, ['list', {'of': 'things'}], None):
            with self.subTest(value=value):
                client.set('key', value, noreply=False)
                self.assertEqual(client.get('key', 'missing'), value)

    def test_version_and_stats(self):
        self.assertRegex(self.client.version(), rb'^[1-9]')
        stats = self.client.stats()
        self.assertEqual(stats[b'pid'], self.servers[0].pid)
        self.assertIn(b'curr_items', stats)

    def test_quit(self):
        self.client.quit()
        self.assertIsNone(self.client.get('key'))  # on a new connection

    def test_hash_client(self):
        """Keys spread over three servers, each with its own shards."""
        client = HashClient(self.addresses, use_pooling=True, timeout=server.TIMEOUT_S)
        self.addCleanup(client.close)
        client.flush_all()
        values = {'hashed%d' % n: b'value %d' % n for n in range(500)}
        self.assertEqual(client.set_many(values, noreply=False), [])
        self.assertEqual(client.get_many(list(values)), values)
        self.assertEqual(client.get('hashed7'), b'value 7')
        self.assertTrue(client.delete('hashed7', noreply=False))
        for one in self.servers:
            self.assertGreater(int(one.stat('curr_items')), 50)

    def test_pool(self):
        pool = PooledClient(self.addresses[0], max_pool_size=4)
        self.addCleanup(pool.close)
        pool.set('key', b'value', noreply=False)
        self.assertEqual(pool.get('key'), b'value')


class OneCore(Pymemcache, unittest.TestCase):
    cores = 1


class TwoCores(Pymemcache, unittest.TestCase):
    cores = 2


if __name__ == '__main__':
    server.main()
