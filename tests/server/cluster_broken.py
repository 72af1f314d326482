"""Something that is no etcd where etcd is to be: answers of every broken shape. The server serves on, asks for nothing of
it, and registers once there is a real one.

Debian: etcd-server.
"""
import base64
import http.server
import json
import threading
import time

import cluster_server
import etcd
import server

HEADER = {'cluster_id': '7', 'revision': '5'}
LIST = base64.b64encode(b'simplecache/tests/list').decode()
NODE = base64.b64encode(b'simplecache/tests/node/192.0.2.1|192.0.2.1|1').decode()


def listed(text):
    return {'header': HEADER, 'kvs': [{'key': LIST, 'mod_revision': '5', 'value': base64.b64encode(text).decode()}]}


GOOD = {'/v3/kv/range': {'header': HEADER}, '/v3/lease/grant': {'header': HEADER, 'ID': '7', 'TTL': '2'},
        '/v3/lease/keepalive': {'result': {'header': HEADER, 'ID': '7', 'TTL': '2'}},
        '/v3/kv/txn': {'header': HEADER, 'succeeded': True}, '/v3/watch': {'result': {'header': HEADER, 'created': True}}}

BROKEN = [
    b'', b'\n', b'{', b'}', b'[]', b'null', b'0', b'"x"', b'{}', b'<html>', b'\0' * 100, b'\xff\xfe', b'[' * 5000,
    b'{"a":' * 3000, b'{"header":{}}', b'{"header":[]}', b'{"header":{"revision":"-1"}}',
    b'{"header":{"revision":"18446744073709551616"}}', b'{"header":{"cluster_id":7,"revision":0}}',
    b'{"header":{"cluster_id":"x","revision":"5"}}', b'{"error":null}', b'{"error":{}}', b'{"error":7,"code":"x"}',
    b'{"error":"' + b'x' * 5000 + b'","code":16}', b'{"result":{}}', b'{"result":{"header":{},"events":{}}}',
    {'header': HEADER, 'kvs': {}}, {'header': HEADER, 'kvs': [[]]}, {'header': HEADER, 'kvs': [{'key': 7}]},
    {'header': HEADER, 'kvs': [{'key': '*', 'value': 'x'}]}, {'header': HEADER, 'kvs': [{'key': LIST, 'value': {}}]},
    listed(b''), listed(b'x'), listed(b'7\n'), listed(b'7\na|b|c\n'), listed(b'\n' * 1000), listed(b'x' * 70000),
    {'header': HEADER, 'kvs': [{'key': NODE, 'lease': 'x'}]}, {'header': HEADER, 'ID': '0', 'TTL': '2'},
    {'header': HEADER, 'ID': '7', 'TTL': '99999999999'}, {'header': HEADER, 'ID': '7'}, {'header': HEADER, 'succeeded': 1},
    {'result': {'header': HEADER, 'TTL': '-1'}}, {'result': {'header': HEADER, 'events': [{}]}},
    {'result': {'header': HEADER, 'events': [{'type': 7, 'kv': {'key': LIST, 'value': 'eA=='}}]}},
    {'result': {'header': {'cluster_id': '8', 'revision': '5'}}}, {'result': {'header': HEADER, 'canceled': True}},
]


class Fake(http.server.ThreadingHTTPServer):
    """Answers rightly up to one path, and brokenly there: the shapes in turn."""
    daemon_threads = True
    broken = '/v3/kv/range'
    asked = 0
    status = 200
    cut = False

    def handle_error(self, request, client_address):
        """Clients that go are no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_POST(self):  # pylint: disable=invalid-name
        self.rfile.read(int(self.headers['Content-Length']))
        fake = self.server
        if self.path == fake.broken:
            body = BROKEN[fake.asked % len(BROKEN)]
            fake.asked += 1
        else:
            body = GOOD.get(self.path, {})
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        broken = self.path == fake.broken
        self.send_response(fake.status if broken else 200)
        if self.path == '/v3/watch':
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            self.wfile.write(b'%x\r\n%s\n\r\n' % (len(body) + 1, body))
            self.wfile.flush()
            if not broken:
                time.sleep(0.2)
            return
        self.send_header('Content-Length', str(len(body) + 10 * (broken and fake.cut)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = broken and fake.cut


class Broken(server.ServerTest):
    def fake(self, port):
        fake = Fake(('127.0.0.1', port), Handler)
        threading.Thread(target=fake.serve_forever, args=(0.01,), daemon=True).start()
        return fake

    def test_every_shape_at_every_place(self):
        """One server for each place, so that each asks a fake of its own."""
        fakes, nodes = [], []
        for path in GOOD:
            fake = self.fake(server.free_port())
            fake.broken = path
            fakes.append(fake)
            nodes.append(cluster_server.Node(['http://127.0.0.1:%d' % fake.server_address[1]], ttl=1))
        deadline = time.monotonic() + 3 * server.TIMEOUT_S
        while any(fake.asked < len(BROKEN) for fake in fakes):
            self.assertLess(time.monotonic(), deadline, [fake.asked for fake in fakes])
            for node in nodes:
                with node.connect() as client:
                    self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
                    self.assertIn(client.ask(b'config get cluster\r\n')[:6], (b'ERROR\r', b'CONFIG'))
            time.sleep(0.05)
        for node in nodes:
            node.stop(server.signal.SIGINT)
        for fake in fakes:
            fake.shutdown()
            fake.server_close()

    def test_statuses_then_a_real_one(self):
        port = server.free_port()
        fake = self.fake(port)
        node = cluster_server.Node(['http://127.0.0.1:%d' % port], ttl=1)
        self.addCleanup(node.stop, server.signal.SIGINT)
        for status in 204, 301, 400, 401, 404, 500, 503, 200:
            fake.status, fake.cut, before = status, status == 200, fake.asked
            deadline = time.monotonic() + server.TIMEOUT_S
            while fake.asked < before + 2:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
        self.assertIsNone(node.list())
        fake.shutdown()
        fake.server_close()
        real = etcd.Etcd(port=port)
        self.addCleanup(real.end)
        real.start()
        deadline = time.monotonic() + server.TIMEOUT_S
        while not node.list():
            self.assertLess(time.monotonic(), deadline, node.told())
            time.sleep(0.02)
        self.assertEqual(node.list()[1], [node.entry])


if __name__ == '__main__':
    server.main()
