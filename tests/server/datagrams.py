"""A client over UDP, which holds every frame to memcached's protocol.txt, and what the tests of UDP
share."""
import functools
import socket
import struct
import time

import server
from listeners import ListenerTest

FRAME_MAX = 1400
HEADER = struct.Struct('>HHHH')  # request id, sequence number, datagrams of the message, reserved
PAYLOAD_MAX = FRAME_MAX - HEADER.size
PROBE = b'verbosity 0\r\n'  # goes to every shard, behind all that was sent there before


class Datagrams:
    """A socket, and what has come in on it, put together by request id and sequence number."""

    def __init__(self, port, host='127.0.0.1'):
        self.socket = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        self.socket.settimeout(server.TIMEOUT_S)
        self.socket.connect((host, port))
        self.parts = {}  # by id: the payloads of an answer that isn't whole, by sequence number
        self.sent_bytes = self.received_bytes = 0
        self.next_id = 1
        self.buffer = bytearray()  # for the player of exchanges

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def raw(self, datagram):
        self.socket.send(datagram)
        self.sent_bytes += len(datagram)

    def request(self, data, number=None, sequence=0, total=1, reserved=0):
        """Sends a request in a frame. Returns its id."""
        if number is None:
            number = self.next_id
            self.next_id = (self.next_id + 1) % 65536
        self.raw(HEADER.pack(number, sequence, total, reserved) + data)
        return number

    def frame(self):
        """Receives a datagram: request id, sequence number, total, payload."""
        datagram = self.socket.recv(65536)
        self.received_bytes += len(datagram)
        assert HEADER.size < len(datagram) <= FRAME_MAX, len(datagram)
        number, sequence, total, reserved = HEADER.unpack_from(datagram)
        assert reserved == 0, reserved
        assert sequence < total, (sequence, total)
        return number, sequence, total, datagram[HEADER.size:]

    def message(self):
        """The next answer that is whole: request id, bytes, and how many frames it came in."""
        while True:
            number, sequence, total, payload = self.frame()
            parts = self.parts.setdefault(number, {})
            assert sequence not in parts, (number, sequence)
            assert sequence == total - 1 or len(payload) == PAYLOAD_MAX, (sequence, len(payload))
            parts[sequence] = payload
            if len(parts) == total:
                del self.parts[number]
                return number, b''.join(parts[n] for n in range(total)), total

    def ask(self, data, **header):
        """The answer to a request; there must be no other."""
        number = self.request(data, **header)
        answered, answer, _ = self.message()
        assert answered == number, (data, answered, number, answer)
        return answer

    def answers_nothing_to(self, datagram):
        """Whether the next answer is that to another request."""
        self.raw(datagram)
        return self.ask(PROBE, number=65535) == b'OK\r\n'

    # What the player of exchanges wants of a connection.

    def send(self, data, _fragment=None):
        self.request(data)

    def fill(self):
        self.buffer += self.message()[1]
        return True


def framed(data, number=1, sequence=0, total=1, reserved=0):
    return HEADER.pack(number, sequence, total, reserved) + data


def free_port():
    """A port that neither TCP nor UDP is using."""
    while True:
        port = server.free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue


def each(test):
    """Runs a test with a server and a client for each number of cores."""
    @functools.wraps(test)
    def run_each(self):
        for cores in (1, 3):
            with self.subTest(cores=cores):
                under_test = self.serve(cores=cores)
                test(self, under_test, self.client(under_test))
    return run_each


class UdpTest(ListenerTest):
    """Servers with one port for TCP and UDP."""

    def serve(self, *flags, cores=1, **options):
        port = free_port()
        return self.start(cores=cores, port=port, flags=('-U', str(port)) + flags, **options)

    def client(self, under_test, host='127.0.0.1', port=None):
        client = Datagrams(port or under_test.port, host)
        self.addCleanup(client.socket.close)
        return client

    def store(self, under_test, items):
        """Over TCP, so that nothing is lost."""
        with under_test.connect() as client:
            for key, value in items:
                self.assertEqual(client.ask(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value)),
                                 b'STORED\r\n')

    @staticmethod
    def values(*items):
        """What get answers."""
        return b''.join(b'VALUE %s 0 %d\r\n%s\r\n' % (key, len(value), value)
                        for key, value in items) + b'END\r\n'

    def eventually_answers(self, under_test, remark=''):
        """Once what was sent before, or is lost, has been dealt with."""
        deadline = time.monotonic() + server.TIMEOUT_S
        with Datagrams(under_test.port) as client:
            client.socket.settimeout(0.5)
            while time.monotonic() < deadline:
                try:
                    client.request(PROBE)
                    while client.message()[1] != b'OK\r\n':
                        pass  # for one who had this port before
                    return
                except TimeoutError:
                    pass
        self.fail('no answer any more %s' % remark)
