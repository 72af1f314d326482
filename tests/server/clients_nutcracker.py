"""nutcracker (twemproxy) in front of two of our servers: what is said through it, and where it lands.

Debian: nutcracker.
"""
import nutcracker
import server


class Nutcracker(server.ServerTest):
    """It speaks the text protocol, pools its connections and splits get lines over its servers."""

    def setUp(self):
        self.servers = [self.start(cores=2) for _ in range(2)]
        self.client = nutcracker.start(self, ''.join('   - 127.0.0.1:%d:1\n' % one.port for one in self.servers),
                                       'murmur')

    def said(self, command, wanted):
        self.client.send(command)
        self.assertEqual(self.client.read(len(wanted)), wanted)

    def test_commands(self):
        self.said(b'get a\r\n', b'END\r\n')
        self.said(b'set a 5 0 1\r\nx\r\nget a\r\n', b'STORED\r\nVALUE a 5 1\r\nx\r\nEND\r\n')
        self.said(b'add a 0 0 1\r\ny\r\nreplace b 0 0 1\r\ny\r\n', b'NOT_STORED\r\n' * 2)
        self.said(b'append a 0 0 1\r\ny\r\nprepend a 0 0 1\r\nw\r\nget a\r\n',
                  b'STORED\r\n' * 2 + b'VALUE a 5 3\r\nwxy\r\nEND\r\n')
        self.said(b'set n 0 0 1\r\n5\r\nincr n 10\r\ndecr n 3\r\nincr none 1\r\n',
                  b'STORED\r\n15\r\n12\r\nNOT_FOUND\r\n')
        self.said(b'touch n 100\r\ntouch none 1\r\n', b'TOUCHED\r\nNOT_FOUND\r\n')
        self.said(b'delete n\r\ndelete n\r\nget n\r\n', b'DELETED\r\nNOT_FOUND\r\nEND\r\n')

    def test_cas(self):
        self.said(b'set a 0 0 1\r\nx\r\n', b'STORED\r\n')
        token = self.client.ask(b'gets a\r\n').split()[4]
        self.said(b'', b'x\r\nEND\r\n')
        self.said(b'cas a 0 0 1 %s\r\ny\r\ncas a 0 0 1 %s\r\nz\r\nget a\r\n' % (token, token),
                  b'STORED\r\nEXISTS\r\nVALUE a 0 1\r\ny\r\nEND\r\n')

    def test_multiget(self):
        """Values come back from both servers, each by its key."""
        keys = [b'key%d' % n for n in range(200)]
        self.said(b''.join(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(key), key) for key in keys),
                  b'STORED\r\n' * len(keys))
        for one in self.servers:
            self.assertGreater(int(one.stat('curr_items')), 20)
        self.client.send(b'get none ' + b' '.join(keys) + b'\r\n')
        found = []
        while (line := self.client.read_line()) != b'END\r\n':
            key, length = line.split()[1], int(line.split()[3])
            self.assertEqual(self.client.read(length + 2), key + b'\r\n')
            found.append(key)
        self.assertEqual(sorted(found), sorted(keys))

    def test_large_and_pipelined(self):
        value = b'v' * 300000
        self.said(b'set large 0 0 300000\r\n' + value + b'\r\n', b'STORED\r\n')
        self.said(b'get large\r\n' * 5, (b'VALUE large 0 300000\r\n' + value + b'\r\nEND\r\n') * 5)
        self.said(b''.join(b'set p%d 0 0 1\r\nx\r\nget p%d\r\n' % (n, n) for n in range(500)),
                  b''.join(b'STORED\r\nVALUE p%d 0 1\r\nx\r\nEND\r\n' % n for n in range(500)))


if __name__ == '__main__':
    server.main()
