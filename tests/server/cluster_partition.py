"""A server that is cut off from etcd, and nothing else: a network of its own, whose cable is pulled out and put in again. It
serves on with the last list, the others go on without it, and it comes back by itself.

Skipped where networks can't be made (it takes root). Debian: etcd-server, iproute2.
"""
import os
import shutil
import subprocess
import time
import unittest

import cluster_server
import server

ASK = r'''
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
client.sendall(b"set a 0 0 1\r\nx\r\nget a\r\nconfig get cluster\r\nquit\r\n")
answer = b""
while data := client.recv(65536):
    answer += data
sys.stdout.buffer.write(answer)
'''


def run(*command):
    return subprocess.run(command, capture_output=True, check=True, timeout=server.TIMEOUT_S).stdout


def setUpModule():
    if not all(shutil.which(name) for name in ('ip', 'unshare', 'nsenter')):
        raise unittest.SkipTest('ip, unshare or nsenter is not installed')
    if subprocess.run(['unshare', '-n', 'true'], capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest('networks can\'t be made here')


class Partition(cluster_server.ClusterTest):
    def setUp(self):
        # One network of a point to a point; these addresses are for tests of networks, and lead nowhere else.
        self.cable = 'sc%d' % os.getpid()
        block = 4 * (os.getpid() % 16384)  # of 198.18.0.0/16, so that another test's is another
        self.here, self.there = ('198.18.%d.%d' % (block // 256, block % 256 + n) for n in (1, 2))
        self.holder = subprocess.Popen(['unshare', '-n', 'sleep', 'infinity'])
        self.addCleanup(self.holder.wait)
        self.addCleanup(self.holder.kill)
        self.inside = ['nsenter', '-t', str(self.holder.pid), '-n']
        self.await_network()
        made = subprocess.run(['ip', 'link', 'add', self.cable, 'type', 'veth', 'peer', 'name', 'sc', 'netns',
                               str(self.holder.pid)], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.skipTest('no network can be joined: ' + made.stderr)
        self.addCleanup(subprocess.run, ['ip', 'link', 'del', self.cable], check=False, capture_output=True)
        run('ip', 'address', 'add', self.here + '/30', 'dev', self.cable)
        run('ip', 'link', 'set', self.cable, 'up')
        for words in (['link', 'set', 'lo', 'up'], ['address', 'add', self.there + '/30', 'dev', 'sc'],
                      ['link', 'set', 'sc', 'up']):
            run(*self.inside, 'ip', *words)
        super().setUp()

    def await_network(self):
        """Until unshare has left ours."""
        deadline = time.monotonic() + server.TIMEOUT_S
        own = os.readlink('/proc/self/ns/net')
        while os.readlink('/proc/%d/ns/net' % self.holder.pid) == own:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def start_etcd(self, **options):
        return super().start_etcd(host=self.here, **options)

    def start_far(self):
        port = server.free_port()
        node = self.start_node(port=port, advertise='%s:%d' % (self.there, port), launcher=self.inside,
                               flags=['-p', str(port), '-l', '0.0.0.0'], host=self.there)
        node.entry = '%s|%s|%d' % (self.there, self.there, port)
        return node

    def ask_far(self, node):
        """From inside: what it answers to a set, a get and for the list."""
        answer = run(*self.inside, '/usr/bin/python3', '-c', ASK, str(node.port))
        front = b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n'
        self.assertEqual(answer[:len(front)], front)
        return cluster_server.parse_config(answer[len(front):])

    def test_cut_off(self):
        nodes = [self.start_node(), self.start_far(), self.start_node()]
        version = self.await_list(nodes)
        for _ in range(2):
            run('ip', 'link', 'set', self.cable, 'down')
            last = self.ask_far(nodes[1])
            self.assertEqual(last[1], sorted(one.entry for one in nodes))
            left = self.await_list([nodes[0], nodes[2]], least=version + 1)
            self.assertEqual(self.ask_far(nodes[1]), last)
            run('ip', 'link', 'set', self.cable, 'up')
            version = self.await_list(nodes, least=left + 1)
        self.await_errors(nodes[1], 'answers again')


if __name__ == '__main__':
    server.main()
