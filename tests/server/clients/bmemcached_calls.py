"""bmemcached (Debian: python3-binary-memcached), the binary protocol; calls.py tells how it is driven."""
import sys

import bmemcached

from calls import found, found_many, pairs, serve, types

client = bmemcached.Client(('127.0.0.1:' + sys.argv[1],), socket_timeout=10)
tokens = {}


def gets(key):
    """Keeps the token for cas."""
    value, tokens[key] = client.gets(key)
    return found(value)


def stats():
    """What must be there."""
    said = next(iter(client.stats().values()))
    return 'curr_items %d, pid %s' % (int(said['curr_items']), 'true' if int(said['pid']) else 'false')


calls = {
    'get': lambda key: found(client.get(key)),
    'set': lambda key, value, time: client.set(key, value, time=int(time), compress_level=0),
    'add': lambda key, value, time: client.add(key, value, time=int(time)),
    'replace': lambda key, value, time: client.replace(key, value, time=int(time)),
    'delete': client.delete,
    'incr': lambda key, amount: client.incr(key, int(amount)),
    'decr': lambda key, amount: client.decr(key, int(amount)),
    'incr_from': lambda key, amount, start: client.incr(key, int(amount), default=int(start)),
    'gets': gets,
    'cas': lambda key, value, time: client.cas(key, value, tokens[key], time=int(time)),
    'get_many': lambda *keys: found_many(client.get_multi(keys)),
    'set_many': lambda time, *words: client.set_multi(pairs(words), time=int(time), compress_level=0),
    'delete_many': lambda *keys: client.delete_multi(keys),
    'flush': client.flush_all,
    'stats': stats,
    'types': lambda: types(['text', '', 'ünïcödé', b'\0\xff\r\n', 42, -1, 1 << 40, 1.5, True, None, ['a', {'k': 1}]],
                           client.set, client.get),
}
serve(calls)
