"""Busy connections that go on at another reactor, while they work: no request, reply or byte is lost.
That they move is the server's own decision, by the load; here it is small and on two reactors at least."""
import itertools
import threading
import time
import unittest

import server

# Between two requests of a client, in seconds: with one of them the load is such that one reactor can do
# all, and yet not so small that it doesn't count, whatever the machine and its load.
PAUSES = 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016
STEP_S = 0.5  # for each
ENOUGH_S = 8  # after that one move is enough


class Asking(threading.Thread):
    """A client that stores and asks, and looks at every answer."""

    def __init__(self, under_test, number):
        super().__init__(daemon=True)
        self.client = under_test.connect()
        self.number, self.pause, self.ends, self.failure = number, PAUSES[0], threading.Event(), None

    def ask(self, count):
        key = b'key%d_%d' % (self.number, count % 50)
        value = b'value %d' % count + b'.' * (count % 300)
        header = b'set %s 0 0 %d\r\n' % (key, len(value))
        # In pieces: a connection also moves in the middle of a request.
        self.client.send(header[:7])
        if count % 3 == 0:
            time.sleep(self.pause)
        self.client.send(header[7:] + value[:2])
        self.client.send(value[2:] + b'\r\n' + b'get %s\r\nmg %s v\r\n' % (key, key))
        wanted = b'STORED\r\nVALUE %s 0 %d\r\n%s\r\nEND\r\nVA %d\r\n%s\r\n' % (
            key, len(value), value, len(value), value)
        answer = self.client.read(len(wanted))
        if answer != wanted:
            raise AssertionError('%r and not %r' % (answer, wanted))

    def run(self):
        try:
            with self.client:
                for count in itertools.count():
                    if self.ends.wait(self.pause):
                        return
                    self.ask(count)
        except Exception as failure:
            self.failure = failure


@unittest.skipIf(server.ORIGINAL, 'it has no reactors')
class Moving(server.ServerTest):
    def work(self, under_test, clients, until):
        """The clients work till `until` is true of the seconds that have passed."""
        asking = [Asking(under_test, number) for number in range(clients)]
        begun = time.monotonic()
        for one in asking:
            one.start()
        try:
            for pause in itertools.cycle(PAUSES):
                for one in asking:
                    one.pause = pause
                time.sleep(STEP_S)
                if until(time.monotonic() - begun) or any(one.failure for one in asking):
                    break
        finally:
            for one in asking:
                one.ends.set()
            for one in asking:
                one.join()
        for one in asking:
            if one.failure:
                raise one.failure

    def test_they_move_and_nothing_is_lost(self):
        """By both engines; and again and again, since a connection also comes back to where it has been."""
        for flags, moves in (((), 1), (('-o', 'io=epoll'), 24)):
            with self.subTest(flags=flags):
                self.moves(self.start(flags=flags, cores=2), moves)

    def moves(self, under_test, moves):
        def enough(seconds):
            moved = int(under_test.stat('conn_moves'))
            return moved >= moves or seconds > (ENOUGH_S if moved else server.TIMEOUT_S)
        self.work(under_test, 4, enough)
        self.assertGreater(int(under_test.stat('conn_moves')), 0)
        self.assertEqual(int(under_test.stat('malloc_fails')), 0)

    def test_the_limit_on_connections_stays_exact(self):
        under_test = self.start(flags=('-c', '6'), cores=2)
        self.work(under_test, 4, lambda seconds: int(under_test.stat('conn_moves')) > 0 or seconds > server.TIMEOUT_S)
        clients = [under_test.connect_alone()]
        for _ in range(5):
            clients.append(under_test.connect())
            self.assertEqual(clients[-1].ask(b'mn\r\n'), b'MN\r\n')
        with under_test.connect() as refused:
            self.assertIn(b'Too many open connections', refused.read_line())
        for client in clients:
            client.close()

    def test_not_when_that_is_forbidden(self):
        under_test = self.start(flags=('-o', 'no_conn_moves'), cores=2)
        self.work(under_test, 4, lambda seconds: seconds > len(PAUSES) * STEP_S)
        self.assertEqual(int(under_test.stat('conn_moves')), 0)

    def test_there_is_nowhere_to_go_with_one_core(self):
        under_test = self.start(cores=1)
        self.work(under_test, 2, lambda _: True)
        self.assertEqual(int(under_test.stat('conn_moves')), 0)


if __name__ == '__main__':
    server.main()
