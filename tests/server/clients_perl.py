"""Cache::Memcached::Fast (text protocol): clients_perl.pl makes the calls and tells of each.

Debian: libcache-memcached-fast-perl.
"""
import os
import subprocess

import server

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'clients_perl.pl')


class Perl(server.ServerTest):
    """The calls on one core and on five."""

    def calls(self, cores):
        server.need('perl', 'perl')
        if subprocess.run(['perl', '-MCache::Memcached::Fast', '-e', '1'], stderr=subprocess.DEVNULL,
                          check=False).returncode:
            self.fail('Perl has no Cache::Memcached::Fast (Debian: libcache-memcached-fast-perl)')
        under_test = self.start(cores=cores, flags=('-m', '256'))
        done = subprocess.run(['perl', SCRIPT, str(under_test.port)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=3 * server.TIMEOUT_S, check=False)
        lines = done.stdout.decode(errors='replace').splitlines()
        wrong = [line for line in lines if not line.startswith('ok ')]
        self.assertEqual((done.returncode, wrong), (0, ['done']))
        self.assertGreater(len(lines), 60)

    def test_one_core(self):
        self.calls(1)

    def test_five_cores(self):
        self.calls(5)


if __name__ == '__main__':
    server.main()
