"""What the tables of exchanges are written with; transcript.py tells how they are read."""

FRAGMENTS = (None, 100, 10, 5, 2, 1)
FORMAT = b'CLIENT_ERROR bad command line format\r\n'
CHUNK = b'CLIENT_ERROR bad data chunk\r\n'
TOO_LARGE = b'SERVER_ERROR object too large for cache\r\n'
DELTA = b'CLIENT_ERROR invalid numeric delta argument\r\n'
NON_NUMERIC = b'CLIENT_ERROR cannot increment or decrement non-numeric value\r\n'
EXPTIME = b'CLIENT_ERROR invalid exptime argument\r\n'
USAGE = b'CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n'
LONG = b'k' * 250  # the longest key; one more is too long

UNASKED = object()  # as `memcached`: not asked of it, it has a fault here

EXCHANGES = []


def exchange(name, *steps, memcached=None, closes=False, open_end=False, fragments=FRAGMENTS):
    """Adds an exchange. Steps are sent and expected bytes in turn; `memcached` is what memcached
    1.6.45 answers to the last step where we answer otherwise on purpose. `closes`: the server ends
    the connection. `open_end`: the input ends within a command, so that nothing can be asked
    afterwards."""
    EXCHANGES.append((name, steps, memcached, closes, open_end, fragments))
