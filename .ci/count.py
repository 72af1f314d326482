#!/usr/bin/env python3
"""Adds up the single test cases of meson's result files, and what else went wrong.

usage: count.py FAILURES BUILD…   FAILURES: a file with one line for each failure outside of the tests
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def count(build):
    """The cases of one build folder: (passed, failed, skipped). A test that broke off counts as failed, and
    so does a run that couldn't even start."""
    passed = failed = skipped = 0
    results = pathlib.Path(build, 'meson-logs/testlog.junit.xml')
    if not results.exists():
        print('failed: %s: no results' % build)
        return 0, 1, 0
    for case in xml.parse(results).iter('testcase'):
        if case.find('failure') is not None or case.find('error') is not None:
            failed += 1
            print('failed: %s: %s %s' % (build, case.get('classname'), case.get('name')))
        elif case.find('skipped') is None:
            passed += 1
        else:
            skipped += 1
            print('skipped: %s: %s' % (build, case.get('name')))
    return passed, failed, skipped


def main(failures, *builds):
    """Prints the sum as the last line; exit status 1 when anything failed or nothing ran."""
    path = pathlib.Path(failures)
    others = path.read_text().splitlines() if path.exists() else []
    passed, failed, skipped = 0, len(others), 0
    for line in others:
        print('failed: ' + line)
    for build in builds:
        of_build = count(build)
        print('%s: of its tests %d passed, %d failed, %d skipped' % (build, *of_build))
        passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), of_build))
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
