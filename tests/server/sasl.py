"""Logins by the system's SASL (-S without a file of users): byte for byte as memcached 1.6.45 built
with SASL answers, by real clients, and with a SASL that does not answer.

With SIMPLECACHE_COMMAND the class Answers runs against such a memcached.
"""
import base64
import hashlib
import hmac
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import bmemcached

import server
from binary import FOREVER, GET, NOOP, QUIT, SASL_LIST, SET, STAT, VERSION, request
from sasl_server import (PASSWORD, ImapServer, Saslauthd, SaslServer, SaslTest, auth, plain, step)

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.environ.get('SASL', '1') == '1'
OK = (0, b'Authenticated')
REFUSED = (0x20, b'Auth failure.')
CONTINUES = (0x21, b'')
INVALID = (4, b'Invalid arguments')
MECHANISMS = b'PLAIN CRAM-MD5 SCRAM-SHA-1 DIGEST-MD5'
HOST = socket.gethostname()


def cram(challenge, password=PASSWORD):
    """RFC 2195."""
    digest = hmac.new(password.encode(), challenge, 'md5').hexdigest()
    return step(b'alice ' + digest.encode(), b'CRAM-MD5')


class Scram:
    """RFC 5802, the client's side."""

    FIRST = b'n=alice,r=fyko+d2lbbFgONRv9qkxdawL'

    def begin(self):
        return auth(b'n,,' + self.FIRST, b'SCRAM-SHA-1')

    def answer(self, challenge, password=PASSWORD):
        parts = dict(part.split(b'=', 1) for part in challenge.split(b','))
        salted = hashlib.pbkdf2_hmac('sha1', password.encode(), base64.b64decode(parts[b's']),
                                     int(parts[b'i']))
        key = hmac.digest(salted, b'Client Key', 'sha1')
        last = b'c=biws,r=' + parts[b'r']
        said = self.FIRST + b',' + challenge + b',' + last
        self.proven = base64.b64encode(
            hmac.digest(hmac.digest(salted, b'Server Key', 'sha1'), said, 'sha1'))
        signature = hmac.digest(hashlib.sha1(key).digest(), said, 'sha1')
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return step(last + b',p=' + base64.b64encode(proof), b'SCRAM-SHA-1')


RIGHT = plain('alice', PASSWORD)
WRONG = plain('alice', 'wrong')

# Packets, the answer to the last, and whether the connection is logged in then; 'closed': it has ended.
ANSWERS = {
    'right': ((auth(RIGHT),), OK, True),
    'for oneself': ((auth(plain('alice', PASSWORD, 'alice')),), OK, True),
    'for oneself, with the host': ((auth(plain('alice', PASSWORD, 'alice@' + HOST)),), OK, True),
    'user with the host': ((auth(plain('alice@' + HOST, PASSWORD)),), OK, True),
    'user with the host, for oneself': ((auth(plain('alice@' + HOST, PASSWORD, 'alice')),), OK, True),
    'for another': ((auth(plain('alice', PASSWORD, 'bob')),), REFUSED, False),
    'another realm': ((auth(plain('carol@elsewhere', 'other')),), OK, True),
    'another realm, not named': ((auth(plain('carol', 'other')),), REFUSED, False),
    'small letters': ((auth(RIGHT, b'plain'),), OK, True),
    'large letters in the user': ((auth(plain('ALICE', PASSWORD)),), REFUSED, False),
    'wrong': ((auth(WRONG),), REFUSED, False),
    'wrong, right': ((auth(WRONG), auth(RIGHT)), OK, True),
    'right, wrong': ((auth(RIGHT), auth(WRONG)), REFUSED, False),
    'right, list': ((auth(RIGHT), request(SASL_LIST)), (0, MECHANISMS), False),
    'right, version': ((auth(RIGHT), request(VERSION)), None, True),
    'right, step': ((auth(RIGHT), step(RIGHT)), REFUSED, False),
    'right, mechanism': ((auth(RIGHT), auth()), CONTINUES, False),
    'mechanism': ((auth(),), CONTINUES, False),
    'mechanism, right': ((auth(), step(RIGHT)), OK, True),
    'mechanism, right as another': ((auth(), step(RIGHT, b'CRAM-MD5')), OK, True),
    'mechanism, wrong': ((auth(), step(WRONG)), REFUSED, False),
    'mechanism, wrong twice, right': ((auth(), step(WRONG), step(WRONG), step(RIGHT)), OK, True),
    'mechanism, nothing, right': ((auth(), step(), step(RIGHT)), OK, True),
    'mechanism, list, right': ((auth(), request(SASL_LIST), step(RIGHT)), OK, True),
    'mechanism, version, right': ((auth(), request(VERSION), step(RIGHT)), OK, True),
    'mechanism twice, right': ((auth(), auth(), step(RIGHT)), OK, True),
    'step': ((step(RIGHT),), REFUSED, False),
    'step, right': ((step(RIGHT), auth(RIGHT)), OK, True),
    'no such mechanism': ((auth(RIGHT, b'NOSUCH'),), REFUSED, False),
    'one that is not offered': ((auth(b'me', b'ANONYMOUS'),), REFUSED, False),
    'two mechanisms': ((auth(RIGHT, b'PLAIN CRAM-MD5'),), REFUSED, False),
    'a NUL in the mechanism': ((auth(RIGHT, b'PLAIN\0x'),), OK, True),
    '32 letters': ((auth(RIGHT, b'M' * 32),), REFUSED, False),
    '33 letters': ((auth(RIGHT, b'M' * 33),), INVALID, False),
    '251 letters': ((auth(RIGHT, b'M' * 251),), INVALID, 'closed'),
    'no mechanism': ((auth(RIGHT, b''),), INVALID, 'closed'),
    'step without mechanism': ((step(RIGHT, b''),), INVALID, 'closed'),
    'with extras': ((request(0x21, b'PLAIN', b'1234', RIGHT),), INVALID, 'closed'),
    'list with a key': ((request(SASL_LIST, b'k'),), INVALID, 'closed'),
    'user alone': ((auth(b'alice'),), REFUSED, False),
    'no password': ((auth(b'\0alice'),), REFUSED, False),
    'an empty user': ((auth(b'\0\0x'),), REFUSED, False),
    'an empty password': ((auth(b'\0alice\0'),), REFUSED, False),
    'more behind': ((auth(RIGHT + b'\0x'),), REFUSED, False),
    '16 KB': ((auth(plain('alice', 'x' * 16000)),), REFUSED, False),
    '100 KB': ((auth(plain('alice', 'x' * 100000)),), REFUSED, False),
    '600 KB': ((auth(plain('alice', 'x' * 600000)),), (0x82, b'Out of memory'), False),
    'CRAM-MD5 with data': ((auth(b'alice', b'CRAM-MD5'),), REFUSED, False),
    'CRAM-MD5, nothing': ((auth(b'', b'CRAM-MD5'), step(b'', b'CRAM-MD5')), REFUSED, False),
    'CRAM-MD5, PLAIN instead': ((auth(b'', b'CRAM-MD5'), auth(RIGHT)), OK, True),
    'SCRAM with nothing': ((auth(b'', b'SCRAM-SHA-1'),), CONTINUES, False),
    'SCRAM with nonsense': ((auth(b'junk', b'SCRAM-SHA-1'),), REFUSED, False),
    'DIGEST-MD5, nonsense': ((auth(b'', b'DIGEST-MD5'), step(b'x', b'DIGEST-MD5')), REFUSED, False),
    'noop': ((request(NOOP),), REFUSED, 'closed'),
    'get': ((request(GET, b'a'),), REFUSED, 'closed'),
    'set': ((request(SET, b'a', FOREVER, b'1'),), REFUSED, 'closed'),
    'quit': ((request(QUIT),), REFUSED, 'closed'),
    'quitq': ((request(0x17),), REFUSED, 'closed'),
    'stat': ((request(STAT),), REFUSED, 'closed'),
    'no such command': ((request(0x7e),), REFUSED, 'closed'),
    'version': ((request(VERSION),), None, False),
}


@unittest.skipUnless(BUILT, 'built without libsasl2')
class Answers(SaslTest):
    """What memcached 1.6.45 says, too."""

    cores = 2

    def setUp(self):
        super().setUp()
        self.configure()
        self.add_user('carol', 'other', 'elsewhere')
        self.under_test = self.begin()

    def connect(self):
        client = self.under_test.connect()
        self.addCleanup(client.close)
        return client

    def test_table(self):
        for name, (packets, answer, logged_in) in ANSWERS.items():
            with self.subTest(name), self.under_test.connect() as client:
                found = client.say(*packets)
                if answer:
                    self.assertEqual(found, answer)
                if logged_in == 'closed':
                    self.assertEqual(client.read_all(), b'')
                else:
                    self.assertEqual(client.may(), logged_in)

    def test_the_list(self):
        self.assertEqual(self.connect().say(request(SASL_LIST)), (0, MECHANISMS))

    def test_cram_md5(self):
        for password, more, answer in ((PASSWORD, (), OK), ('wrong', (), REFUSED),
                                       ('wrong', (step(b'alice 00', b'CRAM-MD5'),), REFUSED),
                                       (PASSWORD, (step(b'x', b'CRAM-MD5'),), REFUSED),
                                       ('wrong', (auth(RIGHT),), OK)):
            with self.subTest(password=password, more=more), self.under_test.connect() as client:
                status, challenge = client.say(auth(b'', b'CRAM-MD5'))
                self.assertEqual(status, 0x21)
                self.assertRegex(challenge, b'^<.*@%s>$' % HOST.encode())
                self.assertEqual(client.say(cram(challenge, password), *more), answer)
                self.assertEqual(client.may(), answer == OK)

    def test_scram(self):
        """Three steps: the last only takes what the server has proven."""
        scram, client = Scram(), self.connect()
        status, challenge = client.say(scram.begin())
        self.assertEqual(status, 0x21)
        self.assertEqual(client.say(scram.answer(challenge)), (0x21, b'v=' + scram.proven))
        self.assertEqual(client.say(step(b'', b'SCRAM-SHA-1')), OK)
        self.assertTrue(client.may())

    def test_scram_that_does_not_end(self):
        scram, client = Scram(), self.connect()
        client.say(scram.answer(client.say(scram.begin())[1]))
        self.assertFalse(client.may())

    def test_scram_with_a_wrong_password(self):
        scram, client = Scram(), self.connect()
        self.assertEqual(client.say(scram.answer(client.say(scram.begin())[1], 'wrong')), REFUSED)

    def test_login_and_commands_in_one_go(self):
        """What follows a login waits for its outcome."""
        for fragment in (None, 1, 30):
            with self.subTest(fragment=fragment), self.under_test.connect() as client:
                client.send(auth(RIGHT) + request(NOOP) + request(SASL_LIST) + request(NOOP), fragment)
                self.assertEqual([client.read_answer() for _ in range(5)],
                                 [OK, (0, b''), (0, MECHANISMS), REFUSED, 'closed'])
            with self.subTest(fragment=fragment), self.under_test.connect() as client:
                client.send(auth() + step(RIGHT) + request(NOOP), fragment)
                self.assertEqual([client.read_answer() for _ in range(3)],
                                 [CONTINUES, OK, (0, b'')])
            with self.subTest(fragment=fragment), self.under_test.connect() as client:
                client.send(auth(WRONG) + request(NOOP) + auth(RIGHT), fragment)
                self.assertEqual([client.read_answer() for _ in range(3)],
                                 [REFUSED, REFUSED, 'closed'])

    def test_a_client_that_sends_no_more(self):
        client = self.connect()
        client.send(auth(RIGHT))
        client.end_input()
        self.assertEqual([client.read_answer() for _ in range(2)], [OK, 'closed'])

    def test_text(self):
        """memcached waits for 24 bytes."""
        client = self.connect()
        client.send(b'get a\r\n' * 4)
        self.assertEqual(client.read_all(), b'')

    def test_what_is_counted(self):
        """A login of several steps is one."""
        before = [int(self.under_test.statistic(name)) for name in ('auth_cmds', 'auth_errors')]
        with self.under_test.connect() as client:
            client.say(auth(), step(RIGHT), auth(WRONG), step(RIGHT), request(SASL_LIST))
        after = [int(self.under_test.statistic(name)) for name in ('auth_cmds', 'auth_errors')]
        self.assertEqual([b - a for a, b in zip(before, after)], [3 + 2, 2])  # and those who asked


class AnswersOfOne(Answers):
    cores = 1


@unittest.skipUnless(BUILT, 'built without libsasl2')
@unittest.skipIf(server.ORIGINAL, 'different on purpose')
class Different(SaslTest):
    """From memcached: what a login that has ended leaves behind in its SASL."""

    def test_nothing_is_left_of_a_login(self):
        self.configure()
        under_test = self.begin()
        with under_test.connect() as client:
            self.assertEqual(client.say(auth(RIGHT), auth(), step(RIGHT)), OK)
        with under_test.connect() as client:
            scram = Scram()
            client.say(scram.answer(client.say(scram.begin())[1]))
            self.assertEqual(client.say(step(b'', b'SCRAM-SHA-1')), OK)
            self.assertEqual(client.say(step(b'', b'SCRAM-SHA-1')), REFUSED)


@unittest.skipUnless(BUILT, 'built without libsasl2')
@unittest.skipIf(server.ORIGINAL, 'asked of ours alone')
class Configuration(SaslTest):
    """The file, and what is said of it."""

    def offered(self, folder=None):
        under_test = SaslServer(folder or self.folder, cores=1)
        self.addCleanup(under_test.stop)
        with under_test.connect() as client:
            mechanisms = client.say(request(SASL_LIST))[1].decode()
        told = re.search(r'^simplecache: logins by SASL: (.*); it offers (.*)\n', under_test.errors())
        self.assertEqual(told[2], mechanisms)
        return told[1], mechanisms.split()

    def test_mech_list(self):
        """Whatever it says."""
        self.configure(mech_list='ANONYMOUS PLAIN')
        self.assertEqual(self.offered(), ('configured by ' + self.path('memcached.conf'),
                                          ['ANONYMOUS', 'PLAIN']))

    def test_no_mech_list(self):
        self.configure(mech_list=None)
        mechanisms = self.offered()[1]
        self.assertNotIn('ANONYMOUS', mechanisms)
        self.assertLessEqual({'PLAIN', 'SCRAM-SHA-256', 'CRAM-MD5', 'DIGEST-MD5', 'LOGIN'},
                             set(mechanisms))

    def test_no_mech_list_where_another_program_checks(self):
        self.configure(mech_list=None, methods='saslauthd')
        self.assertEqual(set(self.offered()[1]), {'PLAIN', 'LOGIN'})

    def test_no_file(self):
        told, mechanisms = self.offered()
        self.assertEqual(told, 'no memcached.conf in ' + self.folder)
        self.assertNotIn('ANONYMOUS', mechanisms)
        self.assertIn('PLAIN', mechanisms)

    def test_the_file_itself_is_named(self):
        self.configure(mech_list='CRAM-MD5')
        told, mechanisms = self.offered(self.path('memcached.conf'))
        self.assertEqual((told, mechanisms),
                         ('configured by ' + self.path('memcached.conf'), ['CRAM-MD5']))

    def test_several_folders(self):
        self.configure(mech_list='CRAM-MD5')
        with tempfile.TemporaryDirectory() as other:
            self.assertEqual(self.offered(other + ':' + self.folder)[1], ['CRAM-MD5'])

    def refused(self, wanted, flags=('-S',), environment=None):
        under_test = server.Server(flags=flags, wait=False,
                                   environment=environment or {'SASL_CONF_PATH': self.folder})
        status = under_test.process.wait(server.TIMEOUT_S)
        under_test.kill()
        self.assertEqual(status, 1)
        self.assertRegex(under_test.errors(), '^simplecache: ' + wanted + '[^\n]*\n$')

    def test_no_mechanism(self):
        self.configure(mech_list='NOSUCH')
        self.refused('-S: the system.s SASL lists no mechanism')

    def test_a_file_of_users_goes_first(self):
        """SASL isn't asked, which knows another password."""
        self.configure()
        with open(self.path('users'), 'w', encoding='ascii') as file:
            print('alice:of-the-file', file=file)
        under_test = self.begin(['-Y', self.path('users')])
        with under_test.connect() as client:
            self.assertEqual(client.say(request(SASL_LIST)), (0, b'PLAIN'))
            self.assertEqual(client.say(auth(RIGHT)), REFUSED)
            self.assertEqual(client.say(auth(plain('alice', 'of-the-file'))), OK)

    def test_the_database_is_read_for_each_login(self):
        self.configure()
        under_test = self.begin()
        self.add_user('dora', 'new')
        under_test.login('dora', 'new').close()

    def test_threads(self):
        self.configure()
        self.assertIn('sasl', self.begin().threads())


@unittest.skipIf(BUILT or server.ORIGINAL, 'built with libsasl2')
class Without(unittest.TestCase):
    def test_refused(self):
        under_test = server.Server(flags=('-S',), wait=False)
        status = under_test.process.wait(server.TIMEOUT_S)
        under_test.kill()
        self.assertEqual((status, under_test.errors()), (
            1, "simplecache: -S needs users: this build does not know the system's SASL (libsasl2): "
               'give a file of user:password lines with -Y, or in the environment variable '
               'MEMCACHED_SASL_PWDB\n'))


@unittest.skipUnless(BUILT, 'built without libsasl2')
class Clients(SaslTest):
    """Real ones."""

    def bmemcached(self, under_test, password):
        client = bmemcached.Client(('127.0.0.1:%d' % under_test.port,), 'alice', password)
        self.addCleanup(client.disconnect_all)
        return client

    def test_bmemcached(self):
        self.configure()
        under_test = self.begin()
        client = self.bmemcached(under_test, PASSWORD)
        self.assertTrue(client.set('key', 'value'))
        self.assertEqual(client.get('key'), 'value')
        values = {'multi%d' % n: 'value %d' % n for n in range(200)}
        self.assertEqual(client.set_multi(values), [])
        self.assertEqual(client.get_multi(list(values)), values)
        with self.assertRaisesRegex(bmemcached.exceptions.MemcachedException, 'Auth failure'):
            self.bmemcached(under_test, 'wrong').get('key')
        self.assertEqual(client.get('key'), 'value')

    def php(self, under_test, user, password):
        done = subprocess.run(['php', os.path.join(HERE, 'sasl.php'), str(under_test.port), user, password],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=server.TIMEOUT_S, check=False)
        return done.stdout.decode(errors='replace').splitlines()

    def test_php(self):
        """libmemcached chooses the mechanism from the list."""
        server.need('php', 'php-cli')
        for mechanisms in ('PLAIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'DIGEST-MD5', None):
            with self.subTest(mechanisms=mechanisms):
                self.configure(mech_list=mechanisms)
                under_test = self.begin()
                self.assertEqual(self.php(under_test, 'alice', PASSWORD), ['set true', 'get value'])
                self.assertEqual(self.php(under_test, 'alice', 'wrong'), ['set false', 'get false'])
                if not server.ORIGINAL:
                    self.assertIn('wrong login', under_test.errors())


class ClientsOfOne(Clients):
    cores = 1


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
        self.assertLess(slowest, 1)
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
        start = time.monotonic()
        first = self.hang(under_test)
        second = self.waiting(under_test, 'frank')
        for client in (first, second):
            self.assertEqual(client.read_answer(), REFUSED)
        self.assertGreaterEqual(time.monotonic() - start, self.TIMEOUT_S)
        self.assertLess(time.monotonic() - start, self.TIMEOUT_S + 5)
        self.assertIn('SASL has not answered in time', under_test.errors())
        self.assertIn('wrong login from', under_test.errors())
        self.saslauthd.release()
        self.assertEqual(first.say(auth(plain('eve', PASSWORD))), OK)
        self.assertEqual(second.say(auth(plain('frank', PASSWORD))), OK)
        self.assertEqual(self.saslauthd.asked, ['eve', 'eve', 'frank'])  # not for frank who was refused
        self.assertEqual(under_test.statistic('auth_timeouts'), '2')
        self.assertEqual(under_test.statistic('auth_errors'), '2')

    def test_a_step_that_does_not_come(self):
        under_test = self.begin(timeout_s=self.TIMEOUT_S)
        with under_test.connect() as client:
            self.assertEqual(client.say(auth()), CONTINUES)
            time.sleep(self.TIMEOUT_S + 0.5)  # that nothing happens meanwhile is what is tested
            self.assertEqual(client.say(step(RIGHT)), REFUSED)
            self.assertEqual(client.say(auth(RIGHT)), OK)

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
        under_test.login('heidi').close()
        self.assertEqual(self.saslauthd.asked, ['eve', 'heidi'])

    def test_the_server_ends(self):
        under_test = self.begin()
        self.hang(under_test)
        for n in range(20):
            self.waiting(under_test, 'user%d' % n)
        start = time.monotonic()
        under_test.stop()
        self.assertLess(time.monotonic() - start, server.TIMEOUT_S if server.SANITIZED else 5)

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
        clients = [self.waiting(under_test, 'user', filler) for _ in range(1023)]
        for client in clients:  # the logins of all have begun when the server has answered behind them
            self.assertEqual(inside.say(request(NOOP)), (0, b''))
        with under_test.connect() as client:
            self.wait_for(lambda: client.say(auth(plain('one', 'more'))) == REFUSED, 'a refusal')
        self.assertIn('too many logins wait', under_test.errors())
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
        self.wait_for(lambda: os.path.exists(self.path('mux')) or program.poll() is not None,
                      'saslauthd listens')
        return imap

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
            client.send(auth(plain('eve', PASSWORD)))
            self.wait_for(lambda: imap.asked, 'saslauthd asks')
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
