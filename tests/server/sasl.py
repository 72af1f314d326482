"""Logins by the system's SASL (-S without a file of users): byte for byte as memcached 1.6.45 built
with SASL answers, and by real clients. One that does not answer: sasl_hanging.py.

With SIMPLECACHE_COMMAND all but what is different on purpose runs against such a memcached.
"""
import contextlib
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import subprocess
import tempfile
import unittest

import bmemcached

import pki
import server
from binary import FOREVER, GET, NOOP, QUIT, SASL_LIST, SET, STAT, VERSION, request
from sasl_server import (BUILT, OK, PASSWORD, REFUSED, Saslauthd, SaslConnection, SaslServer, SaslTest,
                         auth, plain, step)
from tls_server import TlsConnection

HERE = os.path.dirname(os.path.abspath(__file__))
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
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the end may come before the last bytes
                    client.send(auth(RIGHT) + request(NOOP) + request(SASL_LIST) + request(NOOP), fragment)
                self.assertEqual([client.read_answer() for _ in range(5)],
                                 [OK, (0, b''), (0, MECHANISMS), REFUSED, 'closed'])
            with self.subTest(fragment=fragment), self.under_test.connect() as client:
                client.send(auth() + step(RIGHT) + request(NOOP), fragment)
                self.assertEqual([client.read_answer() for _ in range(3)],
                                 [CONTINUES, OK, (0, b'')])
            with self.subTest(fragment=fragment), self.under_test.connect() as client:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
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

    @unittest.skipIf(server.SANITIZED, 'a sanitizer keeps what was freed')
    def test_nothing_is_left_of_logins_that_begin_again(self):
        self.configure()
        under_test = self.begin(cores=1)
        with under_test.connect() as client:
            for count in (100, 500):
                before = under_test.resident_bytes()
                for _ in range(count):
                    client.say(Scram().begin())
            self.assertLess(under_test.resident_bytes() - before, 48 << 10)


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
        client = bmemcached.Client(('127.0.0.1:%d' % under_test.port,), 'alice', password, socket_timeout=server.TIMEOUT_S)
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
                    self.wait_for(lambda: 'wrong login' in under_test.errors(), 'a line')


class ClientsOfOne(Clients):
    cores = 1


class TlsClient(TlsConnection, SaslConnection):
    """Both."""


@unittest.skipUnless(BUILT, 'built without libsasl2')
class Elsewhere(SaslTest):
    """Over a unix socket and over TLS the same is answered as over TCP."""

    def table(self, connect):
        for name in ('right', 'wrong', 'right, list', 'mechanism, right', 'step', 'get', '600 KB'):
            packets, answer, logged_in = ANSWERS[name]
            with self.subTest(name), connect() as client:
                self.assertEqual(client.say(*packets), answer)
                if logged_in != 'closed':
                    self.assertEqual(client.may(), logged_in)

    def test_unix_socket(self):
        self.configure()
        path = self.path('socket')
        self.begin(['-s', path, '-l', '127.0.0.1'] if not server.ORIGINAL else ['-s', path], host=path,
                   port=0)
        self.table(lambda: SaslConnection(0, host=path))

    @unittest.skipUnless(os.environ.get('TLS', '1') == '1', 'built without OpenSSL')
    def test_tls(self):
        self.configure(mech_list=MECHANISMS.decode(), methods='auxprop saslauthd')
        made, port = pki.folder(), server.free_port()
        self.addCleanup(made.cleanup)
        folder = made.name
        pki.Authority(folder, 'ca').leaf('server')
        context = ssl.create_default_context(cafile=os.path.join(folder, 'ca.pem'))
        files = 'ssl_chain_cert=%s/server.pem,ssl_key=%s/server.key' % (folder, folder)
        plain_port = server.free_port()
        listen = '127.0.0.1:%d,notls:127.0.0.1:%d' % (port, plain_port)
        under_test = self.begin(['-Z', '-o', files, '-l', listen], port=plain_port)
        self.table(lambda: TlsClient(port, context))
        if server.ORIGINAL:
            return
        saslauthd = Saslauthd(self.path('mux'))
        self.addCleanup(saslauthd.close)
        with TlsClient(port, context) as client, TlsClient(port, context) as other:
            client.send(auth(plain('eve', PASSWORD)))
            self.wait_for(lambda: saslauthd.asked, 'saslauthd is asked')
            for _ in range(100):  # in records of their own, while the login is waited for
                client.send(request(NOOP))
            self.assertEqual(other.say(request(SASL_LIST)), (0, MECHANISMS))
            saslauthd.release()
            self.assertEqual([client.read_answer() for _ in range(101)], [OK] + [(0, b'')] * 100)
        with under_test.connect() as client:
            self.assertEqual(client.say(auth(RIGHT)), OK)


if __name__ == '__main__':
    server.main()
