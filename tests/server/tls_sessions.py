"""TLS: whose certificate is taken, and whose ticket: a session goes on only where a full handshake would have
asked the same."""
import os
import re
import shutil
import signal
import ssl
import subprocess
import unittest

import pki
import server
from tls_server import TlsTest

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
# What a client without the right certificate meets: in TLS 1.3 its handshake ends, and its first read fails.
REFUSED = (ssl.SSLError, ConnectionError)


def session_of(client):
    """After an answer, behind which tickets have come."""
    if client.ask(b'mn\r\n') != b'MN\r\n':
        raise ConnectionError('no answer')
    return client.socket.session


class Certificates(TlsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pki.Authority(cls.folder, 'other').leaf('stranger')
        cls.ca.leaf('expired', days=-1)
        cls.ca.leaf('revoked')
        cls.ca.leaf('elsewhere', 'elsewhere')
        shutil.copy(cls.ca.revoke(os.path.join(cls.folder, 'revoked.pem')), os.path.join(cls.folder, 'list.pem'))
        authority = cls.ca
        for depth in range(10):
            authority = pki.Authority(cls.folder, 'ca%d' % depth, authority)
            if depth in (1, 9):
                authority.chain_leaf('depth%d' % (depth + 1))

    def outcome(self, under_test, port, client, version):
        context = under_test.context(client=client, version=version)
        try:
            with under_test.tls(port, context) as connection:
                session_of(connection)
                return 'served'
        except REFUSED as error:
            found = re.search(r'alert[_ ]([\w ]+)|\[SSL: (\w+)\]', str(error))
            return found and (found[1] or found[2]).replace('_', ' ').lower() or 'ended'

    def expect(self, under_test, port, client, wanted):
        for version in VERSIONS:
            self.assertRegex(self.outcome(under_test, port, client, version), wanted, (port, client, version))

    def test_modes(self):
        """None, and those of this CA and of another, at each kind of address and in each verify mode."""
        for mode in range(4):
            under_test = self.start_tls(words='ssl_verify_mode=%d' % mode)
            required, looks = mode >= 2, mode >= 1
            self.expect(under_test, 'tls', None, 'handshake failure|certificate required' if required else 'served')
            self.expect(under_test, 'tls', 'client', 'served')
            self.expect(under_test, 'tls', 'stranger', 'unknown ca' if looks else 'served')
            for client in (None, 'client', 'stranger'):
                self.expect(under_test, 'btls', client, 'served')
            self.expect(under_test, 'mtls', None, 'handshake failure|certificate required')
            self.expect(under_test, 'mtls', 'client', 'served')
            self.expect(under_test, 'mtls', 'stranger', 'unknown ca')

    def test_wrong_ones(self):
        """Each is counted, and the log says why."""
        under_test = self.start_tls(words='ssl_crl=' + os.path.join(self.folder, 'list.pem'))
        for client, alert, said in (('expired', 'certificate expired', 'certificate has expired'),
                                    ('revoked', 'certificate revoked', 'certificate revoked'),
                                    ('stranger', 'unknown ca', 'unable to get local issuer certificate')):
            self.expect(under_test, 'mtls', client, alert)
            self.settle(lambda words='TLS handshake failed: ' + said: words in under_test.errors(), True)
        self.expect(under_test, 'mtls', 'client', 'served')
        self.settle(lambda: int(under_test.stat('ssl_handshake_errors')), 6)

    def test_chains(self):
        under_test = self.start_tls()
        self.expect(under_test, 'mtls', 'depth2', 'served')
        self.expect(under_test, 'mtls', 'depth10', 'unknown ca|certificate unknown|chain too long')

    def test_wrong_host(self):
        """That is for the client to find; the server goes on."""
        under_test = self.start_tls(chain='elsewhere')
        for _ in range(3):
            with self.assertRaises(ssl.SSLCertVerificationError):
                under_test.tls()
        with under_test.tls(name='elsewhere.example') as client:
            session_of(client)

    def test_expiry_is_told(self):
        self.ca.leaf('soon', days=10)
        self.ca.leaf('late', days=-1)
        under_test = self.start_tls(chain='soon')
        self.assertRegex(under_test.errors(), 'expires in (9|10) days')
        self.assertLess(int(under_test.stat('ssl_certs_expire_in')), 10 * 86400 + 1)
        under_test = self.start_tls(chain='late')
        self.assertIn('has expired', under_test.errors())
        self.assertLess(int(under_test.stat('ssl_certs_expire_in')), 0)


class Tickets(TlsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pki.Authority(cls.folder, 'other').leaf('stranger')

    def resume(self, under_test, port, context, session):
        """(whether it went on, the next session)"""
        with under_test.tls(port, context, session) as client:
            following = session_of(client)
            return client.socket.session_reused, following

    def first(self, under_test, port, context):
        with under_test.tls(port, context) as client:
            return session_of(client)

    def test_every_reactor(self):
        """With client certificates too; and in TLS 1.3 each ticket leads to the next."""
        under_test = self.start_tls(cores=4, flags=['-m', '64'])
        for version in VERSIONS:
            for port in ('tls', 'btls', 'mtls'):
                context = under_test.context(client='client', version=version)
                session = self.first(under_test, port, context)
                for _ in range(12):
                    resumed, session = self.resume(under_test, port, context, session)
                    self.assertTrue(resumed, (version, port))
        self.assertEqual(under_test.stat('ssl_resumed'), str(2 * 3 * 12))
        self.settle(lambda: ', resumed, client CN=client one' in under_test.errors(), True)

    def test_what_was_not_asked(self):
        """The ticket of an address that asks for no certificate opens none that does."""
        under_test = self.start_tls(words='ssl_verify_mode=2')
        for version in VERSIONS:
            context = under_test.context(version=version)
            session = self.first(under_test, 'btls', context)
            for port in ('tls', 'mtls'):
                with self.assertRaises(REFUSED):
                    self.resume(under_test, port, context, session)
            context = under_test.context(client='client', version=version)
            session = self.first(under_test, 'btls', context)
            self.assertFalse(self.resume(under_test, 'mtls', context, session)[0])
            session = self.first(under_test, 'mtls', context)
            self.assertTrue(self.resume(under_test, 'tls', context, session)[0])  # which asks the same

    def test_reload(self):
        """Another certificate of the server ends no tickets; another CA, or list of revoked ones, does."""
        folder = os.path.join(self.folder, 'reload')
        shutil.copytree(self.folder, folder)
        self.addCleanup(shutil.rmtree, folder)
        crl = self.ca.revoke()
        shutil.copy(crl, os.path.join(folder, 'list.pem'))
        under_test = self.start_tls(words='ssl_crl=' + os.path.join(folder, 'list.pem'))
        under_test.stop()

        class There(type(under_test)):
            def path(self, name):
                return os.path.join(folder, name)
        under_test = There(folder, words='ssl_crl=' + os.path.join(folder, 'list.pem'))
        self.addCleanup(under_test.stop)
        for version in VERSIONS:
            shutil.copy(self.ca.certificate, os.path.join(folder, 'ca.pem'))
            shutil.copy(crl, os.path.join(folder, 'list.pem'))
            self.refresh(under_test)
            context = under_test.context(client='client', version=version)
            session = self.first(under_test, 'mtls', context)
            self.ca.leaf('server')
            for name in ('server.pem', 'server.key'):
                shutil.copy(os.path.join(self.folder, name), folder)
            self.refresh(under_test)
            resumed, session = self.resume(under_test, 'mtls', context, session)
            self.assertTrue(resumed)
            with open(os.path.join(folder, 'list.pem'), 'a') as file:
                file.write('\n')
            self.refresh(under_test)
            resumed, session = self.resume(under_test, 'mtls', context, session)
            self.assertFalse(resumed)
            shutil.copy(os.path.join(self.folder, 'other.pem'), os.path.join(folder, 'ca.pem'))
            self.refresh(under_test)
            with self.assertRaises(REFUSED):
                self.resume(under_test, 'mtls', context, session)

    def refresh(self, under_test):
        with under_test.connect() as plain:
            self.assertEqual(plain.ask(b'refresh_certs\r\n'), b'OK\r\n')

    def test_key_file(self):
        """Servers with the same one go on with each other's sessions, and so does the next of a server."""
        keys = os.path.join(self.folder, 'tickets')
        with open(keys, 'wb') as file:
            file.write(os.urandom(80))
        first, second = (self.start_tls(words='ssl_ticket_keys=' + keys) for _ in range(2))
        third = self.start_tls()
        for version in VERSIONS:
            context = first.context(client='client', version=version)
            for port in ('tls', 'mtls'):
                session = self.first(first, port, context)
                self.assertTrue(self.resume(second, port, context, session)[0])
                self.assertFalse(self.resume(third, port, context, session)[0])

    def test_sessions_by_number(self):
        """For clients without tickets: with the word for it alone."""
        for words, wanted in (('', b'New'), ('ssl_session_cache', b'Reused')):
            under_test = self.start_tls(words=words)
            done = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % under_test.ports['tls'],
                                   '-tls1_2', '-no_ticket', '-reconnect'], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                  timeout=server.TIMEOUT_S)
            kinds = re.findall(rb'^(New|Reused), TLSv1.2', done.stdout, re.M)
            self.assertEqual(kinds[0], b'New')
            self.assertEqual(set(kinds[1:]), {wanted})
            self.assertGreater(len(kinds), 3)
            self.assertEqual(int(under_test.stat('ssl_new_sessions')) > 0, bool(words))


class Reload(TlsTest):
    def setUp(self):
        self.server = self.start_tls(cores=2)
        self.names = 'server.pem', 'server.key'
        for name in self.names:
            shutil.copy(self.server.path(name), self.server.path(name) + '.right')
            self.addCleanup(shutil.copy, self.server.path(name) + '.right', self.server.path(name))

    def serial(self):
        """Of the certificate that new clients meet."""
        with self.server.tls() as client:
            return client.socket.getpeercert()['serialNumber']

    def test_both_ways(self):
        """By the command and by SIGHUP; connections go on."""
        with self.server.tls() as before, self.server.connect() as plain:
            old = self.serial()
            self.ca.leaf('server')
            self.assertEqual(self.serial(), old)
            self.assertEqual(plain.ask(b'refresh_certs now\r\n'), b'OK\r\n')
            new = self.serial()
            self.assertNotEqual(new, old)
            plain.send(b'refresh_certs noreply\r\nmn\r\n')
            self.assertEqual(plain.read_line(), b'MN\r\n')
            self.ca.leaf('server')
            os.kill(self.server.pid, signal.SIGHUP)
            self.settle(lambda: self.serial() != new, True)
            self.assertEqual(before.ask(b'mn\r\n'), b'MN\r\n')
            self.assertEqual(before.ask(b'refresh_certs\r\n'), b'OK\r\n')
        self.settle(lambda: 'certificates read again' in self.server.errors(), True)

    def test_wrong_files(self):
        """What is wrong is said, nothing has changed, and the next good one is taken."""
        old = self.serial()
        chain, key = (self.server.path(name) for name in self.names)
        with self.server.connect() as plain:
            for path, text in ((chain, b'Error loading the certificate chain: '), (key, b'Error loading the key: ')):
                for content in (b'', b'nonsense\n', None):
                    if content is None:
                        os.remove(path)
                    else:
                        with open(path, 'wb') as file:
                            file.write(content)
                    line = plain.ask(b'refresh_certs\r\n')
                    self.assertTrue(line.startswith(text + path.encode() + b' : '), line)
                    self.assertEqual(self.serial(), old)
                shutil.copy(path + '.right', path)
            self.ca.leaf('server')
            shutil.copy(key + '.right', key)  # a new chain with the old key, at which memcached is left with neither
            self.assertIn(b'Error loading the key: ', plain.ask(b'refresh_certs\r\n'))
            self.assertEqual(self.serial(), old)
            os.kill(self.server.pid, signal.SIGHUP)
            self.settle(lambda: 'the certificates stay as they were' in self.server.errors(), True)
            self.assertEqual(self.serial(), old)
            self.ca.leaf('server')
            self.assertEqual(plain.ask(b'refresh_certs\r\n'), b'OK\r\n')
            self.assertNotEqual(self.serial(), old)
            self.assertLess(int(self.server.stat('time_since_server_cert_refresh')), server.TIMEOUT_S)

    def test_without_tls(self):
        with self.start().connect() as plain:
            self.assertEqual(plain.ask(b'refresh_certs\r\n'), b'Error TLS not enabled\r\n')


if __name__ == '__main__':
    server.main()
