// memjs of npm, the binary protocol; calls.js tells how it is driven.
'use strict';
const memjs = require('memjs');
const {serve, found, at_once, types} = require('./calls.js');

const client = memjs.Client.create(`127.0.0.1:${process.argv[2]}`, {
    timeout: 10, logger: {log: () => undefined},
});
const get = async (key) => found((await client.get(key)).value);
const set = (key, value, expires) => client.set(key, value, {expires: Number(expires)});

serve({
    get,
    set,
    add: (key, value, expires) => client.add(key, value, {expires: Number(expires)}),
    replace: (key, value, expires) => client.replace(key, value, {expires: Number(expires)}),
    append: (key, value) => client.append(key, value),
    prepend: (key, value) => client.prepend(key, value),
    delete: (key) => client.delete(key),
    incr: async (key, amount) => (await client.increment(key, Number(amount), {})).value,
    decr: async (key, amount) => (await client.decrement(key, Number(amount), {})).value,
    incr_from: async (key, amount, initial) =>
        (await client.increment(key, Number(amount), {initial: Number(initial)})).value,
    touch: (key, expires) => client.touch(key, Number(expires)),
    flush: async () => Object.values(await client.flush()),
    stats: () => new Promise((resolve, reject) => client.stats((error, server, stats) =>
        (error ? reject(error) : resolve(`curr_items ${stats.curr_items}, pid ${Number(stats.pid) > 0}`)))),
    at_once: (n) => at_once(n, (key, value) => set(key, value, 0), get),
    types: () => types([Buffer.from([0, 255, 13, 10]), Buffer.from('text'), Buffer.from('')],
        (key, value) => set(key, value, 0), async (key) => (await client.get(key)).value),
});
