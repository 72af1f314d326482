"""Real etcds for the tests of clusters: started, killed, paused, asked, with their data or without.

Debian: etcd-server.
"""
import base64
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import server

PREFIX = 'simplecache/%s/'


START_S = 3 * server.TIMEOUT_S


def memory_folder():
    """Where files need no disk, if there is room: etcd allocates 128 MB for its log beforehand."""
    try:
        found = os.statvfs('/dev/shm')
        return '/dev/shm' if found.f_bavail * found.f_frsize > 1 << 30 else None
    except OSError:
        return None


def coded(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Etcd:
    """One etcd on loopback; the port stays the same over restarts."""

    def __init__(self, name='default', token='tests', peers=None, tls=None, extra=(), port=None,
                 host='127.0.0.1'):
        server.need('etcd', 'etcd-server')
        self.folder = tempfile.mkdtemp(prefix='etcd.', dir=memory_folder())
        self.port, self.peer_port = port or server.free_port(), server.free_port()
        self.name, self.token, self.extra = name, token, list(extra)
        self.tls = tls  # (certificate, key, CA): https, and clients need a certificate
        self.scheme = 'https' if tls else 'http'
        self.url = '%s://%s:%d' % (self.scheme, host, self.port)
        self.peers = peers
        self.user = None  # (user, password) of its root, once logins are on
        self.process = None

    @property
    def peer_url(self):
        return 'http://127.0.0.1:%d' % self.peer_port

    def start(self, wait=True):
        command = ['etcd', '--name', self.name, '--data-dir', os.path.join(self.folder, 'data'),
                   '--listen-client-urls', self.url, '--advertise-client-urls', self.url,
                   '--listen-peer-urls', self.peer_url, '--initial-advertise-peer-urls', self.peer_url,
                   '--initial-cluster', self.peers or '%s=%s' % (self.name, self.peer_url),
                   '--initial-cluster-token', self.token, '--unsafe-no-fsync', '--heartbeat-interval', '50',
                   '--election-timeout', '500', *self.extra]
        if self.tls:
            certificate, key, authority = self.tls
            command += ['--cert-file', certificate, '--key-file', key, '--trusted-ca-file', authority,
                        '--client-cert-auth']
        with open(os.path.join(self.folder, 'log'), 'ab') as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder)
        server.running.add(self)
        if wait:
            self.await_ready()
        return self

    def log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8', errors='replace') as log:
            return log.read()

    def await_ready(self):
        deadline = time.monotonic() + START_S
        while True:
            try:
                if 'kvs' not in self.ask('/v3/kv/range', {'key': coded('x')}):
                    return
            except (OSError, urllib.error.URLError):
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError('etcd does not answer: ' + self.log()[-2000:])
            time.sleep(0.02)

    def ask(self, path, body, timeout=server.TIMEOUT_S):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())
        context = None
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls[2])
            context.load_cert_chain(*self.tls[:2])
        if self.user and path != '/v3/auth/authenticate':
            name, password = self.user
            token = self.ask('/v3/auth/authenticate', {'name': name, 'password': password})['token']
            request.add_header('Authorization', token)
        handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
        deadline = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                # On a busy machine it may have no leader for a moment, or too little time.
                if error.code not in (503, 504) or self.process.poll() is not None or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def put(self, key, value):
        return self.ask('/v3/kv/put', {'key': coded(key), 'value': coded(value)})

    def delete(self, key):
        return self.ask('/v3/kv/deleterange', {'key': coded(key)})

    def compact(self):
        """Forgets all but the latest of each key."""
        revision = self.ask('/v3/kv/range', {'key': coded('x')})['header']['revision']
        self.ask('/v3/kv/compaction', {'revision': revision, 'physical': True})

    def keys(self, cluster='tests'):
        """{key behind the prefix: value}"""
        prefix = PREFIX % cluster
        found = self.ask('/v3/kv/range', {'key': coded(prefix), 'range_end': coded(prefix[:-1] + '0')})
        return {base64.b64decode(one['key']).decode()[len(prefix):]: base64.b64decode(one.get('value', '')).decode()
                for one in found.get('kvs', ())}

    def requests(self):
        """How many it has been asked, by its own count."""
        with urllib.request.urlopen(self.url + '/metrics') as reply:
            text = reply.read().decode()
        return sum(float(count) for count in re.findall(r'^grpc_server_started_total\{[^}]*\} (\S+)$', text, re.M))

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """As server.py ends what is left running."""
        server.running.discard(self)
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def lose_data(self):
        shutil.rmtree(os.path.join(self.folder, 'data'), ignore_errors=True)

    def end(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def three():
    """Three etcds that are one, started."""
    etcds = [Etcd(name='etcd%d' % n, token='three') for n in range(3)]
    peers = ','.join('%s=%s' % (one.name, one.peer_url) for one in etcds)
    for one in etcds:
        one.peers = peers
        one.start(wait=False)
    for one in etcds:
        one.await_ready()
    return etcds
