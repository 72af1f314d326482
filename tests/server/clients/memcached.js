// memcached of npm, the text protocol; calls.js tells how it is driven. After an error of the server it leaves it
// alone for `retry` ms, of itself 30 s.
'use strict';
const Memcached = require('memcached');
const {serve, promised, found, found_many, some_stats, is_version, at_once, types} = require('./calls.js');

const client = new Memcached(`127.0.0.1:${process.argv[2]}`, {retry: 300, retries: 0});
const call = (method, ...words) => promised(client, method, ...words);
const tokens = {};

serve({
    get: async (key) => found(await call('get', key)),
    set: (key, value, expires) => call('set', key, value, Number(expires)),
    add: (key, value, expires) => call('add', key, value, Number(expires)),
    replace: (key, value, expires) => call('replace', key, value, Number(expires)),
    append: (key, value) => call('append', key, value),
    prepend: (key, value) => call('prepend', key, value),
    delete: (key) => call('del', key),
    incr: (key, amount) => call('incr', key, Number(amount)),
    decr: (key, amount) => call('decr', key, Number(amount)),
    touch: (key, expires) => call('touch', key, Number(expires)),
    gets: async (key) => {
        const item = await call('gets', key);
        tokens[key] = item && item.cas;
        return found(item && item[key]);
    },
    cas: (key, value, expires) => call('cas', key, value, tokens[key], Number(expires)),
    get_many: async (...keys) => found_many(await call('getMulti', keys)),
    flush: () => call('flush'),
    version: async () => is_version(await call('version')),
    stats: async () => some_stats((await call('stats'))[0]),
    stats_settings: async () => Number((await call('settings'))[0].maxbytes),
    stats_items: async () => typeof (await call('items'))[0],
    at_once: (n) => at_once(n, (key, value) => call('set', key, value, 0), (key) => call('get', key)),
    types: () => types(['text', '', 'ünïcödé', 42, -1.5, true, {a: [1, null]}, Buffer.from([0, 255, 13, 10])],
        (key, value) => call('set', key, value, 0), (key) => call('get', key)),
});
