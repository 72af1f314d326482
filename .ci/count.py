#!/usr/bin/env python3
"""Adds up the single test cases of meson's result files, and what else went wrong.

usage: count.py FAILURES BUILD…   FAILURES: a file with one line for each failure outside of the tests
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def count(build):
    """The cases of one build folder: (passed, failed). A test that broke off counts as a failed case at least."""
    passed = failed = 0
    for case in xml.parse(pathlib.Path(build, 'meson-logs/testlog.junit.xml')).iter('testcase'):
        if case.find('failure') is not None or case.find('error') is not None:
            failed += 1
            print('failed: %s: %s %s' % (build, case.get('classname'), case.get('name')))
        elif case.find('skipped') is None:
            passed += 1
        else:
            # A skipped test has shown nothing.
            failed += 1
            print('skipped: %s: %s' % (build, case.get('name')))
    return passed, failed


def main(failures, *builds):
    """Prints the sum as the last line; exit status 1 when anything failed or nothing ran."""
    path = pathlib.Path(failures)
    others = path.read_text().splitlines() if path.exists() else []
    passed, failed = 0, len(others)
    for line in others:
        print('failed: ' + line)
    for build in builds:
        of_build = count(build)
        print('%s: %d passed, %d failed of its tests' % (build, *of_build))
        passed, failed = passed + of_build[0], failed + of_build[1]
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
