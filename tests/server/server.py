"""The server under test: started, asked, ended; and the tests' way to report in TAP.

The environment says which server:
  SIMPLECACHE          path of our binary (meson gives it)
  SIMPLECACHE_COMMAND  instead of it a whole command, e.g. 'memcached -u nobody', to check the tests
                       themselves against the original: --cores becomes -t, our own -o words are dropped
  SANITIZED=1          the binary is a sanitizer build: limits on memory and time are relaxed
                       (meson gives it)
"""
import atexit
import contextlib
import os
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

import sandbox

SANITIZED = os.environ.get('SANITIZED', '') not in ('', '0')
ORIGINAL = 'SIMPLECACHE_COMMAND' in os.environ  # memcached, not ours
TIMEOUT_S = 120 if SANITIZED else 60  # for anything that happens in a moment on an idle machine
TEST_LIMIT_S = 0 if os.environ.get('LONG') else 5 * TIMEOUT_S  # for a whole test; 0 is none
CLEANUP_LIMIT_S = 30  # for each clean-up of a test that was over its limit
ENDS_SEEN_MAX = 1000  # how often a test may meet the end of one connection

SANDBOX = os.environ.get('SANDBOX')  # what system calls this process and its servers may make; see sandbox.py
if SANDBOX:
    sandbox.enter(SANDBOX)

ENGINE = r'(?:, epoll(?: \([^()]*io_uring[^()]*\))?)?'  # in the line of the start, where it is not io_uring

running = set()  # servers to kill if this process ends without having stopped them
reserved = []  # sockets whose names keep ports from other tests


def program():
    """The command that starts the server, without flags."""
    if ORIGINAL:
        return shlex.split(os.environ['SIMPLECACHE_COMMAND'])
    path = os.environ.get('SIMPLECACHE')
    if not path:
        sys.exit('SIMPLECACHE must name the server binary (or SIMPLECACHE_COMMAND a command)')
    return [path]


def free_port():
    """A port nobody listens on, outside the ephemeral range, so that no client socket takes it; and no other test's,
    nor another's of this process: until it ends, a name of the kernel's that only one process can have stands for it."""
    while True:
        port = random.randrange(11300, 32000)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind('\0simplecache-test-port-%d' % port)
        except OSError:
            name.close()
            continue
        reserved.append(name)
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue


def user_flags():
    """Root stays root: a changed user id would keep the leak sanitizer from looking at the process,
    and no -u at all earns a warning on stderr."""
    return ['-u', 'root'] if os.geteuid() == 0 and not ORIGINAL else []


def need(name, package):
    """Fails the test when a program it needs is not installed."""
    if not shutil.which(name):
        raise AssertionError('%s is not installed (Debian: %s)' % (name, package))


class Connection:
    """A client's socket (of a unix one `host` is the path), with reads that end at a deadline instead of hanging."""

    def __init__(self, port, host='127.0.0.1', receive_buffer=None, timeout=TIMEOUT_S):
        local = host.startswith('/')
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        self.socket = socket.socket(socket.AF_UNIX if local else family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(host if local else (host, port))
        if not local:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.ends_seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data, fragment=None):
        """Sends data, with one system call per `fragment` bytes."""
        if fragment is None:
            self.socket.sendall(data)
            return
        for start in range(0, len(data), fragment):
            self.socket.sendall(data[start:start + fragment])

    def fill(self):
        """Adds what has arrived to the buffer; False at the end of the stream (a reset is one too). Who goes on and on
        reading behind the end waits in vain for something else, and is told."""
        try:
            chunk = self.socket.recv(1 << 18)
        except ConnectionResetError:
            chunk = b''
        self.buffer += chunk
        self.ends_seen += not chunk
        if self.ends_seen > ENDS_SEEN_MAX:
            raise ConnectionError('the connection has ended')
        return bool(chunk)

    def read(self, length):
        """Exactly `length` bytes, or fewer at the end of the stream."""
        while len(self.buffer) < length and self.fill():
            pass
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    def read_line(self):
        """A line with its newline."""
        while b'\n' not in self.buffer and self.fill():
            pass
        return self.read(self.buffer.find(b'\n') + 1 or len(self.buffer))

    def read_all(self):
        """Everything up to the end of the stream."""
        while self.fill():
            pass
        return self.read(len(self.buffer))

    def ask(self, data):
        """Sends commands and returns the first line of the answer."""
        self.send(data)
        return self.read_line()

    def end_input(self):
        """Half-close: nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def fileno(self):
        """For select()."""
        return self.socket.fileno()


class Thread(threading.Thread):
    """One of a test, which keeps neither the test nor its process from their end: join() has a limit, and raises what the
    thread has met."""

    def __init__(self, **options):
        super().__init__(daemon=True, **options)
        self.failure = None

    def run(self):
        try:
            super().run()
        except Exception as failure:
            self.failure = failure

    def join(self, timeout=10 * TIMEOUT_S):
        super().join(timeout)
        if self.is_alive():
            raise AssertionError('a thread of the test does not end')
        if self.failure:
            raise self.failure


def of_threads(pid, name):
    """What a file of /proc says of each thread that a process has, by the thread's id; some may end meanwhile."""
    folder = '/proc/%d/task/' % pid
    found = {}
    for thread in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(folder + thread + '/' + name, encoding='ascii') as file:
                found[int(thread)] = file.read()
    return found


def thread_of(pid, name):
    """The id of the thread of that name; the main one has the program's."""
    if name == 'main':
        return pid
    for thread, comm in of_threads(pid, 'comm').items():
        if comm.rstrip('\n') == name:
            return thread
    raise AssertionError('there is no thread ' + name)


class Server:
    """One server process on a free loopback port."""

    def __init__(self, cores=1, flags=(), ring_capacity=None, nofile=None, inherited=(), port=None,
                 wait=True, command=None, host='127.0.0.1', environment=None, launcher=(),
                 stderr=None, before=None):
        """`command` is that of another server, which takes its port alone; `host` is where to find
        this one; flags with a -p of their own get no other; `launcher` is a command that runs the
        server's and says where it listens; `stderr` is what the server writes to instead of a file
        that errors() reads; `before` is called in the process that becomes the server."""
        self.port = port or free_port()
        self.host = host
        self.may_talk = ORIGINAL or command is not None  # on stderr, without --verbose
        self.command = [*launcher, *(command or self.own_command(cores, flags, ring_capacity))]
        if '-p' not in flags and not launcher:
            self.command += ['-p', str(self.port)]
        self.stdout = tempfile.TemporaryFile()
        self.stderr = tempfile.TemporaryFile()

        def limit():
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, nofile)
            if before:
                before()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.stdout,
                                        stderr=stderr or self.stderr, preexec_fn=limit, pass_fds=inherited,
                                        env=dict(os.environ, **(environment or {})))
        running.add(self)
        if wait:
            self.wait_ready()

    @staticmethod
    def own_command(cores, flags, ring_capacity):
        """The server under test with its flags."""
        command = program() + ['-t' if ORIGINAL else '--cores', str(cores)]
        if '-u' not in flags:
            command += user_flags()
        if ring_capacity and not ORIGINAL:
            command += ['-o', 'ring_capacity=%d' % ring_capacity]
        return command + list(flags)

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self):
        """Returns once the server answers; AssertionError when it doesn't."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with self.connect() as client:
                    if client.ask(b'version\r\n').startswith(b'VERSION '):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        self.kill()
        raise AssertionError('%s does not answer (status %s); stderr: %s'
                             % (self.command, self.process.returncode, self.errors()))

    def connect(self, **options):
        return Connection(self.port, **{'host': self.host, **options})

    def connect_alone(self, **options):
        """A client, once no other is there: that of wait_ready() may be gone only a little later."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            client = self.connect(**options)
            if ORIGINAL:  # which counts its listeners
                time.sleep(0.2)
                return client
            try:
                while self.stat('curr_connections', client) != '1':
                    if time.monotonic() > deadline:
                        raise AssertionError('others stay connected')
                    time.sleep(0.01)
                return client
            except ConnectionError:  # it was one too many itself
                client.close()
                if time.monotonic() > deadline:
                    raise

    def output(self):
        """What it wrote to stdout so far."""
        return self.text(self.stdout)

    def errors(self):
        """What it wrote to stderr so far."""
        return self.text(self.stderr)

    @staticmethod
    def text(file):
        # The server writes where the file's position is, which is not to be moved.
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors='replace')

    def stop(self, sent=signal.SIGTERM):
        """Ends the server; AssertionError unless it exits with 0 and has said nothing on stderr
        (a sanitizer's report lands there)."""
        running.discard(self)
        if self.process.poll() is None:
            self.process.send_signal(sent)
        try:
            status = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError('%s does not end on %s' % (self.command, sent)) from None
        errors = self.errors()
        may_talk = (self.may_talk or '--verbose' in self.command) and 'Sanitizer' not in errors
        if status != 0 or (errors and not may_talk):
            raise AssertionError('%s: exit status %d, stderr: %s' % (self.command, status, errors))

    def kill(self):
        running.discard(self)
        self.process.kill()
        self.process.wait()

    def descriptors(self):
        """How many file descriptors it has open."""
        return len(os.listdir('/proc/%d/fd' % self.pid))

    def resident_bytes(self):
        """Counted page by page, where this process may see that: what the status has may be off by hundreds of KB."""
        try:
            with open('/proc/%d/smaps_rollup' % self.pid, encoding='ascii') as rollup:
                return int(re.search(r'^Rss:\s+(\d+) kB', rollup.read(), re.M)[1]) * 1024
        except OSError:
            with open('/proc/%d/status' % self.pid, encoding='ascii') as status:
                return int(re.search(r'VmRSS:\s+(\d+) kB', status.read())[1]) * 1024

    def states(self):
        """What its threads are doing, in the letters of /proc."""
        return {stat.rpartition(')')[2].split()[0] for stat in of_threads(self.pid, 'stat').values()}

    def threads(self):
        """Their names."""
        return sorted(comm.rstrip('\n') for comm in of_threads(self.pid, 'comm').values())

    def stat(self, name, client=None):
        """The value of one line of `stats`, as a string; None when there is none. Asked by that client, or by one of
        its own."""
        with contextlib.nullcontext(client) if client else self.connect() as asking:
            asking.send(b'stats\r\n')
            found = {}
            while (line := asking.read_line().decode().split())[:1] == ['STAT']:
                found[line[1]] = line[2]
            if line != ['END'] and client:
                raise ConnectionError('no statistics but %s' % line)
            return found.get(name)


class ServerTest(unittest.TestCase):
    """Tests that start servers of their own; each must end well at the end of the test."""

    def start(self, **options):
        server = Server(**options)
        self.addCleanup(server.stop)
        return server


class TapResult(unittest.TestResult):
    """One TAP line per case. The reason of a failure goes to stderr, since meson shows nothing else of
    a test that fails."""

    count = 0

    def say(self, verdict, test, remark='', error=None):
        self.count += 1
        print('%s %d - %s%s' % (verdict, self.count, str(test).replace('#', ''), remark))
        if error:
            traceback.print_exception(*error)
        sys.stdout.flush()

    def startTest(self, test):
        super().startTest(test)
        limit()

    def stopTest(self, test):
        limit()  # for what the next one's class prepares
        super().stopTest(test)

    def addSuccess(self, test):
        self.say('ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say('ok', test, ' # SKIP ' + ' '.join(reason.split()))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say('not ok', test, '', err)

    def addError(self, test, err):
        super().addError(test, err)
        self.say('not ok', test, '', err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.say('not ok', subtest, '', err)


class TapRunner:
    """What unittest.main() runs the tests with."""

    def __init__(self, **_):
        pass

    def run(self, test):
        result = TapResult()
        signal.signal(signal.SIGALRM, over_limit)
        limit()
        test(result)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print('1..%d' % result.count)
        return result


def kill_running():
    for server in list(running):
        server.kill()


def limit():
    """From here on a wait that never ends becomes a failure that shows its place."""
    signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT_S, CLEANUP_LIMIT_S)


def over_limit(*_):
    raise AssertionError('over the limit for a test, %d s' % TEST_LIMIT_S)


def end(status):
    """Ends the process, even if a test left a thread of its own running."""
    threads = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    kill_running()
    for thread in threads:
        thread.join(CLEANUP_LIMIT_S)
        if thread.is_alive():
            print('a thread is left over:', thread, file=sys.stderr)
            sys.stderr.flush()
            os._exit(1)
    sys.exit(status)


def interrupt(*_):
    """Unlike SystemExit, unittest lets this one through."""
    raise KeyboardInterrupt


def main():
    """Runs the tests of the script that calls it. Arguments are unittest's, e.g. -k PATTERN."""
    atexit.register(kill_running)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGALRM, over_limit)
    ran = unittest.main(testRunner=TapRunner, exit=False)
    end(0 if ran.result.wasSuccessful() else 1)
