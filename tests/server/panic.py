"""The report of a process that dies of a bug: what it says, what it doesn't, and how the process ends."""
import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import server

SYS_TGKILL = 234  # x86-64
SYS_POLL, SYS_PPOLL = '7', '271'
KEY = b'secret_key'


@unittest.skipIf(server.SANITIZED, 'a sanitizer reports in its own way')
@unittest.skipIf(server.ORIGINAL, 'memcached has no such report')
class Panic(unittest.TestCase):
    def start(self, **options):
        started = server.Server(cores=2, **options)
        self.addCleanup(started.kill)
        return started

    def end_of(self, dying, number):
        """What it has written when the signal has ended it."""
        self.assertEqual(dying.process.wait(server.TIMEOUT_S), -number)
        server.running.discard(dying)
        return dying.errors()

    def await_report(self, dying, name):
        """Until the thread has begun its report: it waits for a reader, for longer than this takes."""
        path = '/proc/%d/task/%d/syscall' % (dying.pid, server.thread_of(dying.pid, name))
        if not os.access(path, os.R_OK):
            time.sleep(0.05)
            return
        deadline = time.monotonic() + server.TIMEOUT_S
        while True:
            try:
                with open(path, encoding='ascii') as call:
                    if call.read().split()[0] in (SYS_POLL, SYS_PPOLL):
                        return
            except OSError:
                return  # it has ended by now
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def kill_thread(self, dying, name, number, pid=None):
        pid = pid or dying.pid
        thread = server.thread_of(pid, name)
        if ctypes.CDLL(None, use_errno=True).syscall(SYS_TGKILL, pid, thread, number) != 0:
            error = ctypes.get_errno()
            raise OSError(error, 'tgkill: ' + os.strerror(error))

    @unittest.skipUnless(os.uname().machine == 'x86_64', 'the number of the system call')
    def test_each_signal(self):
        """On a reactor that has nothing to do: which one, and its turn, but no connection."""
        for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
            with self.subTest(number):
                dying = self.start()
                dying.stat('threads')  # is answered when all reactors run
                self.kill_thread(dying, 'reactor 1', number)
                report = self.end_of(dying, number)
                lines = report.splitlines()
                self.assertRegex(lines[0], r'^simplecache: panic: signal %d \(%s\), version [0-9.]+$'
                                 % (number, number.name))
                self.assertRegex(lines[1], r'^simplecache: panic: reactor 1, turn [0-9]+$')
                self.assertEqual(lines[2], 'simplecache: panic: backtrace:')
                self.assertGreater(len(lines), 5)
                self.assertIn('reactor_run', report)

    def test_other_thread(self):
        dying = self.start()
        os.kill(dying.pid, signal.SIGABRT)
        self.assertIn('simplecache: panic: no reactor\n', self.end_of(dying, signal.SIGABRT))

    def test_in_the_background(self):
        """Where stderr is closed the process ends all the same."""
        dying = self.start(stderr=subprocess.DEVNULL)
        os.kill(dying.pid, signal.SIGSEGV)
        self.assertEqual(self.end_of(dying, signal.SIGSEGV), '')

    @unittest.skipUnless(os.uname().machine == 'x86_64', 'the number of the system call')
    @unittest.skipIf(os.geteuid() != 0 or server.SANDBOX == 'docker', 'makes a namespace')
    def test_in_a_container(self):
        """Of whose processes it is the first, which no signal ends that it sends itself."""
        for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
            with self.subTest(number):
                port = server.free_port()
                dying = self.start(port=port, launcher=['unshare', '--pid', '--fork', '--kill-child'],
                                   flags=('-p', str(port)))
                dying.stat('threads')
                with open('/proc/%d/task/%d/children' % (dying.pid, dying.pid), encoding='ascii') as children:
                    first = int(children.read())
                self.kill_thread(dying, 'reactor 1', number, pid=first)
                self.assertEqual(dying.process.wait(server.TIMEOUT_S), 128 + number)
                self.assertIn('simplecache: panic: reactor 1, turn', dying.errors())

    def test_nobody_reads(self):
        """A full socket, as a journal's that is stuck: the process ends, for somebody to start it again."""
        reader, stderr = socket.socketpair()
        self.addCleanup(reader.close)
        self.addCleanup(stderr.close)
        dying = self.start(stderr=stderr.fileno())
        stderr.setblocking(False)
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while stderr.send(bytes(size)):
                    pass
        stderr.setblocking(True)
        os.kill(dying.pid, signal.SIGSEGV)
        self.assertEqual(self.end_of(dying, signal.SIGSEGV), '')

    @unittest.skipUnless(os.uname().machine == 'x86_64', 'the number of the system call')
    def test_two_at_once(self):
        """A second thread that fails during the report doesn't cut it off: stderr is full at first. It waits for a
        reader for 200 ms; a busy machine may give us less than that."""
        report, seconds = '', 1
        for _ in range(20):
            report, seconds = self.report_of_two()
            if seconds < 0.15:
                break
        else:
            self.skipTest('this machine is too busy')
        self.assertIn('panic: reactor 0, turn', report)
        self.assertNotIn('panic: reactor 1, turn', report)
        self.assertIn('reactor_run', report.partition('panic: backtrace:')[2])

    def report_of_two(self):
        """The report, and how long it had to wait for its reader."""
        reader, stderr = socket.socketpair()
        self.addCleanup(reader.close)
        self.addCleanup(stderr.close)
        dying = self.start(stderr=stderr.fileno())
        dying.stat('threads')  # is answered when all reactors run
        stderr.setblocking(False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += stderr.send(bytes(4096))
        stderr.setblocking(True)
        begun = time.monotonic()
        self.kill_thread(dying, 'reactor 0', signal.SIGSEGV)
        self.await_report(dying, 'reactor 0')
        with contextlib.suppress(ProcessLookupError):  # it has ended by now
            self.kill_thread(dying, 'reactor 1', signal.SIGSEGV)
        while filled > 0:
            filled -= len(reader.recv(filled))
        seconds = time.monotonic() - begun
        self.end_of(dying, signal.SIGSEGV)
        reader.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            return reader.recv(1 << 20).decode(), seconds
        return '', seconds

    def debug(self, debugged, *commands):
        """gdb, attached; ready for what it waits for when this returns."""
        server.need('gdb', 'gdb')
        arguments = [word for command in commands for word in ('-ex', command)]
        debugger = subprocess.Popen(
            ['gdb', '--nx', '--batch', '-p', str(debugged.pid), '-ex', 'echo attached\\n', *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(debugger.stdout.close)
        self.addCleanup(debugger.wait)
        self.addCleanup(debugger.kill)
        for line in debugger.stdout:
            if line == 'attached\n':
                time.sleep(0.5)
                return debugger
        raise AssertionError('gdb can not attach')

    def test_in_a_request(self):
        """In the middle of a get: the connection and the command, and neither key nor value."""
        dying = self.start()
        with dying.connect() as client:
            self.assertEqual(client.ask(b'set %s 0 0 6\r\nVALUES\r\n' % KEY), b'STORED\r\n')
            client.send(b'stats conns\r\n')
            mine = rb'STAT (\d+):addr tcp:127.0.0.1:%d\r\n' % client.socket.getsockname()[1]
            number = None
            while (line := client.read_line()) != b'END\r\n':
                number = number or re.fullmatch(mine, line)
            number = number[1].decode()
            debugger = self.debug(dying, 'handle SIGABRT nostop', 'break execute', 'continue',
                                  'signal SIGABRT')
            client.send(b'get %s\r\n' % KEY)
            report = self.end_of(dying, signal.SIGABRT)
            debugger.communicate(timeout=server.TIMEOUT_S)
        self.assertRegex(report, r'panic: reactor [01], turn [0-9]+\n')
        # Of a key of the other reactor only the command is known.
        self.assertRegex(report, r'panic: (connection %s|no connection), command get\n' % number)
        self.assertIn('execute', report)
        self.assertNotIn(KEY.decode(), report)
        self.assertNotIn('VALUES', report)


if __name__ == '__main__':
    server.main()
