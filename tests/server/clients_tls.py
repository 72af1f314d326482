"""Real clients over TLS: pymemcache, bmemcached, openssl s_client and gnutls-cli, which is another
implementation; and clients under load while certificates change."""
import os
import random
import re
import select
import signal
import subprocess
import threading
import time
import unittest

import bmemcached
from pymemcache.client.base import Client

import server
from tls_server import TlsTest


class Clients(TlsTest):
    def setUp(self):
        self.server = self.start_tls(cores=2, flags=['-I', '4m', '-m', '128'])

    def test_pymemcache(self):
        for port, client in (('tls', None), ('mtls', 'client')):
            context = self.server.context(client=client)
            context.check_hostname = True
            cache = Client(('localhost', self.server.ports[port]), tls_context=context, timeout=server.TIMEOUT_S)
            values = {'key%d' % size: os.urandom(size) for size in (0, 1, 1000, 20000, 300000, 2000000)}
            self.assertEqual(cache.set_many(values), [])
            self.assertEqual(cache.get_many(list(values)), values)
            self.assertTrue(cache.set('number', '41'))
            self.assertEqual(cache.incr('number', 1), 42)
            self.assertEqual(cache.stats()[b'ssl_handshake_errors'], 0)
            cache.quit()

    def test_bmemcached(self):
        context = self.server.context(client='client')
        cache = bmemcached.Client(['localhost:%d' % self.server.ports['mtls']], tls_context=context,
                                  socket_timeout=server.TIMEOUT_S)
        values = {'key%d' % size: os.urandom(size) for size in (0, 1, 1000, 20000, 300000)}
        self.assertEqual(cache.set_multi(values), [])
        self.assertEqual(cache.get_multi(list(values)), values)
        self.assertTrue(cache.delete('key1'))
        self.assertIsNone(cache.get('key1'))
        cache.disconnect_all()

    def program(self, command, text, end=b'END\r\n'):
        """What a program prints that is given text, and ends when it has the answer."""
        server.need(command[0], {'gnutls-cli': 'gnutls-bin'}.get(command[0], command[0]))
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdin.write(text)
        process.stdin.flush()
        out, deadline = b'', time.monotonic() + 2 * server.TIMEOUT_S
        while end not in out:
            ready, _, _ = select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))
            self.assertTrue(ready, '%s has no answer: %s' % (command[0], out))
            part = process.stdout.read1(1 << 16)
            if not part:
                break
            out += part
        return out + process.communicate(b'quit\r\n', timeout=server.TIMEOUT_S)[0]

    def test_openssl(self):
        for version in ('-tls1_2', '-tls1_3'):
            out = self.program(['openssl', 's_client', '-connect', 'localhost:%d' % self.server.ports['tls'], '-quiet',
                                version, '-CAfile', self.server.path('ca.pem'), '-verify_return_error'],
                               b'set o 0 0 3\r\nabc\r\nget o\r\n')
            self.assertIn(b'STORED\r\nVALUE o 0 3\r\nabc\r\nEND\r\n', out)

    def gnutls(self, version, *options, text=b'set g 0 0 3\r\nabc\r\nget g\r\n', port='tls'):
        return self.program(['gnutls-cli', '--port', str(self.server.ports[port]), '--x509cafile',
                             self.server.path('ca.pem'), '--priority', 'NORMAL:-VERS-ALL:+VERS-' + version, *options,
                             'localhost'], text)

    def test_gnutls(self):
        for version in ('TLS1.2', 'TLS1.3'):
            self.assertIn(b'STORED\r\nVALUE g 0 3\r\nabc\r\nEND\r\n', self.gnutls(version))
            out = self.gnutls(version, '--x509certfile', self.server.path('client.pem'), '--x509keyfile',
                              self.server.path('client.key'), port='mtls')
            self.assertIn(b'VALUE g 0 3\r\nabc\r\nEND\r\n', out)

    def test_gnutls_resumes(self):
        for version in ('TLS1.2', 'TLS1.3'):
            before = int(self.server.stat('ssl_resumed'))
            out = self.gnutls(version, '--resume', '--waitresumption')
            self.assertIn(b'This is a resumed session', out, version)
            self.assertEqual(int(self.server.stat('ssl_resumed')), before + 1)

    def test_gnutls_rekeys(self):
        """Keys of TLS 1.3 that change in the middle."""
        out = self.gnutls('TLS1.3', '--inline-commands', text=b'set r 0 0 2\r\nab\r\n^rekey^\nget r\r\n')
        self.assertIn(b'VALUE r 0 2\r\nab\r\nEND\r\n', out)

    def test_scan(self):
        """What is offered by default: two versions, nothing weak."""
        server.need('sslscan', 'sslscan')
        done = subprocess.run(['sslscan', '--no-colour', '--timeout=%d' % server.TIMEOUT_S,
                               'localhost:%d' % self.server.ports['tls']],
                              stdout=subprocess.PIPE, check=True, text=True, timeout=5 * server.TIMEOUT_S)
        for line in ('SSLv2     disabled', 'SSLv3     disabled', 'TLSv1.0   disabled', 'TLSv1.1   disabled',
                     'TLSv1.2   enabled', 'TLSv1.3   enabled', 'Session renegotiation not supported'):
            self.assertIn(line, done.stdout)
        self.assertEqual(re.findall(r'^.*(?:ffdhe|RC4|DES|NULL|EXPORT|MD5|anon|vulnerable to).*$', re.sub(
            'not vulnerable to', '', done.stdout), re.M), [])
        self.assertEqual(set(re.findall(r'^TLSv1.3 .* bits  (\w+)', done.stdout, re.M)),
                         {'secp256r1', 'secp384r1', 'secp521r1', 'x25519'})
        suites = re.findall(r'^(?:Accepted|Preferred) +(TLSv1.\d) +\d+ bits +(\S+)', done.stdout, re.M)
        self.assertGreater(len(suites), 5)
        for version, suite in suites:
            self.assertRegex(suite, {'TLSv1.3': '^TLS_(AES|CHACHA20)', 'TLSv1.2': '^ECDHE-ECDSA-'}[version])


class Load(TlsTest):
    SECONDS = float(os.environ.get('TLS_SECONDS', 3))

    def setUp(self):
        self.server = self.start_tls(cores=2)
        self.stop, self.served, self.failures = threading.Event(), [0, 0], []

    def work(self, reconnects, seed):
        """Requests over one connection, or each over a new one."""
        numbers = random.Random(seed)
        context = self.server.context(client='client')
        session, client = None, None
        try:
            while not self.stop.is_set():
                client = client or self.server.tls(numbers.choice(('tls', 'mtls')), context, session)
                value = numbers.randbytes(numbers.choice((10, 1000, 50000)))
                key = b'load%d' % seed
                client.send(b'set %s 0 0 %d\r\n%s\r\nget %s\r\n' % (key, len(value), value, key))
                wanted = b'STORED\r\nVALUE %s 0 %d\r\n%s\r\nEND\r\n' % (key, len(value), value)
                if client.read(len(wanted)) != wanted:
                    raise AssertionError('a wrong answer')
                self.served[reconnects] += 1
                if reconnects:
                    session = client.socket.session if numbers.randrange(2) else None
                    client.close()
                    client = None
        except Exception as error:
            self.failures.append(repr(error))

    def is_enough(self, seconds, least):
        """Of reloads of each kind and what each client was served; a busy machine takes longer."""
        return seconds > self.SECONDS and (least > 5 or seconds > self.SECONDS + server.TIMEOUT_S)

    def test_reload_under_load(self):
        """By both ways, with good files and bad ones: no request and no handshake fails."""
        threads = [server.Thread(target=self.work, args=(seed % 2 == 0, seed)) for seed in range(6)]
        for thread in threads:
            thread.start()
        start, good, bad = time.monotonic(), 0, 0
        path = self.server.path('server')
        try:
            with self.server.connect() as plain:
                while not self.is_enough(time.monotonic() - start, min(good, bad, *self.served)):
                    self.ca.leaf('next')
                    for end in ('.key', '.pem'):
                        if plain.ask(b'refresh_certs\r\n') == b'OK\r\n':
                            good += 1
                        else:
                            bad += 1
                        os.replace(self.server.path('next' + end), path + end)
                    os.kill(self.server.pid, signal.SIGHUP)
                    time.sleep(0.02)
        finally:
            self.stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(self.failures, [])
        self.assertGreater(min(good, bad, *self.served), 5)


if __name__ == '__main__':
    server.main()
