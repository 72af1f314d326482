"""pymemcache; calls.py tells how it is driven."""
import sys

from pymemcache.client.base import PooledClient
from pymemcache.serde import pickle_serde

from calls import found, found_many, pairs, serve, types

address = ('127.0.0.1', int(sys.argv[1]))
client = PooledClient(address, serde=pickle_serde, default_noreply=False, timeout=10)
tokens = {}


def gets(key):
    """Keeps the token for cas."""
    value, tokens[key] = client.gets(key)
    return found(value)


def stats():
    """What must be there."""
    said = client.stats()
    return 'curr_items %d, pid %s' % (said[b'curr_items'], 'true' if said[b'pid'] else 'false')


def quiet():
    """Calls that wait for no answer, and one that does."""
    for number in range(200):
        client.set('quiet%d' % number, 'value %d' % number, noreply=True)
    client.delete('quiet5', noreply=True)
    return client.get('quiet199'), client.get('quiet5')


calls = {
    'get': lambda key: found(client.get(key)),
    'set': lambda key, value, expire: client.set(key, value, expire=int(expire)),
    'add': lambda key, value, expire: client.add(key, value, expire=int(expire)),
    'replace': lambda key, value, expire: client.replace(key, value, expire=int(expire)),
    'append': client.append,
    'prepend': client.prepend,
    'delete': client.delete,
    'incr': lambda key, amount: client.incr(key, int(amount)),
    'decr': lambda key, amount: client.decr(key, int(amount)),
    'touch': lambda key, expire: client.touch(key, expire=int(expire)),
    'gets': gets,
    'cas': lambda key, value, expire: client.cas(key, value, tokens[key], expire=int(expire)),
    'get_many': lambda *keys: found_many(client.get_many(keys)),
    'set_many': lambda expire, *words: client.set_many(pairs(words), expire=int(expire)),
    'delete_many': lambda *keys: client.delete_many(keys),
    'flush': client.flush_all,
    'stats': stats,
    'types': lambda: types(['text', '', 'ünïcödé', b'\0\xff\r\n', 42, -1, 1 << 70, 1.5, True, None, ['a', {'k': 1}]],
                           client.set, client.get),
    'quiet': quiet,
}
serve(calls)
