// Reads calls from the standard input, one a line, words between tabs, and prints a line for each: what the client
// has answered. `calls` has a function for each call that the client knows, which returns a promise.
'use strict';
const readline = require('readline');

const LIMIT_MS = 8000; // for the answer to a call

function shown(answer) {
    if (Array.isArray(answer) && answer[0] instanceof Error) {
        return shown(answer[0]);
    }
    if (answer instanceof Error) {
        return 'error: ' + answer.message;
    }
    if (Buffer.isBuffer(answer)) {
        return answer.toString();
    }
    return typeof answer === 'string' ? answer : String(JSON.stringify(answer));
}

async function answer(calls, line) {
    const [name, ...words] = line.split('\t');
    if (!calls[name]) {
        return 'no such call';
    }
    try {
        const limit = new Promise((resolve) => setTimeout(resolve, LIMIT_MS, 'no answer').unref());
        return shown(await Promise.race([calls[name](...words), limit]));
    } catch (error) {
        return shown(error);
    }
}

exports.serve = async function serve(calls) {
    for await (const line of readline.createInterface({input: process.stdin})) {
        console.log((await answer(calls, line)).replace(/[\r\n]+/g, ' '));
    }
    process.exit(0);
};

// A call with a callback as its last argument, as a promise of what the callback is given.
exports.promised = (client, method, ...words) => new Promise((resolve, reject) => {
    client[method](...words, (error, found) => (error ? reject(error) : resolve(found)));
});

// A miss, or the value.
exports.found = (value) => (value === undefined || value === null ? 'miss' : value);

// What get_many has found, by key, in the keys' order.
exports.found_many = (values) => Object.keys(values || {}).sort()
    .filter((key) => values[key] !== undefined && values[key] !== null)
    .map((key) => `${key}=${values[key]}`).join(' ');

// Of all that stats says, what must be there.
exports.some_stats = (stats) => `curr_items ${stats.curr_items}, pid ${Number(stats.pid) > 0}`;

// Whether there is a version in what the client says.
exports.is_version = (said) => /\d+\.\d+/.test(JSON.stringify(said));

// Many calls at once, as a web server has them: n sets, then n gets; how many of the values were right.
exports.at_once = async function at_once(n, set, get) {
    const numbers = [...Array(Number(n)).keys()];
    await Promise.all(numbers.map((i) => set(`once${i}`, `value ${i}`)));
    const values = await Promise.all(numbers.map((i) => get(`once${i}`)));
    return values.filter((value, i) => String(value) === `value ${i}`).length;
};

// Values of several types, each set and read back; what has come back otherwise.
exports.types = async function types(values, set, get) {
    const wrong = [];
    for (const value of values) {
        await set('type', value);
        const back = await get('type');
        const same = Buffer.isBuffer(value) ? value.equals(back) : JSON.stringify(value) === JSON.stringify(back);
        if (!same) {
            wrong.push(`${JSON.stringify(value)} came back as ${JSON.stringify(back)}`);
        }
    }
    return wrong.length ? wrong.join(', ') : 'all types';
};
