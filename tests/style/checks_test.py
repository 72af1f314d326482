"""Each check complains of a small bad example, and of no good one beside it."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'server')]
import checks  # noqa: E402
import style  # noqa: E402
from server import main  # noqa: E402
from source import circles, sources, symbols  # noqa: E402


class TreeTest(unittest.TestCase):
    """A made-up tree of C files."""

    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)

    def complaints(self, check, files):
        """The subjects that the check names in a tree of these files, {path: text}."""
        for path, text in files.items():
            self.write(path, text)
        return sorted({subject for subject, _ in check(sources(self.root, ('core', 'proto', 'store')))})

    def of_code(self, check, code):
        """How often the check complains of a file with this text."""
        self.write('core/base/a.c', code)
        return len(list(check(sources(self.root, ['core']))))


class Includes(TreeTest):
    GOOD = {'core/base/a.h': '', 'core/io/i.h': '', 'core/net/n.h': '', 'core/server/s.h': '', 'store/s.h': '', 'proto/p.h': '',
            'proto/meta/m.h': '', 'proto/text/t.h': '#include "proto/meta/m.h"\n#include <string.h>\n',
            'core/net/n.c': '#include "core/base/a.h"\n#include "core/net/n.h"\n#include "store/s.h"\n'}

    def arrow(self, path, name):
        return self.complaints(checks.check_arrows, {**self.GOOD, path: '#include "%s"\n' % name})

    def test_arrows(self):
        self.assertEqual(self.complaints(checks.check_arrows, self.GOOD), [])
        for path, name in (('core/base/b.c', 'core/net/n.h'), ('core/net/m.c', 'core/server/s.h'),
                           ('core/new/m.c', 'core/base/a.h'), ('core/io/i.c', 'core/stats/no_such.h'),
                           ('store/s.c', 'proto/p.h'), ('proto/p.c', 'store/s.h'), ('core/shard/s.c', 'core/io/i.h'),
                           ('proto/p.c', 'core/base/a.h'), ('proto/p.c', 'proto/text/t.h'),
                           ('proto/meta/m.c', 'proto/text/t.h'), ('proto/binary/b.c', 'proto/text/t.h'),
                           ('core/base/b.c', 'tests/t.h'), ('core/base/b.c', 'a.h')):
            with self.subTest(path=path, name=name):
                shutil.rmtree(self.root)
                self.assertEqual(self.arrow(path, name), [path])

    def test_same_floor(self):
        files = {'core/io/i.h': '', 'core/mesh/m.c': '#include "core/io/i.h"\n'}
        self.assertEqual(self.complaints(checks.check_arrows, files), ['core/mesh/m.c'])

    def test_only_real_includes(self):
        self.assertEqual(self.of_code(checks.check_arrows, '// #include "core/net/n.h"\n'
                                      '/*\n#include "core/net/n.h"\n*/\n'), 0)

    def test_libraries(self):
        uring = '#include <liburing.h>\n'
        files = {'core/io/i.c': uring, 'core/net/n.c': uring, 'core/server/s.c': '#include <systemd/x.h>\n',
                 'core/base/b.c': '#include <systemd/x.h>\n#include <sys/socket.h>\n',
                 'store/s.c': '#include <string.h>\n', 'proto/p.c': '#include <xxhash.h>\n'}
        self.assertEqual(self.complaints(checks.check_libraries, files),
                         ['core/base/b.c', 'core/net/n.c', 'proto/p.c'])

    def test_circles(self):
        files = {'store/a.h': '#include "store/b.h"\n', 'store/b.h': '#include "store/c.h"\n',
                 'store/c.h': '#include "store/a.h"\n', 'store/d.h': '#include "store/a.h"\n',
                 'store/e.h': '#include "store/e.h"\n'}
        self.assertEqual(self.complaints(checks.check_include_circles, files),
                         ['store/a.h store/b.h store/c.h', 'store/e.h'])

    def test_table(self):
        files = {'core/net/n.c': '#include "core/base/a.h"\n#include "store/s.h"\n#include "core/net/n.h"\n'}
        for path, text in files.items():
            self.write(path, text)
        self.assertEqual(checks.arrows(sources(self.root, ['core'])),
                         {'core/net': {'core/base', 'store'}})


class Graphs(unittest.TestCase):
    def test_circles(self):
        self.assertEqual(circles({1: {2}, 2: {3}, 3: {2, 4}, 4: {5}, 5: set()}), [(2, 3)])
        self.assertEqual(circles({1: {2}, 2: {1}, 3: {4}, 4: {3, 1}}), [(1, 2), (3, 4)])
        self.assertEqual(circles({1: {2, 3}, 2: {3}, 3: set()}), [])


class Objects(TreeTest):
    """Real object files in real libraries, thin ones as meson makes them."""

    def compiled(self, files, *flags):
        for path, text in files.items():
            self.write(path, text)
            folder, name = os.path.split(os.path.join(self.root, path))
            compiler = os.environ.get('CC', 'cc').split()
            subprocess.run(compiler + ['-c', *flags, name, '-o', name + '.o'], cwd=folder, check=True)
            subprocess.run(['ar', 'csrDT', 'lib.a', name + '.o'], cwd=folder, check=True)
        return symbols(self.root, ('core', 'store'))

    def test_call_circles(self):
        found = list(checks.check_call_circles(self.compiled({
            'core/net/a.c': 'void b(void); void a(void); void a(void) { b(); }',
            'core/net/b.c': 'void a(void); void c(void); void b(void); void b(void) { a(); c(); }',
            'core/base/c.c': 'void c(void); void c(void) { }'})))
        self.assertEqual(found, [('core/net/a.c core/net/b.c', 'call each other')])

    def test_circle_by_address(self):
        found = list(checks.check_call_circles(self.compiled({
            'core/net/a.c': 'void b(void); void *a(void); void *a(void) { return b; }',
            'store/b.c': 'void *a(void); void b(void); void b(void) { a(); }'})))
        self.assertEqual(found, [('core/net/a.c store/b.c', 'call each other')])

    def test_statics(self):
        """Variables in any form; constants are none, those that hold addresses neither."""
        code = '''
            int global_zero;
            int global_one = 1;
            static int of_file;
            _Thread_local int of_thread;
            const int constant = 1;
            static const char *const words[] = {"a", "b"};
            const char *f(int i);
            const char *f(int i) {
                static int of_function;
                of_function += i + of_file++;
                return words[of_function];
            }'''
        for flags in ([], ['-O2', '-fPIC'], ['-fcommon']):
            with self.subTest(flags=flags):
                found = {subject.split('.c:')[1].split('.')[0]
                         for subject, _ in checks.check_statics(self.compiled({'store/s.c': code}, *flags))}
                self.assertEqual(found, {'global_zero', 'global_one', 'of_file', 'of_thread',
                                         'of_function'})

    def test_no_libraries(self):
        self.assertEqual(symbols(self.root, ('core',)), [])


class Lines(TreeTest):
    def test_thread_locals(self):
        self.write('core/base/a.c', '// __thread is not used\nstatic __thread int *mine;\n')
        self.assertEqual([subject for subject, _ in checks.check_thread_locals(
            sources(self.root, ['core']))], ['core/base/a.c:mine'])

    def test_columns(self):
        """Characters, not bytes, and in comments too."""
        self.assertEqual(self.of_code(checks.check_columns, '// ' + 'ü' * 97 + '\n'), 0)
        self.assertEqual(self.of_code(checks.check_columns, '// ' + 'u' * 98 + '\n'), 1)

    def test_function_lengths(self):
        for head in ('static int f(void) {', 'struct s *f(int (*g)(void))\n{', 'int f(void) __attribute__((cold)) {',
                     '__attribute__((noreturn)) void\nf(int a,\n  int b) {',
                     'Test(store, long_one, .timeout = 5) {'):
            lines = checks.FUNCTION_LINES - head.count('\n') - 2
            body = '    if (x) { // }\n' + '    a = "{" + \'{\';\n' * (lines - 2) + '    }\n'
            after = '}\nint other(void) {\n}\n'
            with self.subTest(head=head):
                self.assertEqual(self.of_code(checks.check_function_lengths, head + '\n' + body + after), 0)
                self.assertEqual(self.of_code(checks.check_function_lengths, head + '\n\n' + body + after), 1)

    def test_what_is_no_function(self):
        long_list = '    1,\n' * 100
        code = ('static const int a[N(3)] = {\n' + long_list + '};\nenum e {\n    A = (1),\n' +
                long_list.replace('1', 'B') + '};\nstruct __attribute__((packed)) s {\n' +
                '    int (*f)(void);\n' * 100 + '};\n#define M(x) \\\n    { \\\n' + '    x; \\\n' * 100 + '    }\n')
        self.assertEqual(self.of_code(checks.check_function_lengths, code), 0)

    def test_names_of_functions(self):
        self.write('core/base/a.c', 'static const char *const *some_name(int a) {\n}\n'
                   'Test(store, works) {\n}\nint main(void) {\n}\n')
        self.assertEqual(sources(self.root, ['core'])[0].functions(),
                         [('some_name', 1, 2, True), ('store_works', 3, 4, False), ('main', 5, 6, False)])

    def test_file_lengths(self):
        self.assertEqual(self.of_code(checks.check_file_lengths, '\n' * 500), 0)
        self.assertEqual(self.of_code(checks.check_file_lengths, '\n' * 501), 1)

    def test_names(self):
        self.assertEqual(self.of_code(checks.check_names, 'static int fill(void) {\n}\n'), 1)
        self.assertEqual(self.of_code(checks.check_names, 'static inline struct x *fill(int a) {\n}\n'), 1)
        self.assertEqual(self.of_code(checks.check_names, 'static int udp_fill(void) {\n}\nint fill(void) {\n}\n'), 0)

    def test_sizeof(self):
        self.assertEqual(self.of_code(checks.check_sizeof, 'int a = sizeof(x); // sizeof x\n'), 0)
        for code in 'sizeof x', 'sizeof *x', 'sizeof (x)':
            self.assertEqual(self.of_code(checks.check_sizeof, 'int a = %s;\n' % code), 1)

    def test_null(self):
        self.assertEqual(self.of_code(checks.check_null, 'x = NULL; if (!x) { f(NULL); } // x == NULL\n'), 0)
        for code in 'x == NULL', 'x!=NULL', 'NULL == x':
            self.assertEqual(self.of_code(checks.check_null, 'int a = %s;\n' % code), 1)

    def test_greater(self):
        self.assertEqual(self.of_code(checks.check_greater, '#define gt(a) lt(a)\nint a = ge(x); // gt(x)\n'), 0)
        self.assertEqual(self.of_code(checks.check_greater, 'void f(void) { cr_assert(gt(int, 1, 0)); }\n'), 1)

    def test_braces(self):
        good = ('void f(void) {\n    if (a(b)) { // no\n    } else if (c) {\n    } else {\n    }\n'
                '    do {\n    } while (a(b));\n    for (;;) {\n    }\n    while (x)\n    {\n    }\n'
                '    switch (x) {\n    }\n}\n#define FOR(x) for (x)\n')
        self.assertEqual(self.of_code(checks.check_braces, good), 0)
        for code in ('if (a(b)) c();', 'if (a) { } else c();', 'for (;;) c();', 'while (a(b));', 'while (a)\n c();',
                     'do c(); while (a);'):
            with self.subTest(code=code):
                self.assertGreaterEqual(self.of_code(checks.check_braces, 'void f(void) {\n%s\n}\n' % code), 1)


class Exceptions(unittest.TestCase):
    def test_who_is_excused(self):
        excuses = {'core/a.c': '', 'core/net/* core/server/x.c': '', 'proto/*:fill': ''}
        for subject in 'core/a.c', 'core/net/b.c core/server/x.c', 'core/net/b.c', 'proto/t/a.c:fill':
            self.assertTrue(style.excused(excuses, subject), subject)
        for subject in 'core/b.c', 'core/a.c core/server/x.c', 'core/server/y.c', 'proto/t/a.c:put':
            self.assertFalse(style.excused(excuses, subject), subject)

    def test_each_has_a_check_and_a_reason(self):
        for check, excuses in style.EXCEPTIONS.items():
            self.assertTrue(callable(getattr(checks, check)))
            self.assertTrue(all(reason for reason in excuses.values()))


if __name__ == '__main__':
    main()
