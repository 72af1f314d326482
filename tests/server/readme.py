"""The README tells the truth of what can be looked up: the session it shows, its flags, its files."""
import doctest
import fnmatch
import glob
import os
import re
import subprocess
import unittest

import server

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
PORT = 11211


def section(title):
    """The README's text below that heading, to the next one of the same depth."""
    with open(os.path.join(ROOT, 'README.md'), encoding='utf-8') as readme:
        text = readme.read()
    return re.search(r'^## %s\n(.*?)(?=^## |\Z)' % re.escape(title), text, re.M | re.S).group(1)


class Session(server.ServerTest):
    def test_first_session(self):
        """Typed as it stands there, but for the port; every answer is compared."""
        session = re.search(r'```python\n(.*?)```', section('A first session'), re.S).group(1)
        port = self.start(cores=2).port
        self.assertIn(str(PORT), session)
        examples = doctest.DocTestParser().get_doctest(
            session.replace(str(PORT), str(port)), {}, 'first session', None, None)
        said = []
        outcome = doctest.DocTestRunner(verbose=False).run(examples, out=said.append)
        self.assertGreater(outcome.attempted, 3)
        self.assertEqual(outcome.failed, 0, ''.join(said))


class Flags(unittest.TestCase):
    def test_flags(self):
        """Those of -h, and no others; of the words of -o those that change something."""
        asked = subprocess.run(server.program() + ['-h'], stdout=subprocess.PIPE, check=True,
                               timeout=server.TIMEOUT_S, text=True).stdout
        told = ' '.join(re.findall(r'^\|(.*?)\|', section('Flags'), re.M))
        flag = r'(?<![\w-])(?:--[a-z][a-z-]+|-[A-Za-z](?![\w-]))'
        heads = ' '.join(re.findall(r'^  (-\S.*?)(?:  |$)', asked, re.M))
        self.assertEqual(set(re.findall(flag, told)), set(re.findall(flag, heads)))
        word = r'[a-z]+(?:_[a-z]+)+|spin'
        words = set(re.findall(r'^    ([a-z_]+)', asked, re.M))
        self.assertGreater(set(re.findall(word, told)), {'spin'})
        self.assertEqual(set(re.findall(word, told)) - words, set())


class Files(unittest.TestCase):
    def setUp(self):
        """Each row's names, those without a folder in that of the name before."""
        self.patterns = []
        for row in section('Files, in reading order').splitlines():
            if not row.startswith('| `'):
                continue
            folder = ''
            for name in re.findall(r'`([^`]+)`', row.split('|')[1]):
                folder = os.path.dirname(name) or folder
                self.patterns.append(os.path.join(folder, os.path.basename(name)))

    def files(self):
        for folder in ('proto', 'store', 'core', 'bench'):
            for name in sorted(os.listdir(os.path.join(ROOT, folder))):
                path = os.path.join(folder, name)
                is_program = '.' not in name and os.path.isfile(os.path.join(ROOT, path))
                if name.endswith('.c') or is_program:
                    yield path

    def test_every_name_is_a_file(self):
        self.assertEqual([pattern for pattern in self.patterns
                          if not glob.glob(os.path.join(ROOT, pattern))], [])

    def test_every_file_is_named(self):
        """Programs and sources; a header goes with the source of its name."""
        self.assertEqual([path for path in self.files() if not any(
            fnmatch.fnmatch(path, pattern) for pattern in self.patterns)], [])


if __name__ == '__main__':
    server.main()
