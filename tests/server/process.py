"""The server as a service: in the background, with a pid file, core files, locked memory."""
import ctypes
import errno
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import server
from startup import CAP_IPC_LOCK, CAP_SYS_RESOURCE, drop_capabilities, forbid_io_uring, run

PR_SET_CHILD_SUBREAPER = 36


class ServiceTest(server.ServerTest):
    """With a folder for files; daemons become children of this process, which sees their end."""

    def setUp(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o777)
        self.folder = folder.name
        self.pid_file = folder.name + '/pid'
        self.port = server.free_port()
        self.flags = ['-t', '2', '-p', str(self.port)]
        self.switched = ['-u', 'nobody'] if os.geteuid() == 0 and not server.SANITIZED else []
        self.flags += self.switched or server.user_flags()

    def daemon(self, *flags, **options):
        """Starts one and returns its process id; it is ended after the test, and must end well."""
        status, _, stderr = run('-d', '-P', self.pid_file, *self.flags, *flags, **options)
        self.assertEqual((status, stderr), (0, ''))
        if server.ORIGINAL:
            self.wait_until(lambda: os.path.exists(self.pid_file))
        with open(self.pid_file, encoding='ascii') as file:
            text = file.read()
        self.assertRegex(text, r'^[1-9][0-9]*\n$')
        self.addCleanup(self.end, int(text))
        return int(text)

    def end(self, pid):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + server.TIMEOUT_S
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.assertEqual(os.waitstatus_to_exitcode(status), 0)
                self.assertFalse(os.path.exists(self.pid_file))
                return
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise AssertionError('the daemon does not end')

    def wait_until(self, is_so):
        deadline = time.monotonic() + server.TIMEOUT_S
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertTrue(is_so())

    def answers(self):
        with server.Connection(self.port) as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    def is_open(self):
        try:
            self.answers()
            return True
        except OSError:
            return False


class Daemon(ServiceTest):
    """-d: whoever starts it learns whether it serves."""

    def test_serves_when_the_starter_has_ended(self):
        pid = self.daemon()
        if server.ORIGINAL:
            time.sleep(0.5)
        self.answers()
        with server.Connection(self.port) as client:
            client.send(b'stats\r\nquit\r\n')
            self.assertIn(b'STAT pid %d\r\n' % pid, client.read_all())

    def test_has_left(self):
        """Its terminal, its streams, its directory, whoever started it."""
        pid = self.daemon()
        self.assertEqual((os.getsid(pid), os.getpgid(pid)), (pid, pid))
        with open('/proc/%d/stat' % pid, encoding='ascii') as stat:
            fields = stat.read().rpartition(')')[2].split()
        self.assertEqual(fields[1], str(os.getpid()))  # its parent, which takes in orphans
        self.assertEqual(fields[4], '0')  # its terminal
        for stream in range(3):
            self.assertEqual(os.readlink('/proc/%d/fd/%d' % (pid, stream)), '/dev/null')
        self.assertEqual(os.readlink('/proc/%d/cwd' % pid), '/')

    @unittest.skipIf(server.ORIGINAL, 'memcached changes it first')
    def test_stays_where_its_files_are(self):
        self.addCleanup(lambda: self.assertEqual(os.listdir(self.folder), []))
        self.flags += ['-p', '0', '-s', 'socket']
        pid = self.daemon(before=lambda: os.chdir(self.folder))
        self.assertEqual(os.readlink('/proc/%d/cwd' % pid), os.path.realpath(self.folder))
        with server.Connection(0, host=self.folder + '/socket') as client:
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    def test_log_stays(self):
        """-v keeps the streams."""
        with tempfile.TemporaryFile() as log:
            subprocess.run(server.program() + self.flags + ['-d', '-v', '-P', self.pid_file],
                           check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                           timeout=server.TIMEOUT_S)
            self.wait_until(lambda: os.path.exists(self.pid_file))
            with open(self.pid_file, encoding='ascii') as file:
                pid = int(file.read())
            self.addCleanup(self.end, pid)
            self.assertEqual(os.fstat(log.fileno()).st_ino, os.stat('/proc/%d/fd/2' % pid).st_ino)

    def fails(self, *flags, name, before=None):
        status, _, stderr = run('-d', '-P', self.pid_file, *self.flags, *flags, before=before)
        self.assertEqual(status, 1)
        self.assertRegex(stderr, r'^[^\n]*%s[^\n]*\n$' % name)
        self.assertFalse(os.path.exists(self.pid_file))

    @unittest.skipIf(server.ORIGINAL, 'memcached has ended well by then')
    @unittest.skipIf(server.ORIGINAL, 'memcached gives none back')
    def test_started_without_streams(self):
        """Nothing of the server takes their place, to be closed with them."""
        def close_streams():
            os.closerange(0, 3)
        starter = subprocess.Popen(server.program() + self.flags + ['-d', '-P', self.pid_file],
                                   preexec_fn=close_streams)
        self.assertEqual(starter.wait(server.TIMEOUT_S), 0)
        with open(self.pid_file, encoding='ascii') as file:
            pid = int(file.read())
        self.addCleanup(self.end, pid)
        self.answers()

    def test_failures_are_seen(self):
        other = self.start()
        self.fails('-p', str(other.port), name=str(other.port))
        self.fails('-s', '/no/such/folder', name='/no/such/folder')
        self.fails('-o', 'io=uring', name='io_uring', before=lambda: forbid_io_uring(errno.EPERM))

    def test_signals(self):
        """A hang-up leaves it running."""
        pid = self.daemon()
        self.wait_until(lambda: b'00000000000' in self.blocked_or_caught(pid))
        if not server.ORIGINAL:
            os.kill(pid, signal.SIGHUP)
        self.answers()

    @staticmethod
    def blocked_or_caught(pid):
        with open('/proc/%d/status' % pid, 'rb') as status:
            return re.search(rb'SigBlk:\s+(\w+)', status.read())[1]


class Privileges(ServiceTest):
    """-u: what is left of root once the server runs, in each of its threads."""

    def status(self, pid):
        """The lines of /proc, by name, for each thread."""
        for thread in os.listdir('/proc/%d/task' % pid):
            with open('/proc/%d/task/%s/status' % (pid, thread), encoding='ascii') as lines:
                yield dict(line.rstrip('\n').split(':\t', 1) for line in lines)

    def is_dropped(self, pid, name):
        user = pwd.getpwnam(name)
        groups = sorted(os.getgrouplist(name, user.pw_gid))
        if server.ORIGINAL:
            groups = []  # it leaves none but the user's own
        threads = list(self.status(pid))
        self.assertGreaterEqual(len(threads), 3)  # two reactors and the one that started them
        for thread in threads:
            self.assertEqual(thread['Uid'].split(), [str(user.pw_uid)] * 4)
            self.assertEqual(thread['Gid'].split(), [str(user.pw_gid)] * 4)
            self.assertEqual(sorted(map(int, thread['Groups'].split())), groups)
            for rights in ('CapPrm', 'CapEff', 'CapAmb'):
                self.assertEqual(int(thread[rights], 16), 0, rights)

    @unittest.skipIf(os.geteuid() != 0 or server.SANITIZED, 'only root, and no leak sanitizer')
    def test_dropped(self):
        """Started by a root with groups of its own."""
        process = subprocess.Popen(server.program() + self.flags + ['-P', self.pid_file],
                                   stdout=subprocess.DEVNULL,
                                   preexec_fn=lambda: os.setgroups([0, 4, 27]))
        self.addCleanup(process.wait, server.TIMEOUT_S)
        self.addCleanup(process.terminate)
        self.wait_until(lambda: os.path.exists(self.pid_file))
        self.is_dropped(process.pid, 'nobody')

    @unittest.skipIf(os.geteuid() != 0 or server.SANITIZED, 'only root, and no leak sanitizer')
    def test_dropped_by_daemon(self):
        self.is_dropped(self.daemon(), 'nobody')

    def test_others_stay(self):
        """As in memcached: -u is for root, and to others one line is said."""
        command = server.program()
        if os.geteuid() == 0:
            copy = shutil.copy(shutil.which(command[0]), self.folder)  # others may not reach it
            command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', copy,
                       *command[1:]]
        for name in ('root', 'no-such-user'):
            process = subprocess.Popen(command + ['-p', str(self.port), '-t', '2', '-u', name],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.stderr.close)
            self.wait_until(self.is_open)
            self.assertEqual(os.stat('/proc/%d' % process.pid).st_uid, os.geteuid() or 65534)
            process.terminate()
            self.assertEqual(process.wait(server.TIMEOUT_S), 0)
            if not server.ORIGINAL:
                self.assertEqual(process.stderr.read(), 'simplecache: -u %s is left aside: only '
                                                        'root can switch users\n' % name)


class PidFile(ServiceTest):
    """-P without -d."""

    def test_written_and_removed(self):
        under_test = server.Server(flags=['-P', self.pid_file] + self.switched)
        with open(self.pid_file, encoding='ascii') as file:
            self.assertEqual(file.read(), '%d\n' % under_test.pid)
        self.assertEqual(os.listdir(self.folder), ['pid'])
        under_test.stop()
        self.assertEqual(os.listdir(self.folder), ['pid'] if server.ORIGINAL else [])

    def test_old_one_is_overwritten(self):
        with open(self.pid_file, 'w', encoding='ascii') as file:
            file.write('4194303 and more that is longer\n')
        under_test = self.start(flags=('-P', self.pid_file))
        with open(self.pid_file, encoding='ascii') as file:
            self.assertEqual(file.read(), '%d\n' % under_test.pid)

    @unittest.skipIf(server.ORIGINAL, 'memcached leaves it')
    def test_another_ones_is_not_removed(self):
        """Nor is one that is none any more, or nothing; and nobody is bothered about it."""
        first = server.Server(flags=('-P', self.pid_file))
        second = server.Server(flags=('-P', self.pid_file))
        first.stop()
        with open(self.pid_file, encoding='ascii') as file:
            self.assertEqual(file.read(), '%d\n' % second.pid)
        with open(self.pid_file, 'w', encoding='ascii') as file:
            file.write('no number')
        second.stop()
        self.assertEqual(os.listdir(self.folder), ['pid'])
        third = server.Server(flags=('-P', self.pid_file))
        os.unlink(self.pid_file)
        third.stop()
        self.assertEqual(os.listdir(self.folder), [])

    def serves_without(self, path, reason, *flags):
        under_test = server.Server(flags=('-P', path) + flags)
        under_test.may_talk = True
        self.addCleanup(under_test.stop)
        if not server.ORIGINAL:
            self.assertEqual(under_test.errors(),
                             "simplecache: can't write the pid file %s: %s\n" % (path, reason))
        self.assertFalse(os.path.exists(path))

    def test_unwritable(self):
        """Is told; the server serves, as memcached does."""
        self.serves_without(self.folder + '/none/pid', 'No such file or directory')
        os.mkdir(self.folder + '/folder')
        under_test = server.Server(flags=('-P', self.folder + '/folder'))
        under_test.may_talk = True
        under_test.stop()
        self.assertEqual(os.listdir(self.folder + '/folder'), [])

    @unittest.skipIf(server.ORIGINAL, 'its number is in no file')
    def test_unwritable_by_daemon(self):
        """It serves too, and its starter learns so."""
        status, stdout, stderr = run('-d', '-P', self.folder + '/none/pid', *self.flags)
        self.assertEqual(status, 0)
        self.assertIn('listening on', stdout)
        self.assertRegex(stderr, r'^[^\n]*%s/none/pid[^\n]*\n$' % self.folder)
        with server.Connection(self.port) as client:
            client.send(b'stats\r\nquit\r\n')
            self.end(int(re.search(rb'STAT pid (\d+)', client.read_all())[1]))

    @unittest.skipIf(os.geteuid() != 0 or server.SANITIZED or server.ORIGINAL, 'for root')
    def test_belongs_to_the_user(self):
        """So that the server may remove it; where the user may not write, there is none."""
        self.start(flags=('-P', self.pid_file, '-u', 'nobody'))
        self.assertEqual(os.stat(self.pid_file).st_uid, 65534)
        os.chmod(self.folder, 0o755)
        self.serves_without(self.folder + '/other', 'Permission denied', '-u', 'nobody')
        os.chmod(self.folder, 0o777)


class Signals(ServiceTest):
    """Which end it."""

    def test_each_ends_it(self):
        for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(sent=sent):
                under_test = server.Server(flags=('-P', self.pid_file))
                under_test.stop(sent)
                if not server.ORIGINAL:
                    self.assertFalse(os.path.exists(self.pid_file))


class CoreFiles(ServiceTest):
    """-r"""

    def limit_of(self, under_test):
        with open('/proc/%d/limits' % under_test.pid, encoding='ascii') as limits:
            return re.search(r'Max core file size +(\w+) +(\w+)', limits.read()).groups()

    def test_limit_is_raised(self):
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if hard == 0:
            self.skipTest('no core files here')
        under_test = self.start(flags=['-r'] + self.switched)
        self.assertEqual(self.limit_of(under_test)[0], self.limit_of(under_test)[1])
        self.assertNotEqual(self.limit_of(under_test)[0], '0')
        if server.ORIGINAL:
            return
        # A process that leaves no core file belongs to root there.
        self.assertEqual(os.stat('/proc/%d/status' % under_test.pid).st_uid,
                         65534 if self.switched else os.geteuid())

    @unittest.skipIf(server.ORIGINAL, 'memcached does not start')
    def test_limit_of_nothing(self):
        """Is told; the server serves."""
        def forbid():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if os.geteuid() == 0:
                drop_capabilities(CAP_SYS_RESOURCE)
        under_test = server.Server(flags=('-r',), before=forbid)
        under_test.may_talk = True
        self.addCleanup(under_test.stop)
        self.assertEqual(under_test.errors(), 'simplecache: -r: there will be no core file: the limit on '
                                              'them is 0; raise it (ulimit -c, LimitCORE=)\n')
        self.assertEqual(self.limit_of(under_test)[0], '0')


def may_lock_memory():
    """Root may, except in many containers."""
    with open('/proc/self/status', encoding='ascii') as status:
        rights = int(re.search(r'CapEff:\s+(\w+)', status.read())[1], 16)
    return os.geteuid() == 0 and rights & 1 << CAP_IPC_LOCK


class LockedMemory(ServiceTest):
    """-k"""

    def locked_kib(self, pid):
        with open('/proc/%d/status' % pid, encoding='ascii') as status:
            return int(re.search(r'VmLck:\s+(\d+) kB', status.read())[1])

    @unittest.skipIf(not may_lock_memory() or server.SANITIZED or server.ORIGINAL,
                     'only root; sanitizers turn it off')
    def test_locked(self):
        """In the daemon too, and it works on: pages come and go."""
        self.flags += server.user_flags()  # which keeps the right
        pid = self.daemon('-k', '-m', '64')
        self.wait_until(lambda: self.locked_kib(pid) > 16 * 1024)
        value = b'x' * 100000
        with server.Connection(self.port) as client:
            for number in range(1000):
                self.assertEqual(client.ask(b'set k%d 0 0 100000\r\n%s\r\n' % (number, value)),
                                 b'STORED\r\n')
            self.assertEqual(client.ask(b'cache_memlimit 32\r\n'), b'OK\r\n')
            self.assertEqual(client.ask(b'set a 0 0 1\r\na\r\n'), b'STORED\r\n')
            time.sleep(0.5)
            self.assertRegex(client.ask(b'version\r\n'), b'^VERSION ')

    @unittest.skipIf(server.ORIGINAL or server.SANITIZED, 'sanitizers turn it off')
    def test_may_not(self):
        """Is told; the server serves."""
        def limit():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))
            drop_capabilities(CAP_SYS_RESOURCE, CAP_IPC_LOCK)
        process = subprocess.Popen(server.program() + self.flags + ['-k'], stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, preexec_fn=limit, text=True)
        self.assertRegex(process.stderr.readline(), '-k: .*LimitMEMLOCK')
        self.wait_until(self.is_open)
        self.assertEqual(self.locked_kib(process.pid), 0)
        process.terminate()
        self.assertEqual(process.wait(server.TIMEOUT_S), 0)
        self.assertEqual(process.stderr.read(), '')
        process.stderr.close()


if __name__ == '__main__':
    server.main()
