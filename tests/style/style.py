"""Holds core, proto and store to the table of who may include whom, and all C files to the house rules.

usage: style.py BUILD [unittest's arguments]   BUILD: a build folder, for the symbols of its object files
"""
import fnmatch
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'server')]
import checks  # noqa: E402
from exceptions import EXCEPTIONS  # noqa: E402
from server import main  # noqa: E402
from source import sources, symbols  # noqa: E402

ROOT = os.path.join(HERE, '..', '..')
PROGRAM = 'core', 'proto', 'store'
BUILD = sys.argv.pop(1) if len(sys.argv) > 1 else '.'


def excused(excuses, subject):
    """The exception that covers this subject: each of its words matches one of the exception's."""
    for name in excuses:
        if all(any(fnmatch.fnmatchcase(word, pattern) for pattern in name.split())
               for word in subject.split()):
            return name
    return None


class Style(unittest.TestCase):
    program = sources(ROOT, PROGRAM)
    everything = program + sources(ROOT, ('bench', 'tests'))
    symbols = symbols(BUILD, PROGRAM)

    def hold(self, check, looked_at):
        """No complaints but the excused ones, and no exception that isn't needed any more."""
        excuses = EXCEPTIONS.get(check.__name__, {})
        used, failures = set(), []
        for subject, text in check(looked_at):
            excuse = excused(excuses, subject)
            used.add(excuse)
            if not excuse:
                failures.append('%s: %s' % (subject, text))
        failures += ['exceptions.py: not needed any more: %s' % excuse for excuse in set(excuses) - used]
        if failures:
            self.fail('\n'.join(failures))

    def test_table(self):
        """Not a check: who includes whom, for the reader."""
        for folder, others in sorted(checks.arrows(self.program).items()):
            print('# %s includes: %s' % (folder, ' '.join(sorted(others)) or 'no other'))

    def test_arrows(self):
        self.hold(checks.check_arrows, self.program)

    def test_libraries(self):
        self.hold(checks.check_libraries, self.program)

    def test_include_circles(self):
        self.hold(checks.check_include_circles, self.program)

    def test_call_circles(self):
        self.assertTrue(self.symbols, 'no static libraries in %s' % BUILD)
        self.hold(checks.check_call_circles, self.symbols)

    def test_statics(self):
        self.hold(checks.check_statics, self.symbols)

    def test_thread_locals(self):
        self.hold(checks.check_thread_locals, self.program)

    def test_columns(self):
        self.hold(checks.check_columns, self.everything)

    def test_function_lengths(self):
        self.hold(checks.check_function_lengths, self.everything)

    def test_file_lengths(self):
        self.hold(checks.check_file_lengths, self.everything)

    def test_names(self):
        self.hold(checks.check_names, self.program)

    def test_sizeof(self):
        self.hold(checks.check_sizeof, self.everything)

    def test_null(self):
        self.hold(checks.check_null, self.everything)

    def test_greater(self):
        self.hold(checks.check_greater, self.everything)

    def test_braces(self):
        self.hold(checks.check_braces, self.everything)


if __name__ == '__main__':
    main()
