#!/usr/bin/env python3
"""Adds up the single test cases of meson's result files, and what else went wrong; tells of each failure what it said.

usage: count.py FAILURES BUILD…   FAILURES: a file with one line for each failure outside of the tests, and behind it,
                                  indented, what is to be told of it
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

LINES_MAX = 7  # told of each failure
COLUMNS_MAX = 200
TOLD_MAX = 12  # failures of which more than the name is told


def tracebacks(errors):
    """What python has said of each failure, in their order: where it was, and the exception."""
    found = []
    for text in re.split(r'(?<!another exception occurred:\n\n)(?<!exception:\n\n)^Traceback \(most recent.*\n', errors,
                         flags=re.M)[1:]:
        lines = [line for line in text.splitlines() if line.strip()]
        places = [n for n, line in enumerate(lines) if line.startswith('  File ')]
        if places:
            ends = [n for n in range(places[-1], len(lines)) if not lines[n].startswith(' ')] or [places[-1]]
            found.append([lines[places[-1]], *lines[ends[0]:]])
    return found


def told(output, case):
    """The lines of a criterion test that say why this case failed: behind its verdict, or before it in the cross
    build; of any other test the last lines."""
    lines = [line for line in output.splitlines() if not re.match(r' *(---|\.\.\.|(assertion|failure)s:.*)?$', line)]
    verdicts = [n for n, line in enumerate(lines) if re.match('(not )?ok ', line)]
    at = [n for n in verdicts if lines[n].startswith('not ok') and (not case or case in lines[n])]
    if not at:
        return lines[-LINES_MAX:]
    found = lines[at[0] + 1:min([n for n in verdicts if n > at[0]] + [len(lines)])]
    if not found:
        found = lines[max([n for n in verdicts if n < at[0]] + [-1]) + 1:at[0]]
    return found


def of_junit(build, path):
    """What the cases of a build became: passed, names of what was skipped, and (test, case) of what failed."""
    passed, skipped, failed = 0, [], []
    for case in xml.parse(path).iter('testcase'):
        name = re.sub(r'^\d+ - |  \([0-9.]+s\)$', '', case.get('name'))
        if case.find('failure') is not None or case.find('error') is not None:
            failed.append((case.get('classname').removeprefix('simplecache.'), name))
        elif case.find('skipped') is None:
            passed += 1
        else:
            skipped.append(name.split(' ')[0])
    return passed, skipped, failed


def of_build(build):
    """The cases of one build folder: (how many passed, names of the skipped, lines about each failure). A test that
    broke off or took too long is a failure too, whatever its cases became, and so is a build without results."""
    logs = pathlib.Path(build, 'meson-logs')
    if not (logs / 'testlog.junit.xml').exists():
        return 0, [], [['%s: no results' % build]]
    passed, skipped, cases = of_junit(build, logs / 'testlog.junit.xml')
    failures = []
    for line in (logs / 'testlog.json').read_text().splitlines():
        test = json.loads(line)
        if test['result'] in ('OK', 'SKIP', 'EXPECTEDFAIL'):
            continue
        output, errors = test.get('stdout') or '', test.get('stderr') or ''
        python = iter(tracebacks(errors))
        of_test = [case for suite, case in cases if suite == test['name']]
        # A single program without cases stands in the file under the project's name, with its own for the case's.
        of_test += [None for suite, case in cases if suite == 'simplecache' and case == test['name']]
        for case in of_test or [None]:
            lines = next(python, None) or told(output, case) or errors.strip().splitlines()[-LINES_MAX:]
            failures.append(['%s: %s: %s' % (build, test['name'], case or test['result']), *lines[:LINES_MAX]])
    passed -= max(0, len(failures) - len(cases))  # meson has those that took too long for passed
    return passed, skipped, failures


def elsewhere(path, of_builds):
    """The failures outside of the tests, without those of `meson test` whose cause the build's own results tell."""
    failures = []
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith(' ') and failures:
            failures[-1].append(line.strip())
        else:
            failures.append([line])
    return [failure for failure in failures
            if not (failure[0].endswith(': meson test failed') and of_builds.get(failure[0].split(':')[0]))]


def main(failed_elsewhere, *builds):
    """Prints the sum as the last line; exit status 1 when anything failed or nothing ran."""
    passed, skipped, of_builds = 0, {}, {}
    for build in builds:
        passed_here, skipped_here, of_builds[build] = of_build(build)
        print('%s: of its tests %d passed, %d failed, %d skipped'
              % (build, passed_here, len(of_builds[build]), len(skipped_here)))
        passed += passed_here
        for name in skipped_here:
            skipped[name] = skipped.get(name, 0) + 1
    print('skipped: ' + ', '.join('%s %d' % each for each in sorted(skipped.items())))
    failures = elsewhere(pathlib.Path(failed_elsewhere), of_builds) + sum(of_builds.values(), [])
    for n, (name, *lines) in enumerate(failures):
        print('failed: ' + name[:COLUMNS_MAX])
        for line in lines if n < TOLD_MAX else []:
            print('    ' + line[:COLUMNS_MAX])
    print('%d passed, %d failed, %d skipped' % (passed, len(failures), sum(skipped.values())))
    return 1 if failures or not passed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
