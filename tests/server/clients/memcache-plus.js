// memcache-plus of npm, the text protocol; calls.js tells how it is driven. Calls wait in its queue while the server
// is down.
'use strict';
const MemcachePlus = require('memcache-plus');
const {serve, found, found_many, is_version, at_once, types} = require('./calls.js');

const client = new MemcachePlus({
    hosts: [`127.0.0.1:${process.argv[2]}`], netTimeout: 10000, onNetError: () => undefined,
});
const tokens = {};

serve({
    get: async (key) => found(await client.get(key)),
    set: (key, value, expires) => client.set(key, value, Number(expires)),
    add: (key, value, expires) => client.add(key, value, Number(expires)),
    replace: (key, value, expires) => client.replace(key, value, Number(expires)),
    append: (key, value) => client.append(key, value),
    prepend: (key, value) => client.prepend(key, value),
    delete: (key) => client.delete(key),
    incr: (key, amount) => client.incr(key, Number(amount)),
    decr: (key, amount) => client.decr(key, Number(amount)),
    gets: async (key) => {
        const [value, token] = await client.gets(key);
        tokens[key] = token;
        return found(value);
    },
    cas: (key, value, expires) => client.cas(key, value, tokens[key], Number(expires)),
    get_many: async (...keys) => found_many(await client.getMulti(keys)),
    delete_many: async (...keys) => found_many(await client.deleteMulti(keys)),
    flush: () => client.flush(),
    version: async () => is_version(await client.version()),
    at_once: (n) => at_once(n, (key, value) => client.set(key, value), (key) => client.get(key)),
    types: () => types(['text', 'ünïcödé', 42, -1.5, true, {a: [1, null]}],
        (key, value) => client.set(key, value), (key) => client.get(key)),
    compressed: async () => {
        const value = 'compressible '.repeat(20000);
        await client.set('compressed', value, {compressed: true, ttl: 100});
        return (await client.get('compressed', {compressed: true})) === value;
    },
});
