"""Loads of mc-crusher, and servers that are looked at while they are under one."""
import contextlib
import glob
import os
import shutil
import subprocess
import tempfile
import time

import peers
from peers import HERE, Trouble, end, start

MISSING = ('mc-crusher is not there: its source is https://github.com/memcached/mc-crusher, built with '
           '`make` and libevent; put it on PATH or name it in MC_CRUSHER')
WBUF = 65536  # mc-crusher's buffer for one write; larger ones overrun it
WARM_KEYS_PER_S_MIN = 50000
RAMP_S = 0.3  # from the generator's start to the first look


def find_crusher():
    """The path of mc-crusher, or None."""
    return shutil.which(os.environ.get('MC_CRUSHER', 'mc-crusher'))


def cpu_list(text):
    """The CPUs of a list such as 0-1,3."""
    cpus = set()
    for part in text.split(','):
        first, _, last = part.partition('-')
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def cpu_ns(pid):
    """The CPU time of all threads of a process."""
    total = 0
    for path in glob.glob('/proc/%d/task/*/schedstat' % pid):
        with open(path, encoding='ascii') as file:
            total += int(file.read().split()[0])
    return total


class Server(peers.Server):
    """One of the servers under comparison, and which keys it holds already."""

    def __init__(self, name, template, options):
        super().__init__(name, template, options.server_cpus)
        self.warmed = set()

    def look(self, generator):
        """Time, CPU time in ns and the counters, at about one moment; with the counters the CPU time
        of the generator."""
        stats = self.stats()
        stats['generator_ns'] = cpu_ns(generator.pid)
        return time.monotonic(), cpu_ns(self.process.pid), stats


class Load:
    """A file in mc-crusher's format, changed to the wanted number of connections, keys and bytes."""

    def __init__(self, name, options):
        own = os.path.join(HERE, 'crusher', name + '.conf')
        path = own if os.path.exists(own) else name
        try:
            with open(path, encoding='utf-8') as file:
                lines = [dict(word.split('=', 1) for word in line.strip().split(','))
                         for line in file if line.strip()]
        except (OSError, ValueError) as error:
            raise Trouble('load %s: %s' % (name, error)) from None
        self.name = os.path.basename(name)
        self.lines = [self.sized(line, options) if path == own else line for line in lines]
        for line in self.lines:
            if int(line.get('pipelines', 1)) * (int(line.get('value_size', 0)) + 300) > WBUF:
                raise Trouble('load %s: its value size times its pipelines overruns mc-crusher'
                              % self.name)

    @staticmethod
    def sized(line, options):
        """One line with the options in place of the defaults; connections in the line's proportion."""
        line = dict(line, key_count=str(options.keys))
        if 'value_size' in line:
            line['value_size'] = str(options.value_size)
        if 'stop_after' in line:
            line['stop_after'] = str(options.keys)
        else:
            line['conns'] = str(max(1, int(line['conns']) * options.conns // 50))
        return line

    def keys(self):
        """The ranges of keys it asks for: (prefix, count) pairs, with mc-crusher's defaults."""
        return {(line.get('key_prefix', 'foo'), int(line.get('key_count', 200000)))
                for line in self.lines}

    @contextlib.contextmanager
    def command(self, server, seconds, options):
        """What runs it, while its file is there for mc-crusher to read."""
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
            for line in self.lines:
                file.write(','.join('%s=%s' % pair for pair in line.items()) + '\n')
            file.flush()
            yield [options.crusher, '--conf', file.name, '--ip', '127.0.0.1', '--port',
                   str(server.port), '--timeout', str(seconds + 30)]

    def warm(self, server, options):
        """Sets every key that it asks for, once per server."""
        for prefix, count in self.keys() - server.warmed:
            setter = Load('warm', options)
            setter.name = 'warm'
            setter.lines[0].update(key_prefix=prefix, key_count=str(count), stop_after=str(count))
            wanted = server.stats()['cmd_set'] + count
            seconds = 60 + count // WARM_KEYS_PER_S_MIN
            with under_way(setter, server, seconds, options) as process:
                deadline = time.monotonic() + seconds
                while server.stats()['cmd_set'] < wanted and process.poll() is None:
                    if time.monotonic() > deadline:
                        raise Trouble('%s is not warm after %d s' % (server.name, seconds))
                    time.sleep(0.05)
            server.warmed.add((prefix, count))


@contextlib.contextmanager
def under_way(load, server, seconds, options):
    """The generator at work; checks at the end that it went on until it was ended."""
    with load.command(server, seconds, options) as command, tempfile.TemporaryFile() as said:
        process = start(command, options.generator_cpus, stdout=subprocess.DEVNULL, stderr=said)
        try:
            yield process
            if process.poll() is not None:
                server.check()
                said.seek(0)
                last = said.read().decode(errors='replace').strip().splitlines()[-1:]
                raise Trouble('the generator ended early on %s, load %s: status %d %s'
                              % (server.name, load.name, process.returncode, ''.join(last)))
        finally:
            end(process)


def observe(server, load, generator, options):
    """What a server does under a load that is under way: seconds, CPU time in ns, and what its
    counters gain, and generator_ns."""
    time.sleep(RAMP_S)
    begun, cpu_begun, before = server.look(generator)
    time.sleep(options.seconds)
    ended, cpu_ended, after = server.look(generator)
    gained = {name: value - before.get(name, 0) for name, value in after.items()}
    if not gained['cmd_get'] + gained['cmd_set']:
        raise Trouble('%s did nothing under load %s' % (server.name, load.name))
    if gained['get_hits'] < 0.999 * gained['cmd_get']:
        raise Trouble('%s: hit ratio %.3f under load %s'
                      % (server.name, gained['get_hits'] / gained['cmd_get'], load.name))
    return ended - begun, cpu_ended - cpu_begun, gained


def measure(server, load, options):
    """One load on one server for the given time: as observe()."""
    load.warm(server, options)
    with under_way(load, server, options.seconds, options) as generator:
        result = observe(server, load, generator, options)
    server.check()
    return result
