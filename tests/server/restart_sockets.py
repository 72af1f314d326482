"""Restarts of a server with -e on sockets that are passed to it, as systemd does: no connection is refused, and a client
that connects again when its connection ends, and asks again, gets every answer, and the right one."""
import os
import shutil
import signal
import socket
import threading
import time
import unittest

import server
from restart import memory_folder, read_value
from systemd import BUILT_WITH, SystemdTest

CLIENTS = 8


class Client(threading.Thread):
    """Sets and gets keys of its own until it is told to end."""

    def __init__(self, port, number, stopping):
        super().__init__(daemon=True)
        self.port, self.number, self.stopping = port, number, stopping
        self.connection = None
        self.known = {}
        self.done = self.connected = self.repeated = 0
        self.pause_s = 0.0
        self.problem = None

    def answer(self, asks):
        """What asks(connection) returns, on a new connection if this one ends before."""
        while True:
            if not self.connection:
                self.connection = server.Connection(self.port)
                self.connected += 1
            try:
                return asks(self.connection)
            except (ConnectionError, EOFError):
                self.connection.close()
                self.connection = None
                self.repeated += 1

    @staticmethod
    def ask(connection, request):
        line = connection.ask(request)
        if not line.endswith(b'\r\n'):
            raise EOFError
        return line

    @staticmethod
    def get(connection, key):
        try:
            return read_value(connection, b'get %s\r\n' % key)
        except (IndexError, AssertionError):  # it has ended in the middle of the answer
            raise EOFError from None

    def step(self):
        key = b'c%d_%d' % (self.number, self.done % 50)
        if self.done % 3 == 0:
            value = b'%d ' % self.done * (1 + self.done % 40)
            request = b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value)
            answer = self.answer(lambda connection: self.ask(connection, request))
            if answer != b'STORED\r\n':
                raise AssertionError('%s: %s' % (key, answer))
            self.known[key] = value
        else:
            value = self.answer(lambda connection: self.get(connection, key))
            if value != self.known.get(key):
                raise AssertionError('%s is %s' % (key, value))

    def run(self):
        try:
            while not self.stopping.is_set():
                began = time.monotonic()
                self.step()
                self.pause_s = max(self.pause_s, time.monotonic() - began)
                self.done += 1
        except Exception as error:  # of a thread: the test raises it
            self.problem = error
        if self.connection:
            self.connection.close()


@BUILT_WITH
class Restarts(SystemdTest):
    rounds = 50 if os.environ.get('LONG') else 4

    def setUp(self):
        super().setUp()
        folder = memory_folder()
        self.addCleanup(shutil.rmtree, folder)
        self.flags = ('-e', folder + '/items', '-m', '64')

    def begin(self, passed):
        one = self.serve(passed, flags=self.flags, environment={})  # nobody listens to its words here
        one.may_talk = True
        self.addCleanup(lambda: one in server.running and one.stop())
        return one

    def go_on(self, clients):
        """Until each has had some answers more."""
        wanted = [client.done + 20 for client in clients]
        deadline = time.monotonic() + server.TIMEOUT_S
        while any(client.done < done for client, done in zip(clients, wanted)):
            for client in clients:
                if client.problem:
                    raise client.problem
            self.assertLess(time.monotonic(), deadline, 'a client gets no answers')
            time.sleep(0.01)

    def run_clients(self, ends):
        passed = self.listening(socket.AF_INET, ('127.0.0.1', 0))
        one = self.begin(passed)
        stopping = threading.Event()
        clients = [Client(one.port, number, stopping) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for number in range(self.rounds):
                self.go_on(clients)
                end = ends[number % len(ends)]
                one.kill() if end == signal.SIGKILL else one.stop(end)
                one = self.begin(passed)
            self.go_on(clients)
        finally:
            stopping.set()
            for client in clients:
                client.join()
        self.assertEqual([client.problem for client in clients], [None] * CLIENTS)
        self.assertGreaterEqual(sum(client.connected for client in clients), self.rounds)
        print('# %d restarts: %d requests answered, %d connections, %d requests sent again, longest pause %.3f s'
              % (self.rounds, sum(client.done for client in clients), sum(client.connected for client in clients),
                 sum(client.repeated for client in clients), max(client.pause_s for client in clients)), flush=True)

    def test_orders_to_end(self):
        self.run_clients((signal.SIGTERM, signal.SIGUSR1))

    def test_kills(self):
        """Nor where it crashes: the sockets outlive it."""
        self.run_clients((signal.SIGKILL,))


if __name__ == '__main__':
    server.main()
