// Clients of npm that learn of the servers from one of them: sets each key of stdin, one a line, to "x" when `count`
// servers are known.
//
// usage: discover.js CLIENT HOST:PORT COUNT
'use strict';
const [name, endpoint, count] = process.argv.slice(2);
let keys = null;

const finish = (error) => {
    if (error) {
        console.error(error);
    }
    process.exit(error ? 1 : 0);
};

const set_all = (set) => {
    keys = keys || require('fs').readFileSync(0, 'utf8').split('\n');
    const key = keys.shift();
    if (key === undefined) {
        finish();
    }
    set(key, (error) => error ? finish(error) : set_all(set));
};

const clients = {
    // Asks every 50 ms here, of itself once a minute.
    'memcached-elasticache': () => {
        const Memcached = require('memcached-elasticache');
        const client = new Memcached(endpoint, {autoDiscover: true, autoDiscoverInterval: 50});
        client.on('autoDiscoverFailure', finish);
        client.on('autoDiscover', (nodes) => {
            if (nodes.length === Number(count)) {
                set_all((key, done) => client.set(key, 'x', 0, done));
            }
        });
    },
    'elasticache-client': () => {
        const Client = require('elasticache-client');
        const client = new Client(endpoint, {autodiscovery: true, update_time: 50});
        const wait = setInterval(() => {
            if (client.memcached.servers.length === Number(count)) {
                clearInterval(wait);
                set_all((key, done) => client.set(key, 'x', 0, done));
            }
        }, 10);
    },
    // Asks once.
    'memcache-plus': () => {
        const Client = require('memcache-plus');
        const client = new Client({hosts: [endpoint], autodiscover: true});
        set_all((key, done) => client.set(key, 'x').then(() => done(), done));
    },
};
clients[name]();
