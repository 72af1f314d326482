"""memcache of Python (Debian: python3-memcache); calls.py tells how it is driven."""
import sys

import memcache

from calls import found, found_many, pairs, serve, types

# It leaves a server alone for dead_retry seconds after an error, of itself 30. Without cache_cas it forgets tokens.
client = memcache.Client(['127.0.0.1:' + sys.argv[1]], dead_retry=1, cache_cas=True)


def stats():
    """What must be there."""
    said = client.get_stats()[0][1]
    return 'curr_items %s, pid %s' % (said['curr_items'], 'true' if int(said['pid']) else 'false')


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
    'gets': lambda key: found(client.gets(key)),
    'cas': lambda key, value, time: client.cas(key, value, int(time)),
    'get_many': lambda *keys: found_many(client.get_multi(keys)),
    'set_many': lambda time, *words: client.set_multi(pairs(words), time=int(time)),
    'delete_many': lambda *keys: client.delete_multi(keys),
    'flush': client.flush_all,
    'stats': stats,
    'stats_settings': lambda: client.get_stats('settings')[0][1]['maxbytes'],
    'types': lambda: types(['text', '', 'ünïcödé', b'\0\xff\r\n', 42, -1, 1 << 70, 1.5, True, None, ['a', {'k': 1}]],
                           client.set, client.get),
    'compressed': lambda: client.set('compressed', 'compressible ' * 20000, min_compress_len=1000)
                          and client.get('compressed') == 'compressible ' * 20000,
}
serve(calls)
