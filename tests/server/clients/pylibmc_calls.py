"""pylibmc, with the port and text or binary; calls.py tells how it is driven."""
import sys

import pylibmc

from calls import found, found_many, pairs, serve, types

client = pylibmc.Client(['127.0.0.1:' + sys.argv[1]], binary=sys.argv[2] == 'binary',
                        behaviors={'cas': True, 'retry_timeout': 1})
tokens = {}


def gets(key):
    """Keeps the token for cas."""
    value, tokens[key] = client.gets(key)
    return found(value)


def stats():
    """What must be there."""
    said = client.get_stats()[0][1]
    return 'curr_items %s, pid %s' % (said[b'curr_items' if b'pid' in said else 'curr_items'].decode(),
                                      'true' if int(said[b'pid' if b'pid' in said else 'pid']) else 'false')


calls = {
    'get': lambda key: found(client.get(key)),
    'set': lambda key, value, time: client.set(key, value, time=int(time)),
    'add': lambda key, value, time: client.add(key, value, time=int(time)),
    'replace': lambda key, value, time: client.replace(key, value, time=int(time)),
    'append': client.append,
    'prepend': client.prepend,
    'delete': client.delete,
    'incr': lambda key, amount: client.incr(key, int(amount)),
    'decr': lambda key, amount: client.decr(key, int(amount)),
    'touch': lambda key, time: client.touch(key, int(time)),
    'gets': gets,
    'cas': lambda key, value, time: client.cas(key, value, tokens[key], int(time)),
    'get_many': lambda *keys: found_many(client.get_multi(keys)),
    'set_many': lambda time, *words: client.set_multi(pairs(words), time=int(time)),
    'delete_many': lambda *keys: client.delete_multi(keys),
    'flush': client.flush_all,
    'stats': stats,
    'types': lambda: types(['text', '', 'ünïcödé', b'\0\xff\r\n', 42, -1, 1 << 70, 1.5, True, None, ['a', {'k': 1}]],
                           client.set, client.get),
    'compressed': lambda: client.set('compressed', 'compressible ' * 20000, min_compress_len=1000)
                          and client.get('compressed') == 'compressible ' * 20000,
    # Django asks so for a timeout of 0, and for a touch that ends a key.
    'own': lambda: (client.set('minus', 'x', time=-1), client.get('minus'), client.set('minus', 'y', time=100),
                    client.touch('minus', -1), client.get('minus')),
}
serve(calls)
