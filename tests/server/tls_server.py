"""A server with TLS and its clients: what the tests of TLS have in common."""
import os
import signal
import ssl
import time

import pki
import server


class TlsConnection(server.Connection):
    """A client over TLS: `context` is that of its side."""

    def __init__(self, port, context, session=None, name='localhost', **options):
        super().__init__(port, **options)
        self.raw = self.socket
        self.socket = context.wrap_socket(self.raw, server_hostname=name, session=session)

    def fill(self):
        try:
            return super().fill()
        except ssl.SSLEOFError:
            return False


class TlsServer(server.Server):
    """One whose own port is plain, as the tests ask it for statistics; `ports` has those with TLS: of the
    verify mode, `btls` and `mtls`."""

    def __init__(self, folder, chain='server', words='', flags=(), **options):
        self.folder = folder
        self.ports = {name: server.free_port() for name in ('tls', 'btls', 'mtls')}
        plain = server.free_port()
        listen = 'notls:127.0.0.1:%d,127.0.0.1:%d,btls:127.0.0.1:%d,mtls:127.0.0.1:%d' % (
            plain, self.ports['tls'], self.ports['btls'], self.ports['mtls'])
        files = 'ssl_chain_cert=%s,ssl_key=%s,ssl_ca_cert=%s' % (
            self.path(chain + '.pem'), self.path(chain + '.key'), self.path('ca.pem'))
        super().__init__(flags=['-Z', '-l', listen, '-o', files + (words and ',' + words), '-v', *flags],
                         port=plain, **options)

    def path(self, name):
        return os.path.join(self.folder, name)

    def context(self, ca='ca', client=None, version=None):
        """A client's; `client` names its certificate; version: ssl.TLSVersion, the only one it speaks."""
        context = ssl.create_default_context(cafile=self.path(ca + '.pem'))
        if client:
            context.load_cert_chain(self.path(client + '.pem'), self.path(client + '.key'))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def tls(self, port='tls', context=None, session=None, **options):
        return TlsConnection(self.ports[port], context or self.context(), session, **options)

    def stop(self, sent=signal.SIGTERM):
        self.may_talk = True  # the log
        super().stop(sent)
        if 'Sanitizer' in self.errors():
            raise AssertionError(self.errors())


class TlsTest(server.ServerTest):
    """Tests with the keys of one folder, made once for each class of tests."""

    @classmethod
    def setUpClass(cls):
        made = pki.folder()
        cls.addClassCleanup(made.cleanup)
        cls.folder = made.name
        cls.ca = pki.Authority(cls.folder, 'ca')
        cls.ca.leaf('server')
        cls.ca.leaf('client', subject='/O=Example, Inc./CN=client one')

    def start_tls(self, **options):
        under_test = TlsServer(self.folder, **options)
        self.addCleanup(under_test.stop)
        return under_test

    def settle(self, read, wanted, limit_s=server.TIMEOUT_S):
        """Waits until read() is as wanted."""
        deadline = time.monotonic() + limit_s
        while (value := read()) != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(value, wanted)
