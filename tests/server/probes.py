"""The static probes: the program has the notes of all that the man page lists, or of none."""
import os
import re
import subprocess
import unittest

import server

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')


@unittest.skipIf(server.ORIGINAL, 'memcached has others')
class Probes(unittest.TestCase):
    @staticmethod
    def noted():
        """Of each probe in the program how many arguments it has."""
        server.need('readelf', 'binutils')
        notes = subprocess.run(['readelf', '-n', *server.program()], stdout=subprocess.PIPE, check=True,
                               text=True, timeout=server.TIMEOUT_S).stdout
        found = re.findall(r'Provider: simplecache\n\s+Name: (\w+)\n.*\n\s+Arguments: (.*)', notes)
        return {(name, len(arguments.split())) for name, arguments in found}

    @staticmethod
    def told():
        """The same of the man page."""
        with open(os.path.join(ROOT, 'core/dist/simplecache.1'), encoding='utf-8') as page:
            section = re.search(r'^\.SH PROBES\n(.*?)^\.SH', page.read(), re.M | re.S)[1]
        found = re.findall(r'^\\fB(\w+)\\fR \((.*?)\)', section, re.M)
        return {(name, len(arguments.split(', '))) for name, arguments in found}

    def test_notes(self):
        self.assertGreaterEqual(len(self.told()), 7)
        if os.environ.get('PROBES') == '0':
            self.assertEqual(self.noted(), set())
        else:
            self.assertEqual(self.noted(), self.told())


if __name__ == '__main__':
    server.main()
