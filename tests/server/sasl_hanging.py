"""Logins by a SASL that does not answer, or not at once: saslauthd, the real one and one of this test's.

With SIMPLECACHE_COMMAND the logins by a real saslauthd that answers run against memcached.
"""
import os
import select
import signal
import socket
import subprocess
import time
import unittest

import server
from binary import FOREVER, NOOP, SASL_LIST, SET, request
from sasl_server import (BUILT, OK, PASSWORD, REFUSED, ImapServer, Saslauthd, SaslTest, auth, plain, step)

CONTINUES = (0x21, b'')
RIGHT = plain('alice', PASSWORD)


@unittest.skipUnless(BUILT, 'built without libsasl2')
@unittest.skipIf(server.ORIGINAL, 'memcached stops for all')
class Hanging(SaslTest):
    """alice is in the sasldb2; for others saslauthd is asked, which does not answer."""

    TIMEOUT_S = 2

    def setUp(self):
        super().setUp()
        self.configure(mech_list='PLAIN', methods='auxprop saslauthd')
        self.saslauthd = Saslauthd(self.path('mux'))
        self.addCleanup(self.saslauthd.close)

    def begin(self, flags=(), timeout_s=600, **options):
        return super().begin(['-o', 'sasl_timeout=%d' % timeout_s, '-v', *flags], **options)

    def waiting(self, under_test, user, password=PASSWORD):
        """A connection whose login SASL has been asked for, or waits for that."""
        client = under_test.connect()
        self.addCleanup(client.close)
        client.send(auth(plain(user, password)))
        return client

    def hang(self, under_test, user='eve'):
        """The first of them, which saslauthd has."""
        client = self.waiting(under_test, user)
        self.wait_for(lambda: self.saslauthd.asked, 'saslauthd is asked')
        return client

    def test_nobody_else_waits(self):
        under_test = self.begin()
        others = [under_test.login() for _ in range(4)]
        self.hang(under_test)
        slowest = 0
        for n in range(200):
            for client in others:
                start = time.monotonic()
                self.assertEqual(client.say(request(SET, b'k%d' % n, FOREVER, b'v'))[0], 0)
                slowest = max(slowest, time.monotonic() - start)
        self.assertLess(slowest, server.TIMEOUT_S / 2)
        with under_test.connect() as newcomer:
            self.assertEqual(newcomer.say(request(SASL_LIST)), (0, b'PLAIN'))
        for client in others:
            client.close()

    def test_all_are_answered_in_order(self):
        """Once it answers; what they have sent behind their logins is then done."""
        under_test = self.begin(cores=1)
        clients = []
        for n in range(20):
            client = self.waiting(under_test, 'user%02d' % n, PASSWORD if n % 3 else 'wrong')
            client.send(request(NOOP))
            clients.append(client)
            self.wait_for(lambda: self.saslauthd.asked, 'saslauthd is asked')
        self.saslauthd.release()
        for n, client in enumerate(clients):
            wanted = [OK, (0, b'')] if n % 3 else [REFUSED, REFUSED]
            self.assertEqual([client.read_answer() for _ in range(2)], wanted)
        self.assertEqual(self.saslauthd.asked, ['user%02d' % n for n in range(20)])

    def test_time_out(self):
        """The one that hangs and the one behind are refused, and each may try again."""
        under_test = self.begin(timeout_s=self.TIMEOUT_S)
        inside = under_test.connect()
        late = self.tries(inside, 'alice') - 1
        start = time.monotonic()
        first = self.hang(under_test)
        second = self.waiting(under_test, 'frank')
        for client in (first, second):
            self.assertEqual(client.read_answer(), REFUSED)
        self.assertGreaterEqual(time.monotonic() - start, self.TIMEOUT_S)
        self.assertLess(time.monotonic() - start, self.TIMEOUT_S + server.TIMEOUT_S)
        for line in 'SASL has not answered in time', 'wrong login from':
            self.wait_for(lambda line=line: line in under_test.errors(), line)
        self.saslauthd.release()
        again = self.tries(first, 'eve') + self.tries(second, 'frank')
        self.assertEqual((self.saslauthd.asked[:2], self.saslauthd.asked[-1]), (['eve', 'eve'], 'frank'))
        self.assertLessEqual(len(self.saslauthd.asked), 1 + again)  # not for frank who was refused
        for name in 'auth_timeouts', 'auth_errors':
            self.assertEqual(inside.statistic(name), str(late + again))

    def tries(self, client, user):
        """How many it takes to log in: on a busy machine an answer comes too late though nobody hangs."""
        self.addCleanup(client.close)
        for count in range(1, 20):
            answer = client.say(auth(plain(user, PASSWORD)))
            if answer == OK:
                return count
            self.assertEqual(answer, REFUSED)
        return self.fail('%s can not log in' % user)

    def test_a_step_that_does_not_come(self):
        under_test = self.begin(timeout_s=self.TIMEOUT_S)
        for _ in range(5):  # a busy machine may let the server look at its clock when the step is there
            with under_test.connect() as client:
                self.assertEqual(client.say(auth()), CONTINUES)
                time.sleep(self.TIMEOUT_S + 0.5)  # that nothing happens meanwhile is what is tested
                answer = client.say(step(RIGHT))
                if answer == REFUSED:
                    self.assertEqual(client.say(auth(RIGHT)), OK)
                    return
                self.assertEqual(answer, OK)
        self.fail('a step is taken at any time')

    def test_clients_that_go(self):
        """Their logins are forgotten, and not asked for. (One descriptor is that of saslauthd.)"""
        under_test = self.begin(timeout_s=self.TIMEOUT_S)
        before = under_test.descriptors()
        first = self.hang(under_test)
        clients = [self.waiting(under_test, 'gone%d' % n) for n in range(50)]
        self.wait_for(lambda: under_test.descriptors() >= before + 50, 'all are in')
        for n, client in enumerate(clients):
            client.reset() if n % 2 else client.close()
        first.reset()
        self.wait_for(lambda: under_test.descriptors() <= before + 1, 'the connections are gone')
        self.saslauthd.release()
        self.tries(under_test.connect(), 'heidi')
        self.assertEqual(set(self.saslauthd.asked), {'eve', 'heidi'})

    def test_the_server_ends(self):
        under_test = self.begin()
        self.hang(under_test)
        for n in range(20):
            self.waiting(under_test, 'user%d' % n)
        start = time.monotonic()
        under_test.stop()
        self.assertLess(time.monotonic() - start, server.TIMEOUT_S)

    def test_the_server_ends_when_it_answers(self):
        """In the middle of answers and of clients that go."""
        for _ in range(3):
            saslauthd = Saslauthd(self.path('mux2'))
            with open(self.path('memcached.conf'), 'a', encoding='ascii') as file:
                print('saslauthd_path:', self.path('mux2'), file=file)
            under_test = self.begin()
            clients = [self.waiting(under_test, 'user%d' % n) for n in range(50)]
            saslauthd.release()
            for client in clients[::2]:
                client.reset()
            under_test.stop()
            saslauthd.close()
            os.unlink(self.path('mux2'))

    def test_too_many(self):
        """1024 of a reactor; one more is refused at once, and those who are in go on."""
        under_test = self.begin(['-c', '2000'], cores=1, nofile=(4096, 4096))
        resident = under_test.resident_bytes()
        inside = under_test.login()
        self.hang(under_test)
        filler = 'x' * 16000
        clients = [self.waiting(under_test, 'user', filler) for _ in range(1024)]
        # Whose login comes last is the kernel's choice.
        answered = select.poll()
        for client in clients:
            answered.register(client, select.POLLIN)
        (number, _), = answered.poll(1000 * server.TIMEOUT_S)
        refused, = (client for client in clients if client.fileno() == number)
        self.assertEqual(refused.read_answer(), REFUSED)
        clients.remove(refused)
        self.assertEqual(inside.say(request(NOOP)), (0, b''))
        self.wait_for(lambda: 'too many logins wait' in under_test.errors(), 'a line')
        self.assertLess(under_test.resident_bytes() - resident, (1 << 30) if server.SANITIZED else 64 << 20)
        self.saslauthd.release()
        self.assertEqual([client.read_answer() for client in clients], [REFUSED] * 1023)
        under_test.login('judy').close()


class HangingOfOne(Hanging):
    cores = 1

    test_too_many = None


@unittest.skipUnless(BUILT, 'built without libsasl2')
class RealSaslauthd(SaslTest):
    """It asks an IMAP server, which this test is."""

    def setUp(self):
        super().setUp()
        self.configure(mech_list='PLAIN', methods='saslauthd')

    def saslauthd(self, **options):
        imap = ImapServer(**options)
        self.addCleanup(imap.close)
        program = subprocess.Popen(['saslauthd', '-d', '-n', '1', '-a', 'rimap', '-O',
                                    '127.0.0.1/%d' % imap.port, '-m', self.folder],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(self.end, program)
        self.wait_for(lambda: self.listens(self.path('mux')) or program.poll() is not None, 'saslauthd listens')
        return imap

    @staticmethod
    def listens(path):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(path) == 0

    @staticmethod
    def end(program):
        os.killpg(program.pid, signal.SIGKILL)  # it and its workers
        program.wait()

    def test_logins(self):
        self.saslauthd()
        under_test = self.begin()
        with under_test.connect() as client:
            self.assertEqual(client.say(auth(plain('eve', 'wrong'))), REFUSED)
            self.assertEqual(client.say(auth(plain('eve', PASSWORD))), OK)
            self.assertTrue(client.may())

    @unittest.skipIf(server.ORIGINAL, 'memcached stops for all')
    def test_it_hangs(self):
        imap = self.saslauthd(hangs=True)
        under_test = self.begin(['-o', 'sasl_timeout=1'])
        with under_test.connect() as client, under_test.connect() as other:
            while not imap.asked:  # on a busy machine a login may be refused before that
                client.send(auth(plain('eve', PASSWORD)))
                self.wait_for(lambda: imap.asked or select.select([client], [], [], 0)[0], 'saslauthd asks')
                self.assertEqual(other.say(request(SASL_LIST)), (0, b'PLAIN'))
                self.assertEqual(client.read_answer(), REFUSED)

    @unittest.skipIf(server.ORIGINAL, 'asked of ours alone')
    def test_it_is_not_there(self):
        """The log says so."""
        under_test = self.begin(['-v'])
        with under_test.connect() as client:
            self.assertEqual(client.say(auth(plain('eve', PASSWORD))), REFUSED)
        self.wait_for(lambda: 'SASL: cannot connect to saslauthd' in under_test.errors(), 'a line')


if __name__ == '__main__':
    server.main()
