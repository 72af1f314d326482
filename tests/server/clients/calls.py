"""Reads calls from the standard input, one a line, words between tabs, and prints a line for each: what the client has
answered. The caller's table has a function for each call that the client knows."""
import sys


def shown(answer):
    """An answer as a line; of an exception its kind and words."""
    if isinstance(answer, bytes):
        answer = answer.decode()
    return ' '.join(str(answer).splitlines())


def found(value):
    """The value, or that there is none."""
    return 'miss' if value is None else shown(value)


def found_many(values):
    """What get_many has found, by key, in the keys' order."""
    return ' '.join('%s=%s' % (key, shown(value)) for key, value in sorted(values.items()))


def types(values, keep, load):
    """Values of several types, each set and read back; what has come back otherwise."""
    wrong = []
    for value in values:
        keep('type', value)
        back = load('type')
        if back != value or isinstance(back, type(value)) is False:
            wrong.append('%r came back as %r' % (value, back))
    return ', '.join(wrong) or 'all types'


def pairs(words):
    """A dict of key, value, key, value."""
    return dict(zip(words[::2], words[1::2]))


def serve(calls):
    """Until the input ends."""
    for line in sys.stdin:
        name, *words = line.rstrip('\n').split('\t')
        try:
            answer = shown(calls[name](*words)) if name in calls else 'no such call'
        except Exception as error:  # whatever the client raises is its answer
            answer = 'error: %s %s' % (type(error).__name__, shown(error))
        print(answer, flush=True)
