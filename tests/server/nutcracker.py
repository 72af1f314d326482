"""nutcracker (twemproxy) in front of servers of a test.

Debian: nutcracker.
"""
import os
import subprocess
import tempfile
import time

import server

CONFIG = '''pool:
  listen: 127.0.0.1:%d
  hash: %s
  distribution: ketama
  timeout: 10000
  servers:
%s'''


def start(test, servers, hash_name='md5'):
    """A client of one that has these servers, lines of its configuration; both end with the test."""
    server.need('nutcracker', 'nutcracker')
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    port = server.free_port()
    config = os.path.join(folder.name, 'nutcracker.yml')
    with open(config, 'w', encoding='ascii') as file:
        file.write(CONFIG % (port, hash_name, servers))
    proxy = subprocess.Popen(['nutcracker', '-c', config, '-o', os.path.join(folder.name, 'log'), '-p',
                              os.path.join(folder.name, 'pid'), '-a', '127.0.0.1', '-s', str(server.free_port())],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    test.addCleanup(proxy.wait, server.TIMEOUT_S)
    test.addCleanup(proxy.terminate)
    client = connect(proxy, port)
    test.addCleanup(client.close)
    return client


def connect(proxy, port):
    deadline = time.monotonic() + server.TIMEOUT_S
    while True:
        try:
            return server.Connection(port)
        except ConnectionRefusedError:
            if time.monotonic() > deadline or proxy.poll() is not None:
                raise
            time.sleep(0.01)
