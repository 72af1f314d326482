"""stats conns: every connection of every reactor, and the listeners, in memcached's words."""
import os
import re
import socket
import tempfile
import threading
import time
import unittest

import server
from binary import NOOP, STAT, error, request

LINE = re.compile(rb'STAT (\d+):(\S+) (.*)\r\n')
CLIENT = {'addr', 'listen_addr', 'state', 'secs_since_last_cmd'}
LISTENER = CLIENT - {'listen_addr'}
VALUE_BYTES = 1000000


def address_of(client):
    return 'tcp:%s:%d' % client.socket.getsockname()


class Conns(server.ServerTest):
    def client_of(self, under_test, **options):
        client = under_test.connect(**options)
        self.addCleanup(client.close)
        return client

    def listed(self, client):
        """The answer by descriptor; each statistic is told once."""
        client.send(b'stats conns\r\n')
        found = {}
        while (line := client.read_line()) != b'END\r\n':
            number, name, value = LINE.fullmatch(line).groups()
            one = found.setdefault(int(number), {})
            self.assertNotIn(name.decode(), one)
            one[name.decode()] = value.decode()
        for one in found.values():
            self.assertEqual(set(one), LISTENER if one['state'] == 'conn_listening' else CLIENT)
            self.assertRegex(one['secs_since_last_cmd'], r'^\d+$')
        return found

    def by_address(self, client):
        found = self.listed(client).values()
        clients = {one['addr']: one for one in found if one['state'] != 'conn_listening'}
        self.assertEqual(len(clients), sum(one['state'] != 'conn_listening' for one in found))
        return clients

    def until(self, condition):
        deadline = time.monotonic() + server.TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'it never happens')
            time.sleep(0.02)

    def test_listeners(self):
        first, second = server.free_port(), server.free_port()
        addresses = ['127.0.0.1:%d' % first, '127.0.0.2:%d' % second]
        if server.ORIGINAL:  # it is started with a -l 127.0.0.1, as it should be
            del addresses[0]
        under_test = self.start(cores=2, port=first, flags=('-l', ','.join(addresses)))
        with server.Connection(second, host='127.0.0.2') as client:
            found = self.listed(client).values()
            listeners = [one['addr'] for one in found if one['state'] == 'conn_listening']
            self.assertEqual(sorted(listeners), ['tcp:127.0.0.1:%d' % first,
                                                 'tcp:127.0.0.2:%d' % second])
            here = self.by_address(client)[address_of(client)]
            self.assertEqual(here['listen_addr'], 'tcp:127.0.0.2:%d' % second)
            self.assertEqual(here['state'], 'conn_parse_cmd')
        self.assertEqual(under_test.process.poll(), None)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            path = folder + '/socket'
            under_test = self.start(host=path, flags=('-p', '0', '-s', path))
            with under_test.connect() as client:
                found = self.listed(client).values()
            self.assertEqual([one['addr'] for one in found if one['state'] == 'conn_listening'],
                             ['unix:' + path])
            self.assertEqual([one['listen_addr'] for one in found if 'listen_addr' in one],
                             ['unix:' + path])

    @unittest.skipIf(server.ORIGINAL, 'memcached shows no client\'s path')
    def test_forged_name(self):
        """A client of a unix socket may have a path, and choose it so that it looks like lines."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            path = folder + '/socket'
            under_test = self.start(host=path, flags=('-p', '0', '-s', path, '--verbose'))
            with under_test.connect() as client, socket.socket(socket.AF_UNIX) as forger:
                forger.bind(folder + '/\r\nEND\n\x7f\u2028')
                forger.connect(path)
                masked = 'unix:%s/??END?????' % folder
                self.until(lambda: masked in self.by_address(client))
            self.until(lambda: ' opened by %s on reactor 0\n' % masked in under_test.errors())

    def test_states(self):
        """What each client has done last, on two reactors."""
        under_test = self.start(cores=2)
        asker = self.client_of(under_test)
        value = b'x' * VALUE_BYTES
        self.assertEqual(asker.ask(b'set big 0 0 %d\r\n%s\r\n' % (VALUE_BYTES, value)),
                         b'STORED\r\n')
        sent = [
            (b'', 'conn_new_cmd'),
            (b'version\r\n', 'conn_read'),
            (b'get a', 'conn_read'),
            (b'set a 0 0 100\r\nabc', 'conn_nread'),
            (b'set a 0 0 9000000\r\nabc', 'conn_swallow'),
            (b'get big\r\n' * 60, 'conn_mwrite'),
            (request(NOOP), 'conn_read'),
            (request(NOOP)[:10], 'conn_read'),
        ]
        wanted = {address_of(asker): 'conn_parse_cmd'}
        for commands, state in sent * 2:
            client = self.client_of(under_test, receive_buffer=4096)
            client.send(commands)
            wanted[address_of(client)] = state

        def states():
            found = self.by_address(asker)
            return {address: one['state'] for address, one in found.items() if address in wanted}
        self.until(lambda: states() == wanted)

    def test_seconds_since_the_last_command(self):
        under_test = self.start(cores=2)
        asker, idle, busy = (self.client_of(under_test) for _ in range(3))
        for client in (idle, busy):
            client.ask(b'version\r\n')

        def seconds(client):
            return int(self.by_address(asker)[address_of(client)]['secs_since_last_cmd'])
        self.until(lambda: seconds(idle) >= 2)
        begun = time.monotonic()
        busy.ask(b'version\r\n')
        found = self.by_address(asker)
        mine, busys, idles = (int(found[address_of(client)]['secs_since_last_cmd']) for client in (asker, busy, idle))
        self.assertLess(busys, idles)
        self.assertLessEqual(busys, 1 + time.monotonic() - begun)
        self.assertLessEqual(mine, 1 + time.monotonic() - begun)
        listener = next(one for one in self.listed(asker).values()
                        if one['state'] == 'conn_listening')
        self.assertGreaterEqual(int(listener['secs_since_last_cmd']), 2)

    def test_a_thousand(self):
        for cores in (1, 3):
            under_test = self.start(cores=cores, flags=('-c', '1200'))
            asker = self.client_of(under_test)
            clients = [self.client_of(under_test) for _ in range(1000)]
            for client in clients:
                client.send(b'version\r\n')
            for client in clients:
                self.assertRegex(client.read_line(), b'^VERSION ')
            addresses = {address_of(client) for client in clients}

            def states():
                found = self.by_address(asker)
                return {found[address]['state'] for address in addresses}
            self.until(lambda states=states: states() == {'conn_read'})
            for client in clients:
                client.close()
            self.until(lambda asker=asker: set(self.by_address(asker)) == {address_of(asker)})

    def test_half_closed(self):
        """One that will send no more is there until it has taken its replies."""
        under_test = self.start(cores=2)
        asker = self.client_of(under_test)
        asker.ask(b'set big 0 0 %d\r\n%s\r\n' % (VALUE_BYTES, b'x' * VALUE_BYTES))
        half = self.client_of(under_test, receive_buffer=4096)
        half.send(b'get big\r\n' * 20)
        half.end_input()
        here = address_of(half)
        self.until(lambda: self.by_address(asker).get(here, {}).get('state') == 'conn_mwrite')
        reply = b'VALUE big 0 %d\r\n%s\r\nEND\r\n' % (VALUE_BYTES, b'x' * VALUE_BYTES)
        self.assertEqual(half.read_all(), reply * 20)
        self.until(lambda: here not in self.by_address(asker))

    def test_while_they_come_and_go(self):
        """Those that stay are told once each in every answer. (A descriptor may appear twice, when
        it has come to another client of another reactor meanwhile.)"""
        under_test = self.start(cores=3)
        asker = self.client_of(under_test)
        stay = [self.client_of(under_test) for _ in range(100)]
        for client in stay:
            client.ask(b'version\r\n')
        stopped = threading.Event()

        def churn():
            while not stopped.is_set():
                crowd = [under_test.connect() for _ in range(20)]
                for client in crowd:
                    client.close()
        thread = server.Thread(target=churn)
        thread.start()
        try:
            for _ in range(50):
                asker.send(b'stats conns\r\n')
                addresses = []
                while (line := asker.read_line()) != b'END\r\n':
                    _, name, value = LINE.fullmatch(line).groups()
                    addresses += [value.decode()] if name == b'addr' else []
                for client in stay:
                    self.assertEqual(addresses.count(address_of(client)), 1)
        finally:
            stopped.set()
            thread.join()

    def test_binary_has_none(self):
        under_test = self.start()
        with under_test.connect() as client:
            client.send(request(STAT, b'conns'))
            self.assertEqual(client.read(24)[6:8], error(STAT, 1)[6:8])


if __name__ == '__main__':
    server.main()
