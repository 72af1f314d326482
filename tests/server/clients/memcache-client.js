// memcache-client of npm, the text protocol; calls.js tells how it is driven.
'use strict';
const {MemcacheClient} = require('memcache-client');
const {serve, found, found_many, some_stats, is_version, at_once, types} = require('./calls.js');

const client = new MemcacheClient({server: {server: `127.0.0.1:${process.argv[2]}`, maxConnections: 3}});
const value_of = (item) => found(item && item.value);
const lifetime = (expires) => ({lifetime: Number(expires)});
const tokens = {};

serve({
    get: async (key) => value_of(await client.get(key)),
    set: (key, value, expires) => client.set(key, value, lifetime(expires)),
    add: (key, value, expires) => client.add(key, value, lifetime(expires)),
    replace: (key, value, expires) => client.replace(key, value, lifetime(expires)),
    append: (key, value) => client.append(key, value),
    prepend: (key, value) => client.prepend(key, value),
    delete: (key) => client.delete(key),
    incr: (key, amount) => client.incr(key, Number(amount)),
    decr: (key, amount) => client.decr(key, Number(amount)),
    touch: (key, expires) => client.touch(key, expires),
    gets: async (key) => {
        const item = await client.gets(key);
        tokens[key] = item && item.casUniq;
        return value_of(item);
    },
    cas: (key, value, expires) => client.cas(key, value, {casUniq: tokens[key], ...lifetime(expires)}),
    get_many: async (...keys) => {
        const items = await client.get(keys) || {};
        return found_many(Object.fromEntries(Object.keys(items).map((key) => [key, items[key].value])));
    },
    flush: () => client.cmd('flush_all'),
    version: async () => is_version(await client.version()),
    stats: async () => some_stats(Object.fromEntries((await client.cmd('stats')).STAT)),
    quiet: async () => {
        for (let i = 0; i < 200; i++) {
            client.set(`quiet${i}`, `value ${i}`, {noreply: true});
        }
        client.cmd('delete quiet5', {noreply: true});
        return [(await client.get('quiet199')).value, await client.get('quiet5')];
    },
    at_once: (n) => at_once(n, (key, value) => client.set(key, value), async (key) => (await client.get(key)).value),
    types: () => types(['text', '', 'ünïcödé', 42, -1.5, {a: [1, null]}, Buffer.from([0, 255, 13, 10])],
        (key, value) => client.set(key, value), async (key) => (await client.get(key)).value),
});
