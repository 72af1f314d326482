"""The sandbox: what each thread can't do once the server has started, what it still can, and how the start goes where
the kernel, or who starts the server, has no part of it."""
import contextlib
import ctypes
import errno
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import unittest.mock

import server
from process import ServiceTest
from sandbox import ALLOW, ERRNO, Filter
from sasl_server import SaslServer

BREAKER = os.environ.get('BREAKER')
FIRST_SIGNAL = signal.SIGRTMIN + 8
EXECVE, SETUP, READ, MAKE, SUBMIT = range(FIRST_SIGNAL, FIRST_SIGNAL + 5)
KILL_PROCESS = 0x80000000
LANDLOCK = 'landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self'
BUILT = os.environ.get('LOCKED') == '1' and not server.ORIGINAL


def wait_for(happened, what):
    deadline = time.monotonic() + server.TIMEOUT_S
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(what)
        time.sleep(0.01)


def settings(under_test):
    """Of stats settings: drop_privileges and sandbox."""
    with under_test.connect() as client:
        client.send(b'stats settings\r\nquit\r\n')
        text = client.read_all().decode()
    return re.search(r'STAT drop_privileges (\w+)\r\n', text)[1], re.search(r'STAT sandbox (\S+)\r\n', text)[1]


def filtered(action, *names):
    """For Server(before=…): a filter that does this to these calls."""
    def load():
        rules = Filter(ALLOW)
        for name in names:
            rules.add(action, name)
        rules.load()
    return load


def filters(process):
    """How many there are of system calls."""
    with open('/proc/%s/status' % process, encoding='ascii') as status:
        return int(re.search(r'\nSeccomp_filters:\t([0-9]+)\n', status.read())[1])


def is_settled(pid):
    """Whether every thread has one more than this process, the main one last."""
    return filters(pid) > filters('self')


class LockedTest(ServiceTest):
    def settled(self, under_test):
        self.addCleanup(under_test.kill)
        under_test.may_talk = True
        wait_for(lambda: is_settled(under_test.pid), 'the sandbox was not entered')
        return under_test


@unittest.skipUnless(BUILT, 'the server has no sandbox')
class Forbidden(LockedTest):
    """From each thread, by a library that is loaded into the server."""

    RINGS = 'reactor 0', 'reactor 1'
    LIBRARIES = (('metrics',) if os.environ.get('METRICS') == '1' else ()) + (
        ('cluster',) if os.environ.get('CLUSTER') == '1' else ())
    THREADS = ('main',) + RINGS + LIBRARIES

    def broken(self, **options):
        """With all threads but SASL's. Nobody answers as etcd."""
        environment = {'LD_PRELOAD': BREAKER, 'BREAKER_FILE': self.folder + '/made'}
        flags = []
        if 'metrics' in self.LIBRARIES:
            flags += ['--metrics', str(server.free_port())]
        if 'cluster' in self.LIBRARIES:
            flags += ['-o', 'cluster=c,etcd=http://127.0.0.1:%d,advertise=127.0.0.1:1' % server.free_port()]
        return self.settled(server.Server(cores=2, flags=flags, environment=environment, **options))

    @contextlib.contextmanager
    def sasl(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + '/memcached.conf', 'w', encoding='ascii') as file:
                file.write('mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n')
            environment = {'LD_PRELOAD': BREAKER, 'BREAKER_FILE': '/var/breaker-made'}
            with unittest.mock.patch.dict(os.environ, environment):
                yield self.settled(SaslServer(folder))

    def tell(self, under_test, thread, number):
        number_of_thread = server.thread_of(under_test.pid, thread)
        result = ctypes.CDLL(None, use_errno=True).tgkill(under_test.pid, number_of_thread, number)
        if result != 0:
            raise OSError(ctypes.get_errno(), 'tgkill')

    def ends(self, under_test, thread, number, call):
        """By SIGSYS, with one line."""
        before = under_test.errors()
        self.tell(under_test, thread, number)
        self.assertEqual(under_test.process.wait(server.TIMEOUT_S), -signal.SIGSYS)
        server.running.discard(under_test)
        said = [line for line in under_test.errors()[len(before):].splitlines() if 'etcd' not in line]
        name = 'simplecache' if thread == 'main' else thread
        self.assertEqual(len(said), 1)
        self.assertRegex(said[0], r'^simplecache: sandbox: thread "%s" was about to call %s \(system call [0-9]+\), '
                                  'which is not on its list' % (name, call))

    def answers(self, under_test, thread, number, line):
        """It goes on, and so does the server."""
        count = under_test.errors().count(line)
        self.tell(under_test, thread, number)
        wait_for(lambda: under_test.errors().count(line) == count + 1,
                 '%s: %s: %s' % (thread, line, under_test.errors()))
        under_test.connect().close()

    def test_calls(self):
        for thread in self.THREADS:
            for number, call in ((EXECVE, 'execve'), (SETUP, 'io_uring_setup')):
                with self.subTest(thread=thread, call=call):
                    self.ends(self.broken(), thread, number, call)

    def test_calls_of_epoll(self):
        """Its reactors have a list of their own, which has no ring's calls at all."""
        for call, number in (('io_uring_enter', SUBMIT), ('execve', EXECVE)):
            with self.subTest(call=call):
                environment = {'LD_PRELOAD': BREAKER}
                under_test = server.Server(flags=['-o', 'io=epoll'], environment=environment)
                self.ends(self.settled(under_test), 'reactor 0', number, call)

    def test_paths(self):
        under_test = self.broken()
        for thread in self.THREADS:
            for number in READ, MAKE:
                with self.subTest(thread=thread, number=number):
                    self.answers(under_test, thread, number, 'breaker: open: -%d\n' % errno.EACCES)
        self.assertEqual(os.listdir(self.folder), [])
        under_test.stop()

    @unittest.skipIf(server.SANDBOX, 'io_uring is refused here')
    def test_operations(self):
        """A reactor's ring takes it and refuses it; others may not even enter one."""
        under_test = self.broken()
        for thread in self.RINGS:
            with self.subTest(thread=thread):
                self.answers(under_test, thread, SUBMIT, 'breaker: operation: -%d\n' % errno.EACCES)
        under_test.stop()
        for thread in self.LIBRARIES:
            with self.subTest(thread=thread):
                self.ends(self.broken(), thread, SUBMIT, 'io_uring_enter')

    @unittest.skipUnless(os.environ.get('SASL', '1') == '1', 'the server has no SASL')
    def test_sasl(self):
        with self.sasl() as under_test:
            for number in READ, MAKE:
                self.answers(under_test, 'sasl', number, 'breaker: open: -%d\n' % errno.EACCES)
            self.ends(under_test, 'sasl', EXECVE, 'execve')
        with self.sasl() as under_test:
            self.ends(under_test, 'sasl', SETUP, 'io_uring_setup')

    def test_no_sandbox(self):
        """The same library does all that without."""
        environment = {'LD_PRELOAD': BREAKER, 'BREAKER_FILE': self.folder + '/made'}
        under_test = server.Server(flags=['-o', 'no_sandbox'], environment=environment)
        self.addCleanup(under_test.kill)
        for number in READ, MAKE:
            self.answers(under_test, 'reactor 0', number, 'breaker: open: 0\n')
        if not server.SANDBOX:
            self.tell(under_test, 'reactor 0', SUBMIT)
            wait_for(lambda: re.search(r'breaker: operation: [0-9]+\n', under_test.errors()), 'the ring refuses it')
        self.assertEqual(os.listdir(self.folder), ['made'])
        self.tell(under_test, 'reactor 0', EXECVE)
        self.assertEqual(under_test.process.wait(server.TIMEOUT_S), 0)  # it has become true(1)
        server.running.discard(under_test)


@unittest.skipUnless(BUILT, 'the server has no sandbox')
class Files(LockedTest):
    """What is to go on with names that were on the command line."""

    def test_users_by_rename(self):
        path = self.folder + '/users'

        def write(text):
            with open(path + '.new', 'w', encoding='ascii') as file:
                file.write(text)
            os.rename(path + '.new', path)
        write('alice:one\n')
        under_test = self.settled(server.Server(flags=['-Y', path], wait=False))
        for password in 'two', 'three':
            write('alice:%s\n' % password)
            count = under_test.errors().count('users read again')
            os.kill(under_test.pid, signal.SIGHUP)
            wait_for(lambda: under_test.errors().count('users read again') > count, under_test.errors())
            with under_test.connect() as client:
                login = b'alice ' + password.encode()
                self.assertEqual(client.ask(b'set x 0 0 %d\r\n%s\r\n' % (len(login), login)), b'STORED\r\n')
        under_test.stop()

    def test_ends_of_files(self):
        """What is removed at the end is removed."""
        path = self.folder + '/'
        flags = ['-s', path + 'socket', '-P', path + 'pid', '-e', path + 'items', '-p', str(server.free_port())]
        under_test = self.settled(server.Server(flags=flags, host=path + 'socket'))
        self.assertEqual(sorted(os.listdir(self.folder)), ['items', 'pid', 'socket'])
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
        under_test.stop()
        self.assertEqual(os.listdir(self.folder), ['items'])
        under_test = self.settled(server.Server(flags=['-e', path + 'items']))
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'get a\r\n'), b'VALUE a 0 1\r\n')
        under_test.stop()

    def test_core_file(self):
        """With -r a thread that fails leaves one where the process is."""
        with open('/proc/sys/kernel/core_pattern', encoding='ascii') as pattern:
            if pattern.read(1) in '|/':
                self.skipTest('core files go elsewhere here')

        def prepare():
            os.chdir(self.folder)
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))
        environment = {'LD_PRELOAD': BREAKER}
        under_test = self.settled(server.Server(flags=['-r'], before=prepare, environment=environment))
        os.kill(under_test.pid, signal.SIGSEGV)
        self.assertEqual(under_test.process.wait(server.TIMEOUT_S), -signal.SIGSEGV)
        server.running.discard(under_test)
        self.assertEqual([name[:4] for name in os.listdir(self.folder)], ['core'])


@unittest.skipUnless(BUILT and os.environ.get('TLS', '1') == '1', 'the server has no sandbox, or no TLS')
class Certificates(LockedTest):
    """They are read again, however they are renewed."""

    @classmethod
    def setUpClass(cls):
        import pki
        made = pki.folder()
        cls.addClassCleanup(made.cleanup)
        cls.made = made.name
        authority = pki.Authority(made.name, 'ca')
        cls.pairs = [authority.leaf(name) for name in ('first', 'second')]

    def serial(self, port):
        """Of the certificate that is shown."""
        import ssl
        context = ssl.create_default_context(cafile=self.made + '/ca.pem')
        with context.wrap_socket(socket.create_connection(('127.0.0.1', port), server.TIMEOUT_S),
                                 server_hostname='localhost') as client:
            return client.getpeercert()['serialNumber']

    def renewed(self, chain, key, renew, where=None):
        """Both certificates are shown, before and after `renew`."""
        words = 'ssl_chain_cert=%s,ssl_key=%s' % (chain, key)
        plain, port = server.free_port(), server.free_port()
        flags = ['-Z', '-l', 'notls:127.0.0.1:%d,127.0.0.1:%d' % (plain, port), '-o', words, '-v']
        under_test = self.settled(server.Server(cores=2, flags=flags, port=plain,
                                                before=(lambda: os.chdir(where)) if where else None))
        before = self.serial(port)
        renew()
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'refresh_certs\r\n'), b'OK\r\n')
        self.assertNotEqual(self.serial(port), before)
        os.kill(under_test.pid, signal.SIGHUP)
        wait_for(lambda: 'certificates read again' in under_test.errors(), under_test.errors())
        under_test.stop()

    def put(self, number, chain, key):
        for source, target in zip(self.pairs[number], (chain, key)):
            with open(source, 'rb') as file:
                text = file.read()
            with open(target + '.new', 'wb') as file:
                file.write(text)
            os.rename(target + '.new', target)

    def test_by_rename(self):
        files = self.folder + '/a.pem', self.folder + '/a.key'
        self.put(0, *files)
        self.renewed(*files, lambda: self.put(1, *files))

    def test_relative_names(self):
        files = self.folder + '/a.pem', self.folder + '/a.key'
        self.put(0, *files)
        self.renewed('a.pem', 'a.key', lambda: self.put(1, *files), where=self.folder)

    def test_kubernetes(self):
        """tls.crt is a link to ..data/tls.crt, and ..data one to a folder, which is replaced."""
        root = self.folder + '/mounted'
        os.mkdir(root)

        def publish(number):
            folder = '..2026_%d' % number
            os.mkdir('%s/%s' % (root, folder))
            self.put(number, '%s/%s/tls.crt' % (root, folder), '%s/%s/tls.key' % (root, folder))
            os.symlink(folder, root + '/..data_tmp')
            os.rename(root + '/..data_tmp', root + '/..data')
        publish(0)
        for name in 'tls.crt', 'tls.key':
            os.symlink('..data/' + name, '%s/%s' % (root, name))
        self.renewed(root + '/tls.crt', root + '/tls.key', lambda: publish(1))

    def test_certbot(self):
        """live/NAME has links to archive/NAME, which lead to others after a renewal."""
        live, archive = (self.folder + '/%s/example.org' % name for name in ('live', 'archive'))
        os.makedirs(live)
        os.makedirs(archive)

        def publish(number):
            self.put(number, '%s/fullchain%d.pem' % (archive, number), '%s/privkey%d.pem' % (archive, number))
            for name in 'fullchain', 'privkey':
                os.symlink('../../archive/example.org/%s%d.pem' % (name, number), live + '/new')
                os.rename(live + '/new', '%s/%s.pem' % (live, name))
        publish(0)
        self.renewed(live + '/fullchain.pem', live + '/privkey.pem', lambda: publish(1))

    def test_folder_that_is_a_link(self):
        """current is a link to releases/1, then to releases/2."""
        for number in range(2):
            folder = '%s/releases/%d' % (self.folder, number)
            os.makedirs(folder)
            self.put(number, folder + '/a.pem', folder + '/a.key')

        def publish(number):
            os.symlink('releases/%d' % number, self.folder + '/new')
            os.rename(self.folder + '/new', self.folder + '/current')
        publish(0)
        self.renewed(self.folder + '/current/a.pem', self.folder + '/current/a.key', lambda: publish(1))


@unittest.skipUnless(BUILT, 'the server has no sandbox')
class Start(server.ServerTest):
    """With it and without, wanted or not."""

    def serves(self, *flags, before=None, parts, said=''):
        under_test = server.Server(cores=2, flags=flags, before=before)
        self.addCleanup(under_test.kill)
        under_test.may_talk = bool(said)
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set a 0 0 1\r\nx\r\n'), b'STORED\r\n')
        self.assertEqual(settings(under_test), ('no' if parts == 'off' else 'yes', parts))
        under_test.stop()
        self.assertRegex(under_test.errors(), said or r'\A\Z')

    def test_flags(self):
        for flags, parts in (((), 'calls,files'), (('-o', 'drop_privileges'), 'calls,files'),
                             (('-o', 'io=epoll'), 'calls,files'), (('-o', 'no_sandbox'), 'off'),
                             (('-o', 'no_drop_privileges'), 'off'),
                             (('-o', 'no_sandbox,drop_privileges'), 'calls,files')):
            with self.subTest(flags=flags):
                self.serves(*flags, parts=parts)

    def test_outer_sandboxes(self):
        """One that ends who asks, as systemd's @system-service does, one that refuses, and one that hides."""
        for action, said in ((KILL_PROCESS, 'ends who asks for it'), (ERRNO | errno.EPERM, 'forbids it'),
                             (ERRNO | errno.ENOSYS, 'the kernel has none')):
            for names, parts, line in ((LANDLOCK, 'calls', 'no file is forbidden: '),
                                       (('seccomp',), 'files', 'no system call is forbidden: '),
                                       ((*LANDLOCK, 'seccomp'), 'off', '')):
                with self.subTest(action=action, names=names):
                    before = filtered(action, *names)
                    self.serves(before=before, parts=parts)
                    self.serves('-o', 'drop_privileges', before=before, parts=parts, said=line + '.*' + said)
                    self.serves('-v', before=before, parts=parts, said=line + '.*' + said)

    def test_no_core_file_of_a_try(self):
        """Of a process that was ended for trying nothing is left."""
        with tempfile.TemporaryDirectory() as folder:
            def prepare():
                os.chdir(folder)
                resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                filtered(KILL_PROCESS, *LANDLOCK, 'seccomp')()
            self.serves(before=prepare, parts='off')
            self.assertEqual(os.listdir(folder), [])

    def test_ignored_children(self):
        """Whether the processes that try it out have succeeded is known all the same."""
        self.serves(before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN), parts='calls,files')

    def test_blocked_signal(self):
        """A SIGSYS that was blocked, or ignored, when the server was started is neither in it."""
        def prepare():
            signal.signal(signal.SIGSYS, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSYS])
        under_test = server.Server(before=prepare)
        self.addCleanup(under_test.kill)
        wait_for(lambda: is_settled(under_test.pid), 'the sandbox was not entered')
        for thread in os.listdir('/proc/%d/task' % under_test.pid):
            with open('/proc/%d/task/%s/status' % (under_test.pid, thread), encoding='ascii') as status:
                masks = dict(re.findall(r'Sig(Blk|Ign|Cgt):\s+(\w+)', status.read()))
            bit = 1 << (signal.SIGSYS - 1)
            self.assertEqual([int(masks[name], 16) & bit for name in ('Blk', 'Ign', 'Cgt')], [0, 0, bit])
        under_test.stop()


if __name__ == '__main__':
    server.main()
