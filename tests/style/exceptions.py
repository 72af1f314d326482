"""What the rules are not (yet) asked of: {check: {subject: reason}}. A subject is a file, `file:function`, or for
a circle its files, with * as in names of files. The list only shrinks."""

SOON = 'is being rewritten'
PANIC = "a signal's handler has no parameter that leads to its reactor"

EXCEPTIONS = {
    'check_call_circles': {
        'core/server/options*.c': 'a table of options, what reads their values, and -h, which is one of them',
    },
    'check_names': {
        'core/server/*': SOON,
        'core/shard/*': SOON,
        'core/stats/*': SOON,
    },
    'check_statics': {
        'core/base/panic.c:panic_thread_report': PANIC,
    },
    'check_thread_locals': {
        'core/base/panic.c:panic_thread_report': PANIC,
    },
}
