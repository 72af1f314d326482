"""The READMEs and the man page tell the truth of what can be looked up: the session, flags, files, links."""
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


def text_of(path):
    """A file of the tree."""
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def section(title):
    """The README's text below that heading, to the next one of the same depth."""
    return re.search(r'^## %s\n(.*?)(?=^## |\Z)' % re.escape(title), text_of('README.md'),
                     re.M | re.S).group(1)


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
    FLAG = r'(?<![\w-])(?:--[a-z][a-z-]+|-[A-Za-z](?![\w-]))'

    def setUp(self):
        asked = subprocess.run(server.program() + ['-h'], stdout=subprocess.PIPE, check=True,
                               timeout=server.TIMEOUT_S, text=True).stdout
        heads = ' '.join(re.findall(r'^  (-\S.*?)(?:  |$)', asked, re.M))
        self.known = set(re.findall(self.FLAG, heads))
        self.words = set(re.findall(r'^    ([a-z_]+)', asked, re.M))

    def test_readme(self):
        """Ten of those of -h."""
        told = re.findall(r'^\|(.*?)\|', section('Flags'), re.M)
        self.assertEqual(sum('`-' in head for head in told), 10)
        self.assertEqual(set(re.findall(self.FLAG, ' '.join(told))) - self.known, set())

    def test_man_page(self):
        """All of those of -h, and the words of -o."""
        page = re.sub(r'\\f.', '', text_of('core/dist/simplecache.1').replace('\\-', '-'))
        heads = ' '.join(re.findall(r'^\.TP\n(.*)', page, re.M))
        flags = set(re.findall(self.FLAG, heads))
        self.assertGreater(len(self.known), 30)
        self.assertEqual(self.known - flags, set())
        self.assertGreater(self.words, {'spin'})
        self.assertEqual([word for word in self.words if not re.search(r'\b%s\b' % word, page)], [])


class Files(unittest.TestCase):
    """Each README's names of files, against the tree."""
    FOLDERS = 'proto', 'store', 'core', 'bench'

    @staticmethod
    def named(folder):
        """(name as written, the paths it may stand for) in a README. In a row of a table a name without a
        folder is in that of the name before, and one without an ending is that of a source."""
        for line in text_of(os.path.join(folder, 'README.md')).splitlines():
            before = ''
            for name in re.findall(r'`([\w.*/-]+)`', line):
                paths = [os.path.normpath(os.path.join(*parts, name)) + end
                         for parts in ((folder, before), (folder,), (before,), ()) for end in ('', '.c')]
                is_file = re.search(r'\.(?:[ch]|py|md)$|/$|^[\w-]+/[\w.*-]+$', name)
                if is_file or (line.startswith('|') and any(
                        os.path.exists(os.path.join(ROOT, path)) for path in paths[:2])):
                    yield name, paths
                    before = os.path.dirname(name) or before

    @staticmethod
    def sources(folder):
        """Programs and sources below a folder; a header goes with the source of its name."""
        for where, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(where, name), ROOT)
                is_program = '.' not in name and os.access(os.path.join(where, name), os.X_OK)
                is_alone = name.endswith('.h') and name[:-1] + 'c' not in names
                if name.endswith('.c') or is_program or is_alone:
                    yield path

    def test_every_name_is_a_file(self):
        for folder in ('', 'tests') + self.FOLDERS:
            with self.subTest(folder=folder):
                self.assertEqual([name for name, paths in self.named(folder) if not any(
                    glob.glob(os.path.join(ROOT, path)) for path in paths)], [])

    def test_every_file_is_named(self):
        for folder in self.FOLDERS:
            with self.subTest(folder=folder):
                patterns = [path for _, paths in self.named(folder) for path in paths]
                self.assertEqual([path for path in self.sources(folder) if not any(
                    fnmatch.fnmatch(name, pattern) for pattern in patterns
                    for name in (path, re.sub(r'c$', 'h', path)))], [])

    def test_every_function_exists(self):
        sources = ''.join(text_of(os.path.join(where, name)) for folder in ('core', 'proto', 'store', 'tests')
                          for where, _, names in os.walk(os.path.join(ROOT, folder))
                          for name in names if name.endswith(('.c', '.h', '.py')))
        for folder in ('', 'tests') + self.FOLDERS:
            with self.subTest(folder=folder):
                told = re.findall(r'`(\w+)\(\)`', text_of(os.path.join(folder, 'README.md')))
                self.assertEqual([name for name in told
                                  if not re.search(r'\b%s\(' % name, sources)], [])

    def test_links(self):
        """Files and headings that the READMEs point to."""
        for folder in ('', 'tests') + self.FOLDERS:
            for path, anchor in re.findall(r'\]\(([^):#]*)(?:#([^)]*))?\)',
                                           text_of(os.path.join(folder, 'README.md'))):
                target = os.path.normpath(os.path.join(folder, path or 'README.md'))
                with self.subTest(folder=folder, target=target, anchor=anchor):
                    headings = re.findall(r'^#+ (.*)', text_of(target), re.M)
                    names = [re.sub(r'[^\w -]', '', heading).lower().replace(' ', '-')
                             for heading in headings]
                    self.assertIn(anchor, names + [''])


if __name__ == '__main__':
    server.main()
