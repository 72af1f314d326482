"""Everyday calls, made by clients as their users install them: to our server, to memcached, and what the client
answers compared, line by line.

A client is a program of clients/ that gets a port, reads calls from its standard input, one a line with tabs between
the words, and prints a line for each: what the client has answered, `no such call` for those that it doesn't have. Of
a get that is the value or `miss`, of a get_many the keys and values found; else whatever the client says. So the calls
stand here once, for all clients and languages.
"""
import re
import subprocess
import threading
import time
import unittest

import server

ITEM_MAX = 1 << 20  # what memcached and ours take by default, of an item with its key
MANY = 500
CLOSING_S = 1  # from an answer until its connection is closed as well, on a busy machine
UNKNOWN = 'no such call'
# Held while a process is started: a process between fork and exec holds what other threads have just bound.
starting = threading.Lock()
MEMCACHED = ('memcached', '-u', 'nobody', '-l', '127.0.0.1')


class Client:
    """A client's program while it talks to a server, which can be ended and started again on its port."""

    def __init__(self, command, start):
        """`command` is that of the program, in which the port stands for the word PORT; `start` starts a server on
        the port it gets (None: any) and returns it."""
        self.start = start
        self.said = []  # (call, answer)
        with starting:
            self.server = start(None)
            words = [str(self.server.port) if word == 'PORT' else word for word in command]
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, text=True)
        self.alarm = threading.Timer(6 * server.TIMEOUT_S, self.process.kill)
        self.alarm.start()

    def ask(self, *words):
        """The client's answer to one call."""
        self.process.stdin.write('\t'.join(map(str, words)) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError('the client has ended at %s' % str(words)[:200])
        # The port alone: another number may have its digits in the midst of its own.
        line = re.sub(r'0x[0-9a-f]+', 'ADDRESS', line.rstrip('\n'))
        return re.sub(r'(?<!\d)%d(?!\d)' % self.server.port, 'PORT', line)

    def call(self, *words):
        """The same, and kept for the comparison."""
        found = self.ask(*words)
        self.said.append((re.sub(r'\d{10}', 'DATE', ' '.join(map(str, words))[:60]), found))
        return found

    def call_in_vain(self, *words):
        """The same with no server there: which of its errors a client tells, and whether it does so before our
        patience ends, is chance in some."""
        self.call(*words)
        call, found = self.said[-1]
        if found == 'no answer' or found.startswith(('error: ', 'false ')):
            self.said[-1] = call, 'failed'

    def call_closing(self, *words):
        """The same, where the server may close the connection behind its answer: a client that has read the one and
        not yet the other would lose its next call, to memcached as well."""
        self.call(*words)
        time.sleep(CLOSING_S)

    def call_until_there(self, *words):
        """The same, once the client takes the server for there: after a refused value it may have closed its
        connection, and when it makes another is chance."""
        deadline = time.monotonic() + 5
        while re.search('not available|^no answer|^error: connect', self.ask(*words)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.call(*words)

    def call_for(self, wanted, *words):
        """The same, once the answer is the wanted one, or after some seconds: a client that has opened another connection
        may ask before the server has read all of the one it has left."""
        deadline = time.monotonic() + 5
        while self.ask(*words) != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.call(*words)

    def expect(self, wanted, *words):
        """The same, where all clients say the same; a client needn't have the call."""
        found = self.call(*words)
        if found not in (wanted, UNKNOWN):
            raise AssertionError('%s: %s instead of %s' % (words[:2], found[:200], wanted[:200]))

    def until(self, wanted, *words):
        """Asks again until the answer is the wanted one, or the call is unknown."""
        deadline = time.monotonic() + 2 * server.TIMEOUT_S
        while True:
            found = self.ask(*words)
            if found in (wanted, UNKNOWN):
                return
            if time.monotonic() > deadline:
                raise AssertionError('%s: still %s' % (words[:2], found[:200]))
            time.sleep(0.05)

    def store(self, key, value):
        """Sets a key, again and again if need be, until it can be read: a client may have left the server alone
        for some time."""
        deadline = time.monotonic() + 2 * server.TIMEOUT_S
        while self.ask('set', key, value, 0) and self.ask('get', key) != value:
            if time.monotonic() > deadline:
                raise AssertionError('the client does not come back')
            time.sleep(0.05)

    def stop_server(self):
        self.server.stop()

    def start_server(self):
        """On its port, which another program may have taken for a moment meanwhile."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                with starting:
                    self.server = self.start(self.server.port)
                return
            except AssertionError as error:
                if 'in use' not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def end(self):
        """Ends client and server."""
        self.process.stdin.close()
        rest = self.process.stdout.read()
        status = self.process.wait()
        self.alarm.cancel()
        self.server.stop()
        if status or rest.strip():
            raise AssertionError('the client ends with %d: %s' % (status, rest[-500:]))


def values(client):
    """Storing, reading, deleting, and what a key that isn't there answers to each."""
    client.call('set', 'key', 'value', 0)
    client.expect('value', 'get', 'key')
    client.expect('curr_items 1, pid true', 'stats')
    client.expect('miss', 'get', 'none')
    client.call('add', 'key', 'other', 0)
    client.call('add', 'added', 'first', 0)
    client.expect('first', 'get', 'added')
    client.call('replace', 'none', 'x', 0)
    client.call('replace', 'added', 'mid', 0)
    client.call('append', 'added', '-end')
    client.call('prepend', 'added', 'beg-')
    client.call('append', 'none', 'x')
    client.call('prepend', 'none', 'x')
    client.call('get', 'added')
    client.call('delete', 'added')
    client.call('delete', 'added')
    client.expect('miss', 'get', 'added')
    client.call('set', 'k' * 250, 'long key', 0)
    client.call('get', 'k' * 250)
    client.call_closing('set', 'k' * 251, 'too long', 0)
    client.call_closing('get', 'k' * 251)
    for name in ('types', 'compressed', 'quiet', 'own'):
        client.call(name)


def counters(client):
    """incr and decr, to the limits of 64 bits, and of what is no number."""
    client.call('incr', 'none', 1)
    client.call('decr', 'none', 1)
    client.call('set', 'n', '10', 0)
    client.call('incr', 'n', 5)
    client.call('decr', 'n', 3)
    client.call('decr', 'n', 100)
    client.call('incr', 'n', 0)
    client.call('set', 'n', '18446744073709551615', 0)
    client.call('incr', 'n', 2)
    client.call('get', 'n')
    client.call('set', 'n', 'word', 0)
    client.call('incr', 'n', 1)
    client.call('incr_from', 'fresh', 1, 7)
    client.call('incr_from', 'fresh', 1, 7)


def tokens(client):
    """gets and cas."""
    client.call('set', 'token', 'old', 0)
    client.call('gets', 'token')
    client.call('cas', 'token', 'new', 0)
    client.call('cas', 'token', 'newer', 0)
    client.call('get', 'token')
    client.call('delete', 'token')
    client.call('cas', 'token', 'newest', 0)
    client.store('token', 'back')  # php-memcache takes the server for failed
    client.expect('miss', 'gets', 'absent')


def many(client):
    """Hundreds of keys in a call, with keys among them that are not there."""
    keys = ['many%d' % n for n in range(MANY)]
    client.call('set_many', 0, *(word for key in keys for word in (key, 'value of ' + key)))
    for key in keys:
        client.ask('set', key, 'value of ' + key, 0)
    found = ' '.join('%s=value of %s' % (key, key) for key in sorted(keys))
    client.expect(found, 'get_many', *keys)
    client.expect(found, 'get_many', 'absent', *keys, *('absent%d' % n for n in range(MANY)))
    client.expect('', 'get_many', 'absent', 'absent1')
    client.expect('many1=value of many1', 'get_many', 'absent', 'many1', 'absent1')
    client.expect('200', 'at_once', 200)
    client.call('delete_many', 'many1', 'absent', 'many2')
    client.call('get_many', 'many1', 'many2', 'many3')


def times(client):
    """Times to live: past, short, long, and as dates."""
    client.call('set', 'past', 'x', -1)
    client.call('get', 'past')
    client.call('set', 'long', 'x', 3600)
    client.expect('x', 'get', 'long')
    client.call('set', 'date', 'x', int(time.time()) + 3600)
    client.expect('x', 'get', 'date')
    client.call('set', 'gone', 'x', int(time.time()) - 3600)
    client.call('get', 'gone')  # to dalli that is an interval
    client.call('touch', 'absent', 100)
    client.call('touch', 'long', 1)
    client.call('touch', 'date', 100)
    client.call('add', 'short', 'x', 1)
    client.until('miss', 'get', 'short')
    client.call('add', 'short', 'again', 0)
    client.expect('again', 'get', 'short')
    client.expect('x', 'get', 'date')


def big(client):
    """Values to the largest item and over it, and what the client does right after one that was refused."""
    for size in (1000, 16 << 10, 100 << 10, 900 << 10, ITEM_MAX - 512):
        client.call('set', 'big', 'x' * size, 0)
        client.expect('x' * size, 'get', 'big')
    for size in (ITEM_MAX, ITEM_MAX + 1, 2 * ITEM_MAX):
        client.call('set', 'big', 'x' * size, 0)
        client.call_until_there('get', 'big')
        client.call_until_there('set', 'small', 'after %d' % size, 0)
        client.call_until_there('get', 'small')
        client.store('small', 'later')
        client.call_until_there('get', 'big')
    client.call('set', 'big', 'x' * (ITEM_MAX - 512), 0)
    client.call('append', 'big', 'x' * 1024)
    client.store('small', 'latest')
    client.call_until_there('get', 'big')
    client.call('set_many', 0, 'small', 'one', 'big', 'x' * (2 * ITEM_MAX), 'small2', 'two')
    client.store('small', 'at last')
    client.call_until_there('get', 'big')
    client.call_for('two', 'get', 'small2')


def administration(client):
    """Statistics, version, flush."""
    client.call('version')
    client.call('stats_settings')
    client.call('stats_items')
    client.call('flush')
    client.expect('miss', 'get', 'key')


def restarts(client):
    """The server restarted between two calls, and down while some are made."""
    client.store('before', 'x')
    client.stop_server()
    client.start_server()
    client.store('after', 'y')
    client.call('get', 'before')
    client.expect('after=y', 'get_many', 'before', 'after')
    client.stop_server()
    client.call_in_vain('get', 'after')
    client.call_in_vain('set', 'after', 'z', 0)
    client.call_in_vain('get_many', 'after', 'before')
    client.start_server()
    client.store('back', 'x')
    found = client.ask('get', 'after')  # a client may have kept the set, and made it now, or not in time
    if found not in ('z', 'miss', UNKNOWN):
        raise AssertionError('of what was stored before the end: %s' % found[:200])
    client.expect('back=x', 'get_many', 'absent', 'back')


def talk(command, start):
    """All of these; what was called and answered."""
    client = Client(command, start)
    try:
        for part in values, counters, tokens, many, times, big, administration, restarts:
            part(client)
        client.end()
    except BaseException:
        client.process.kill()
        raise
    finally:
        client.alarm.cancel()
    return client.said


def start_ours(cores):
    return lambda port: server.Server(cores=cores, port=port)


def start_memcached(port):
    return server.Server(command=MEMCACHED, port=port)


def talk_to_all(command):
    """The three conversations at the same time: they wait more than they work. By name, what was said or the
    exception."""
    ends = {'memcached': start_memcached, 'one core': start_ours(1), 'two cores': start_ours(2)}
    said = {}

    def one(name, start):
        try:
            said[name] = talk(command, start)
        except Exception as error:  # of a thread: the test that asks for it raises it
            said[name] = error
    threads = [server.Thread(target=one, args=end) for end in ends.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


class Everyday(unittest.TestCase):
    """The cases; one class per client."""

    @staticmethod
    def command():
        """The client's program; SkipTest or AssertionError where it can't be had."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        server.need('memcached', 'memcached')
        cls.said = talk_to_all(cls.command())

    def heard(self, name):
        if isinstance(self.said[name], Exception):
            raise self.said[name]
        return self.said[name]

    def compare(self, name):
        theirs, ours = self.heard('memcached'), self.heard(name)
        self.assertEqual([call for call, _ in theirs], [call for call, _ in ours])
        wrong = ['%s: memcached: %s, ours: %s' % (call, wanted[:150], found[:150])
                 for (call, wanted), (_, found) in zip(theirs, ours)
                 if wanted != found]
        self.assertEqual(wrong, [])
        known = [answer for _, answer in ours if answer != UNKNOWN]
        self.assertGreater(len(known), 70)

    def test_one_core(self):
        self.compare('one core')

    def test_two_cores(self):
        self.compare('two cores')
