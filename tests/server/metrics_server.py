"""A server with --metrics, and HTTP asked of it: what the tests of HTTP have in common."""
import base64
import http.client
import json
import ssl
import time

import prometheus_text
import server

OPEN_METRICS = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'


class Answer:
    """What came of a request."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


class MetricsServer(server.Server):
    def __init__(self, flags=(), address='', scheme='http', **options):
        self.http_port = server.free_port()
        self.scheme = scheme
        super().__init__(flags=['--metrics', '%s%d' % (address, self.http_port), *flags], **options)

    def client(self, host='127.0.0.1', context=None):
        """A connection over HTTP."""
        if self.scheme == 'https':
            return http.client.HTTPSConnection(host, self.http_port, timeout=server.TIMEOUT_S,
                                               context=context or ssl._create_unverified_context())
        return http.client.HTTPConnection(host, self.http_port, timeout=server.TIMEOUT_S)

    def get(self, path, method='GET', login=None, host='127.0.0.1', context=None, body=None, **headers):
        """The answer to one request on a connection of its own; underscores in headers are dashes."""
        sent = {name.replace('_', '-'): value for name, value in headers.items()}
        if login:
            sent['Authorization'] = 'Basic ' + base64.b64encode(login.encode()).decode()
        client = self.client(host, context)
        try:
            client.request(method, path, headers=sent, body=body)
            return Answer(client.getresponse())
        finally:
            client.close()

    def wait_http(self):
        """Until HTTP answers, where the cache asks for a login."""
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                assert self.get('/readyz').status == 200
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def page(self, open_metrics=False):
        """/metrics, parsed."""
        answer = self.get('/metrics', Accept=OPEN_METRICS) if open_metrics else self.get('/metrics')
        assert answer.status == 200, answer.body
        return prometheus_text.Page(answer.body, open_metrics)

    def stats(self, group=''):
        """`stats` over the text protocol."""
        with self.connect() as client:
            client.send(('stats %s\r\n' % group).encode())
            lines = iter(lambda: client.read_line().decode().rstrip('\r\n').split(' ', 2), ['END'])
            return {line[1]: line[2] for line in lines if len(line) > 2}


class MetricsTest(server.ServerTest):
    def begin(self, *flags, talks=False, **options):
        under_test = MetricsServer(flags=flags, **options)
        under_test.may_talk |= talks
        self.addCleanup(under_test.stop)
        return under_test
