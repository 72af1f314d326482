"""Clients of Debian's packages, for Python, PHP, Perl, Ruby, Go and Java: everyday.py makes the calls, to our server
and to memcached, and compares.

Debian: python3-pylibmc, python3-memcache, python3-pymemcache, python3-binary-memcached, php-memcached, php-memcache,
libcache-memcached-perl, libcache-memcached-fast-perl, ruby-dalli. Those of Go and Java are skipped where they or their
compilers aren't installed: golang-go, golang-github-bradfitz-gomemcache-dev, default-jdk-headless,
libspymemcached-java.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import everyday
import server

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients')
SPYMEMCACHED = '/usr/share/java/spymemcached.jar'
GO_PATH = '/usr/share/gocode'
GOMEMCACHE = GO_PATH + '/src/github.com/bradfitz/gomemcache'


class Script(everyday.Everyday):
    """A client whose program needs no compiling."""

    interpreter = ()
    program = None  # its file in clients/
    words = ()  # what it gets beside the port
    check = ()  # a command that succeeds where the client is installed
    package = None

    @classmethod
    def command(cls):
        server.need(cls.interpreter[0], cls.package)
        done = subprocess.run(cls.check, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
                              stderr=subprocess.DEVNULL)
        if done.returncode:
            raise AssertionError('not installed (Debian: %s)' % cls.package)
        return [*cls.interpreter, os.path.join(CLIENTS, cls.program), 'PORT', *cls.words]


def python(module, package, *words):
    """The attributes of a client for Python."""
    return {'interpreter': (sys.executable, '-B'), 'program': module.split('.')[0] + '_calls.py', 'words': words,
            'check': (sys.executable, '-c', 'import ' + module), 'package': package}


def php(module, *words):
    """Of one for PHP."""
    return {'interpreter': ('php',), 'program': 'php_%s.php' % module, 'words': words, 'package': 'php-' + module,
            'check': ('php', '-r', 'exit(extension_loaded("%s") ? 0 : 1);' % module)}


def perl(module, package):
    """Of one for Perl."""
    return {'interpreter': ('perl',), 'program': 'perl.pl', 'words': (module,), 'package': package,
            'check': ('perl', '-M' + module, '-e', '1')}


SCRIPTS = {
    'PylibmcText': python('pylibmc', 'python3-pylibmc', 'text'),
    'PylibmcBinary': python('pylibmc', 'python3-pylibmc', 'binary'),
    'PythonMemcache': python('memcache', 'python3-memcache'),
    'Pymemcache': python('pymemcache', 'python3-pymemcache'),
    'Bmemcached': python('bmemcached', 'python3-binary-memcached'),
    'PhpMemcachedText': php('memcached', 'text'),
    'PhpMemcachedBinary': php('memcached', 'binary'),
    'PhpMemcache': php('memcache'),
    'PerlMemcached': perl('Cache::Memcached', 'libcache-memcached-perl'),
    'PerlMemcachedFast': perl('Cache::Memcached::Fast', 'libcache-memcached-fast-perl'),
    'Dalli': {'interpreter': ('ruby',), 'program': 'dalli.rb', 'package': 'ruby-dalli',
              'check': ('ruby', '-e', 'require "logger"; require "dalli"')},
}
for name, attributes in SCRIPTS.items():
    globals()[name] = type(name, (Script,), attributes)


class Compiled(everyday.Everyday):
    """A client that a compiler makes first, into a temporary folder."""

    @classmethod
    def need(cls, *wanted):
        """Skips the client unless all of these programs and files are there."""
        for one in wanted:
            if not shutil.which(one) and not os.path.exists(one):
                raise unittest.SkipTest('there is no ' + one)

    @classmethod
    def compile(cls, *command, **environment):
        """Runs the compiler in the folder of the sources."""
        subprocess.run(command, cwd=CLIENTS, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr,
                       env=dict(os.environ, **environment), timeout=15 * server.TIMEOUT_S)

    @classmethod
    def folder(cls):
        """A temporary one."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        return folder.name


class Gomemcache(Compiled):
    @classmethod
    def command(cls):
        cls.need('go', GOMEMCACHE)
        folder = cls.folder()
        program = os.path.join(folder, 'gomemcache')
        cls.compile('go', 'build', '-o', program, 'gomemcache.go', GO111MODULE='off', GOPATH=GO_PATH,
                    GOCACHE=os.path.join(folder, 'cache'), GOFLAGS='-p=2')
        return [program, 'PORT']


class Spymemcached(Compiled):
    words = 'text'

    @classmethod
    def command(cls):
        cls.need('javac', 'java', SPYMEMCACHED)
        folder = cls.folder()
        cls.compile('javac', '-cp', SPYMEMCACHED, '-d', folder, 'Spymemcached.java')
        return ['java', '-cp', SPYMEMCACHED + ':' + folder, 'Spymemcached', 'PORT', cls.words]


class SpymemcachedBinary(Spymemcached):
    words = 'binary'


def load_tests(loader, _, pattern):
    """Each client's cases; the classes that have no client of their own have none."""
    clients = [globals()[name] for name in SCRIPTS] + [Gomemcache, Spymemcached, SpymemcachedBinary]
    return unittest.TestSuite(loader.loadTestsFromTestCase(client) for client in clients)


if __name__ == '__main__':
    server.main()
