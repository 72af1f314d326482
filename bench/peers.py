"""What the side-by-side runs share: servers that are started and ended here, and tables."""
import glob
import os
import re
import shlex
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SKIP = 77  # the exit status that meson takes for "skipped"


class Trouble(Exception):
    """What spoils a run, in one line."""


def start(command, cpus=None, **output):
    """A process, pinned to some CPUs if they are given."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL,
                            preexec_fn=cpus and (lambda: os.sched_setaffinity(0, cpus)), **output)


def end(process):
    """Ends a process of ours: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """One of the servers under comparison, from the start to the end of a `with`."""

    def __init__(self, name, template, cpus=None):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self.name = name
        self.errors = tempfile.TemporaryFile()
        command = shlex.split(template.replace('{port}', str(self.port)))
        try:
            self.process = start(command, cpus, stdout=subprocess.DEVNULL, stderr=self.errors)
        except (OSError, subprocess.SubprocessError) as error:
            raise Trouble('%s does not start: %s' % (name, error)) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)

    def wait_ready(self):
        """Until it accepts connections."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Trouble('%s does not accept connections' % self.name)

    def check(self):
        """It must still run."""
        if self.process.poll() is not None:
            self.errors.seek(0)
            said = self.errors.read().decode(errors='replace').strip().splitlines()
            raise Trouble('%s ended with status %d%s' % (self.name, self.process.returncode,
                                                         ': ' + said[-1] if said else ''))

    def stats(self):
        """What `stats` answers, numbers only."""
        try:
            with socket.create_connection(('127.0.0.1', self.port), 10) as client:
                client.sendall(b'stats\r\n')
                text = client.recv(65536)
                while text and not text.endswith(b'\nEND\r\n'):
                    text += client.recv(65536)
        except OSError as error:
            self.check()
            raise Trouble('%s does not answer stats: %s' % (self.name, error)) from None
        return {name: int(value) for name,
                value in re.findall(r'^STAT (\w+) (\d+)\r?$', text.decode(), re.M)}

    def resident_mb(self):
        """Its resident size."""
        with open('/proc/%d/status' % self.process.pid, encoding='ascii') as file:
            return int(re.search(r'VmRSS:\s+(\d+) kB', file.read())[1]) / 1024


def newest_build(folder, name):
    """The newest program of that name in the build folders, or None."""
    built = glob.glob(os.path.join(HERE, '..', 'build*', folder, name))
    return max(built, key=os.path.getmtime, default=None)


def program(path, folder, name):
    """The path given, or the newest build's."""
    path = path or newest_build(folder, name)
    if not path:
        raise Trouble('no %s in a build folder: build it, or name it with --%s PATH' % (name, name))
    return path


def default_servers(options, memcached_flags=''):
    """Commands of our binary and of memcached with the same memory, cores and user; {port} stays."""
    path = program(options.simplecache, 'core', 'simplecache')
    common = '-m %s -p {port} -l 127.0.0.1%s' % (options.memory,
                                                 ' -u nobody' if os.geteuid() == 0 else '')
    return ['simplecache=%s --cores %d %s' % (shlex.quote(path), options.cores, common),
            'memcached=%s -t %d %s %s' % (shlex.quote(options.memcached), options.cores,
                                          memcached_flags, common)]


def add_server_options(add):
    """The options of default_servers(), but for the memory; `add` adds one to a parser."""
    add('--server', action='append', metavar='NAME=COMMAND',
        help='a server to run, with {port} in its command; repeat')
    add('--simplecache', metavar='PATH', help='our binary (default: the newest in build*/core)')
    add('--memcached', metavar='PATH', default='memcached', help='(default: the one on PATH)')


def table(head, rows, markdown, left=1):
    """The rows under their heads, for a terminal or for a README; `left` columns hold words."""
    rows = [head] + rows
    widths = [max(len(cells[n]) for cells in rows) for n in range(len(head))]
    lines = [[cell.ljust(width) if n < left else cell.rjust(width)
              for n, (cell, width) in enumerate(zip(cells, widths))] for cells in rows]
    if not markdown:
        return '\n'.join('  '.join(cells) for cells in lines)
    lines.insert(1, ['-' * width if n < left else '-' * (width - 1) + ':'
                     for n, width in enumerate(widths)])
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in lines)
