"""What the rules are not asked of: {check: {subject: reason}}. A subject is a file, `file:function`, or for
a circle its files, with * as in names of files. An exception that isn't needed any more
fails the test."""

PANIC = "a signal's handler has no parameter that leads to its reactor"

EXCEPTIONS = {
    'check_statics': {
        'core/base/panic.c:panic_thread_report': PANIC,
    },
    'check_thread_locals': {
        'core/base/panic.c:panic_thread_report': PANIC,
    },
}
