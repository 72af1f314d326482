"""The models of lending and of versions through spin: each run of RUNS must pass, and each fault of FAULTS must be found.

    check.py                    as in the gate, printed as TAP
    check.py --only faults      the faults alone; --only runs: the runs alone
    check.py two 'three chain'  some runs or faults, by name
    check.py --long             the large ones too: some take many minutes, and up to 12 GB
    check.py --keep DIRECTORY   leaves what spin has written there, to look at a counterexample

README.md tells what the runs are, and how to read a counterexample.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
COMPILER = os.environ.get('CC') or 'gcc'
DEPTH = 4000000

# What each reactor's client asks for.
TWO = {'N': 2, 'SENDS(a,b)': '1', 'OWN(a)': '1', 'TURNS(a)': '1', 'BATCH': 1}
THREE = {'N': 3, 'SENDS(a,b)': '((b)==0)', 'OWN(a)': '((a)==0)', 'TURNS(a)': '1', 'BATCH': 1}
ENDLESS = {'LIVE': '', 'SENDS(a,b)': '((b)==0)', 'OWN(a)': '((a)==0)'}
STARVE = dict(THREE, **ENDLESS, **{'ENDLESS(a)': '((a)>0)', 'POLLS(a)': '((a)>0)', 'ROUNDS': 0})
WAIT = dict(TWO, **ENDLESS, **{'ENDLESS(a)': '1'})

# Of versions.pml; all others are of lending.pml.
COPIES = {'MODEL': 'versions.pml', 'READERS': 2, 'READS': 2, 'CHANGES': 2}

# name: (definitions, the property of liveness or None)
RUNS = {
    'two': (dict(TWO, SOLE='', PLANS=''), None),
    'two twice': (dict(TWO, **{'TURNS(a)': '2'}), None),
    'two pairs': (dict(TWO, BATCH=2, **{'OWN(a)': '((a)==0)'}), None),
    'two parts': (dict(TWO, BATCH=2, SOLE='', PARTS='', **{'SENDS(a,b)': '((b)==0)'}), None),
    'two stale': (dict(TWO, SOLE='', PLANS='', STALE='', PARTS=''), None),
    'two direct': (dict(TWO, PLANS='', DIRECT=''), None),
    'two busy': (dict(TWO, SOLE='', BUSY=''), None),
    'three': (THREE, None),
    'three direct': (dict(THREE, DIRECT='', ROUNDS=0, **{'TURNS(a)': '((a)!=1)'}), None),
    'three sole': (dict(THREE, SOLE='', ROUNDS=0), None),
    'three chain': (dict(THREE, **{'SENDS(a,b)': '((b)+1==(a))', 'OWN(a)': '((a)==1)', 'TURNS(a)': '((a)>0)'}), None),
    'owner of two': (dict(WAIT, SOLE=''), 'owner'),
    'reply of two': (dict(WAIT, SOLE=''), 'reply'),
    'owner of three': (STARVE, 'owner'),
    'copies': (COPIES, None),
    'copies long': (dict(COPIES, READERS=1, READS=5, CHANGES=4), None),
}

# As above, but for when there is time.
LONG = {
    'two pairs of all': (dict(TWO, BATCH=2, SOLE='', PLANS='', PARTS=''), None),
    'three circle': (dict(THREE, SOLE='', **{'SENDS(a,b)': '((b)==((a)+1)%3)', 'OWN(a)': '0'}), None),
    'reply of three': (dict(STARVE, DIRECT='', **{'OWN(a)': '0', 'TURNS(a)': '((a)>0)', 'POLLS(a)': '((a)==2)'}),
                       'reply'),
    'three twice': (dict(THREE, **{'TURNS(a)': '(1+((a)>0))'}), None),
    'copies often': (dict(COPIES, READS=3), None),
}

# name: (what is wrong, the run that finds it, what spin must say)
ASSERTED = 'assertion violated'
CYCLE = 'acceptance cycle'
FAULTS = {
    'NO_LOOK_AFTER_RETURN': ('who returns a shard does not look at its rings again', 'three', ASSERTED),
    'NO_LOOK_AFTER_FREE': ('its own reactor looks at them before it frees it', 'two', ASSERTED),
    'ROUNDS_END_FREE': ('after the last round what is left stays in the rings', 'three sole', ASSERTED),
    'NO_LOOK_AT_WORD': ('a sleeper does not look whether its shard waits for it', 'two', ASSERTED),
    'SLEEPING_LATE': ('the sleeping flag is set after the last look', 'two', ASSERTED),
    'NO_WAKE': ('who leaves a shard to its reactor does not wake that', 'two', ASSERTED),
    'WAKES_FIRST': ('the reactor is woken before the word leaves it the shard', 'two', ASSERTED),
    'WAKES_ITSELF_ONLY': ('others whose requests were served are not woken', 'three', ASSERTED),
    'RETURN_FORGETS_WANTED': ('a shard is returned as free although it is wanted', 'two', ASSERTED),
    'NO_LOOK_AFTER_DIRECT': ('nor who has executed a request without a message', 'three direct', ASSERTED),
    'BORROWS_WANTED': ('a shard that waits for its reactor is borrowed', 'owner of two', CYCLE),
    'NO_WANT': ('its own reactor tries only, and leaves no mark', 'owner of three', CYCLE),
    'WANT_BY_TRIES': ('it marks by two tries in turn, which may both fail for ever', 'owner of three', CYCLE),
    'BORROWS_IN_TWO': ('borrowing looks first and stores then', 'two', ASSERTED),
    'SERVES_FOR_OWNER': ('who has borrowed executes what is for the own thread', 'two', ASSERTED),
    'REPLIES_LATE': ('replies are published after the shard was returned', 'two', ASSERTED),
    'PLAN_FORGOTTEN': ('who leaves something to wake up for does not tell', 'two', ASSERTED),
    'PLAN_WAKES_ONLY': ('it frees the shard and wakes its reactor if that sleeps', 'two', ASSERTED),
    'TAIL_BUFFERED': ('publishing is no sequentially consistent store', 'two', ASSERTED),
    'FREE_BUFFERED': ('freeing is no sequentially consistent store', 'two', ASSERTED),
    'SLEEPING_BUFFERED': ('the sleeping flag is no sequentially consistent store', 'two', ASSERTED),
    'NO_MOVE': ('a change leaves the word of its slot', 'copies', ASSERTED),
    'MOVES_LATE': ('the word is moved behind the answer', 'copies', ASSERTED),
    'MOVE_BUFFERED': ('the word becomes visible behind the answer', 'copies', ASSERTED),
    'NO_COUNT': ('a word only tells whether there are copies', 'copies', ASSERTED),
    'SHARES_LATE': ('a slot is marked as shared when the shard has been left', 'copies', ASSERTED),
    'WORD_LATE': ('the word that goes with a copy is read when the shard has been left', 'copies', ASSERTED),
    'LOOKS_EARLY': ('the word is loaded before the request has come', 'copies', ASSERTED),
    'OVERTAKES': ('a get is answered from a copy while an earlier request is under way', 'copies', ASSERTED),
}


class Failure(Exception):
    pass


def command(arguments, directory):
    done = subprocess.run(arguments, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def build(definitions, live, directory):
    """Writes the run, and compiles spin's verifier of it."""
    model_file = os.path.join(FOLDER, definitions.get('MODEL', 'lending.pml'))
    with open(model_file) as model, open(os.path.join(directory, 'run.pml'), 'w') as run:
        for name, value in definitions.items():
            if name != 'MODEL':
                run.write('#define %s %s\n' % (name, value))
        run.write(model.read())
    status, said = command(['spin', '-a', 'run.pml'], directory)
    if status != 0 or not os.path.exists(os.path.join(directory, 'pan.c')):
        raise Failure('spin does not take the model:\n' + said)
    options = ['-DNFAIR=3'] if live else ['-DSAFETY', '-DNOCLAIM']
    status, said = command([COMPILER, '-O1', '-w', '-DCOLLAPSE', '-DMEMLIM=12000', *options, '-o', 'pan', 'pan.c'],
                           directory)
    if status != 0:
        raise Failure('the verifier does not compile:\n' + said)


def verify(definitions, live, directory):
    """What spin's verifier says. No limit on memory or depth may have cut it short."""
    build(definitions, live, directory)
    arguments = ['./pan', '-m%d' % DEPTH] + (['-a', '-f', '-N', live] if live else ['-noclaim'])
    status, said = command(arguments, directory)
    found = re.search(r'errors: (\d+)\n +(\d+) states, stored', said.replace(' (', '\n ('))
    if status != 0 or not found or 'max search depth too small' in said or 'out of memory' in said:
        raise Failure('the search is not complete:\n' + said[-2000:])
    return int(found.group(1)), int(found.group(2)), said


def check_run(name, directory):
    definitions, live = {**RUNS, **LONG}[name]
    errors, states, said = verify(definitions, live, directory)
    if errors:
        raise Failure('%s\nsee the counterexample with --keep' % said[:2000])
    return '%d states' % states


def check_fault(name, directory):
    _, run, expected = FAULTS[name]
    definitions, live = RUNS[run]
    errors, states, said = verify(dict(definitions, **{'FAULT_' + name: ''}), live, directory)
    if not errors:
        raise Failure('spin has not found it in "%s"' % run)
    if expected not in said:
        raise Failure('spin has found something else:\n' + said[:2000])
    return 'found in "%s"' % run


def cases(asked, only, long):
    runs = [(name, check_run, name) for name in RUNS]
    runs += [(name, check_run, name) for name in LONG if long or name in asked]
    faults = [('%s: %s' % (name, FAULTS[name][0]), check_fault, name) for name in FAULTS]
    every = (runs if only != 'faults' else []) + (faults if only != 'runs' else [])
    return [case for case in every if not asked or case[2] in asked]


def play(case, directory):
    start = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    told = case[1](case[2], directory)
    return '%s, %.0f s' % (told, time.monotonic() - start)


def main():
    options = argparse.ArgumentParser()
    options.add_argument('names', nargs='*')
    options.add_argument('--only', choices=['runs', 'faults'])
    options.add_argument('--long', action='store_true')
    options.add_argument('--keep')
    options = options.parse_args()
    for program in ['spin', 'gcc', COMPILER.split()[0]]: # spin calls gcc's preprocessor
        if not shutil.which(program):
            print('1..0 # SKIP %s is not installed' % program)
            return 0
    chosen = cases(options.names, options.only, options.long)
    failed = 0
    print('1..%d' % len(chosen), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for number, case in enumerate(chosen, 1):
            directory = os.path.join(options.keep or temporary, case[2].replace(' ', '_'))
            try:
                print('ok %d - %s: %s' % (number, case[0], play(case, directory)), flush=True)
            except Failure as failure:
                failed += 1
                print('not ok %d - %s' % (number, case[0]))
                print('\n'.join('# ' + line for line in str(failure).splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
