"""`stats latency`: how many commands of each kind, in every protocol, and that what it tells of their times fits
together. How long they take exactly is in tests/core/test_timing.c, with a clock that stands still."""
import server
from binary import (ADD, DECR, DELETE, DELETEQ, FOREVER, GAT, GET, GETK, GETQ, INCR, NOOP, SET, SETQ, STAT, TOUCH, VERSION,
                    number, request)
from datagrams import Datagrams, free_port

KINDS = ('get', 'set', 'touch', 'delete', 'arithmetic', 'other', 'turn')
WHAT = ('count', 'p50_us', 'p90_us', 'p99_us', 'p99.9_us', 'max_us')

# By how much the counts move. Keys are spread over all cores by their numbers; what is stored is never large.
TEXT = [
    (b'get k%d\r\n', {'get': 1}),
    (b'gets k%d none other\r\n', {'get': 1}),
    (b'set k%d 0 0 1\r\nx\r\n', {'set': 1}),
    (b'set k%d 0 0 1 noreply\r\nx\r\n', {'set': 1}),
    (b'add k%d 0 0 1\r\nx\r\nappend k%d 0 0 1\r\nx\r\ncas k%d 0 0 1 7\r\nx\r\n', {'set': 3}),
    (b'gat 0 k%d k%d\r\n', {'touch': 1}),
    (b'touch k%d 0\r\n', {'touch': 1}),
    (b'delete k%d\r\ndelete k%d noreply\r\n', {'delete': 2}),
    (b'incr k%d 1\r\ndecr k%d 1\r\n', {'arithmetic': 2}),
    (b'mg k%d v\r\nmg k%d v q\r\nme k%d\r\n', {'get': 3}),
    (b'ms k%d 1\r\nx\r\nms k%d 1 q\r\nx\r\n', {'set': 2}),
    (b'md k%d\r\nma k%d N0 J5\r\n', {'delete': 1, 'arithmetic': 1}),
    (b'version\r\nverbosity 0\r\nnonsense\r\nstats settings\r\nflush_all 1000\r\n', {'other': 5}),
    (b'set k%d 0 0 100000\r\n' + 100000 * b'v' + b'\r\nget k%d\r\nget k%d\r\n', {'set': 1, 'get': 2}),
]
BINARY = [
    (lambda key: request(GET, key) + request(GETK, key) + request(GETQ, key), {'get': 3}),
    (lambda key: request(SET, key, FOREVER, b'x') + request(SETQ, key, FOREVER, b'x'), {'set': 2}),
    (lambda key: request(ADD, key, FOREVER, b'x'), {'set': 1}),
    (lambda key: request(TOUCH, key, bytes(4)) + request(GAT, key, bytes(4)), {'touch': 2}),
    (lambda key: request(DELETE, key) + request(DELETEQ, key), {'delete': 2}),
    (lambda key: request(INCR, key, number(1, 5)) + request(DECR, key, number(1)), {'arithmetic': 2}),
    (lambda key: request(VERSION) + request(NOOP), {'other': 2}),
]


def parse(answer):
    """{name: value as text} of STAT lines."""
    return dict(line.split(' ')[1:] for line in answer.decode().split('\r\n') if line.startswith('STAT '))


def ask_text(client, data, end):
    """What comes up to and with a line."""
    client.send(data)
    answer = b''
    while not answer.endswith(end):
        line = client.read_line()
        assert line, answer
        answer += line
    return answer


def ask_binary(client, data, opcode):
    """The answers up to the one with this opcode and no key, as (key, value)."""
    client.send(data)
    answers = []
    while True:
        header = client.read(24)
        body = client.read(int.from_bytes(header[8:12], 'big'))[header[4]:]
        key, value = body[:header[3]], body[header[3]:]
        if header[1] == opcode and not key:
            return answers
        answers.append((key.decode('latin-1'), value.decode('latin-1')))


def counts(told):
    return {kind: int(told[kind + ':count']) for kind in KINDS if kind != 'turn'}


def filled(template, index):
    return template.replace(b'%d', b'%d' % index)


class Latency(server.ServerTest):

    def moves(self, told, work, wanted, others):
        """told() before and after work() differs by `wanted`, and by so many commands of the test itself."""
        before = counts(told())
        work()
        after = counts(told())
        moved = {kind: after[kind] - before[kind] for kind in before}
        moved['other'] -= others
        self.assertEqual({kind: by for kind, by in moved.items() if by}, wanted)

    def test_text(self):
        for cores in (1, 2, 5):
            with self.start(cores=cores).connect() as client:
                for index, (template, wanted) in enumerate(TEXT):
                    with self.subTest(cores=cores, template=template[:60]):
                        data = filled(template, index)
                        self.moves(lambda: parse(ask_text(client, b'stats latency\r\n', b'END\r\n')),
                                   lambda: ask_text(client, data + b'mn\r\n', b'MN\r\n'), wanted, 2)

    def test_binary(self):
        for cores in (1, 2, 5):
            with self.start(cores=cores).connect() as client:
                for index, (make, wanted) in enumerate(BINARY):
                    with self.subTest(cores=cores, index=index):
                        data = make(b'k%d' % index)
                        self.moves(lambda: dict(ask_binary(client, request(STAT, b'latency'), STAT)),
                                   lambda: ask_binary(client, data + request(NOOP), NOOP), wanted, 2)

    def test_udp(self):
        for cores in (1, 2, 5):
            port = free_port()
            self.start(cores=cores, port=port, flags=('-U', str(port)))
            with Datagrams(port) as client:
                for index, (template, wanted) in enumerate(TEXT):
                    data = filled(template, index)
                    if len(data) > 60000:
                        continue
                    with self.subTest(cores=cores, template=template):
                        self.moves(lambda: parse(client.ask(b'stats latency\r\n')),
                                   lambda: client.ask(data + b'mn\r\n'), wanted, 2)

    def test_pieces_in_many_turns(self):
        """Each request counts once, however its bytes come and its replies leave."""
        for cores in (1, 2, 5):
            with self.start(cores=cores).connect() as client:
                data = b''.join(b'set p%d 0 0 20000\r\n%s\r\nget p%d p%d\r\n' % (i, b'v' * 20000, i, i + 1)
                                for i in range(50))
                work = lambda: (client.send(data, 7777), ask_text(client, b'mn\r\n', b'MN\r\n'))
                self.moves(lambda: parse(ask_text(client, b'stats latency\r\n', b'END\r\n')), work,
                           {'set': 50, 'get': 50}, 2)

    def test_what_it_tells(self):
        """All names are there, in order; percentiles grow up to the longest time; a reset begins anew."""
        for cores in (1, 2):
            with self.start(cores=cores).connect() as client:
                for i in range(300):
                    ask_text(client, b'get k%d\r\n' % i, b'END\r\n')
                told = parse(ask_text(client, b'stats latency\r\n', b'END\r\n'))
                self.assertEqual(list(told), ['%s:%s' % (kind, what) for kind in KINDS for what in WHAT])
                self.assertEqual(told['get:count'], '300')
                self.assertGreaterEqual(int(told['turn:count']), 300)
                for kind in KINDS:
                    times = [float(told['%s:%s' % (kind, what)]) for what in WHAT[1:]]
                    self.assertEqual(times, sorted(times))
                    self.assertEqual(times[-1] > 0, told[kind + ':count'] != '0', kind)
                ask_text(client, b'stats reset\r\n', b'RESET\r\n')
                told = parse(ask_text(client, b'stats latency\r\n', b'END\r\n'))
                self.assertEqual(told['get:count'], '0')
                self.assertEqual(told['get:max_us'], '0.00')
                self.assertEqual(told['other:count'], '1', 'the reset')


if __name__ == '__main__':
    server.main()
