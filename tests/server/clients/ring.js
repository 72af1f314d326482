// memcached of npm with several servers: sets each key of stdin, one a line, to "x", one after the other.
'use strict';
const Memcached = require('memcached');

const client = new Memcached(process.argv[2].split(','), {retries: 0});
const keys = require('fs').readFileSync(0, 'utf8').split('\n');
const next = (error) => {
    if (error) {
        console.error(error);
    }
    const key = keys.shift();
    if (error || key === undefined) {
        process.exit(error ? 1 : 0);
    }
    client.set(key, 'x', 0, next);
};
next();
