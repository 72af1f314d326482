"""Scripted exchanges, byte for byte, whatever the fragments and the number of shards.

Each exchange runs on 1, 2 and 5 shards, sent whole and in fragments of 100, 10, 5, 2 and 1 bytes;
the expected bytes stand in the tables below, so all these runs are identical. They come from
memcached's protocol.txt and from asking memcached; where Debian's 1.6.18 answers otherwise than
1.6.45 the line has `old`, so that the tables can be checked against it (SIMPLECACHE_COMMAND).

In the expected bytes <NAME> stands for digits, such as a CAS value, and in binary replies an
eight-byte <CAS...>; what was read there replaces the same mark in all that follows.
"""
import re
import struct
import time
import unittest

import server

SHARDS = (1, 2, 5)
FRAGMENTS = (None, 100, 10, 5, 2, 1)
MARK = re.compile(rb'(<CAS...>)|<([a-z]+[0-9]*)>', re.DOTALL)
FORMAT = b'CLIENT_ERROR bad command line format\r\n'
CHUNK = b'CLIENT_ERROR bad data chunk\r\n'
TOO_LARGE = b'SERVER_ERROR object too large for cache\r\n'
DELTA = b'CLIENT_ERROR invalid numeric delta argument\r\n'
NON_NUMERIC = b'CLIENT_ERROR cannot increment or decrement non-numeric value\r\n'
EXPTIME = b'CLIENT_ERROR invalid exptime argument\r\n'
USAGE = b'CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n'.replace(
    b'<key>', b'<<key>>')
SWALLOWS_NOTHING = FORMAT + b'ERROR\r\nEND\r\n'  # what 1.6.18 does with the data of a bad command
LONG = b'k' * 250  # the longest key; one more is too long

UNASKED = object()  # as `old`: not asked of memcached

EXCHANGES = []


def exchange(name, *steps, old=None, closes=False, open_end=False, fragments=FRAGMENTS):
    """Adds an exchange. Steps are sent and expected bytes in turn; `old` replaces the expected bytes
    of the last step for memcached 1.6.18. `closes`: the server ends the connection. `open_end`: the
    input ends within a command, so that nothing can be asked afterwards."""
    EXCHANGES.append((name, steps, old, closes, open_end, fragments))


# --- Text: storage and retrieval ------------------------------------------------------------------
exchange('get miss', b'get a\r\n', b'END\r\n')
exchange('set and get',
         b'set a 5 0 3\r\nabc\r\n', b'STORED\r\n',
         b'get a\r\n', b'VALUE a 5 3\r\nabc\r\nEND\r\n')
exchange('set of an empty value',
         b'set a 0 0 0\r\n\r\nget a\r\n', b'STORED\r\nVALUE a 0 0\r\n\r\nEND\r\n')
exchange('value of bytes that look like commands',
         b'set a 0 0 17\r\nget a\r\nEND\r\n\0\xff\r\n\x80\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 17\r\nget a\r\nEND\r\n\0\xff\r\n\x80\r\nEND\r\n')
exchange('set overwrites, longer and shorter',
         b'set a 1 0 1\r\nx\r\nset a 2 0 5\r\nlarge\r\nget a\r\nset a 3 0 2\r\nhi\r\nget a\r\n',
         b'STORED\r\nSTORED\r\nVALUE a 2 5\r\nlarge\r\nEND\r\nSTORED\r\nVALUE a 3 2\r\nhi\r\nEND\r\n')
exchange('flags have 32 bits',
         b'set a 4294967295 0 1\r\nx\r\nget a\r\n', b'STORED\r\nVALUE a 4294967295 1\r\nx\r\nEND\r\n')
exchange('longest key',
         b'set ' + LONG + b' 0 0 1\r\nx\r\nget ' + LONG + b'\r\n',
         b'STORED\r\nVALUE ' + LONG + b' 0 1\r\nx\r\nEND\r\n')
exchange('several spaces between words',
         b'set  a  0  0  1\r\nx\r\nget  a  b \r\n', b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
exchange('get in request order, duplicates repeated, misses dropped, one END',
         b''.join(b'set k%d 0 0 2\r\nv%d\r\n' % (n, n) for n in range(10)), b'STORED\r\n' * 10,
         b'get k3 k0 no k9 k3 k5 none k1 k2 k8 k4 k7 k6\r\n',
         b''.join(b'VALUE k%d 0 2\r\nv%d\r\n' % (n, n) for n in (3, 0, 9, 3, 5, 1, 2, 8, 4, 7, 6))
         + b'END\r\n')
exchange('get with a space before the newline',
         b'set foo1 0 0 1\r\nx\r\nget foo1 \r\n', b'STORED\r\nVALUE foo1 0 1\r\nx\r\nEND\r\n')
exchange('gets shows one CAS per item',
         b'set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n', b'STORED\r\nSTORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n',
         b'gets b a no a\r\n', b'VALUE b 0 1 <casb>\r\ny\r\nVALUE a 0 1 <casa>\r\nx\r\n'
         b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n')
exchange('add', b'add a 0 0 1\r\nx\r\nadd a 0 0 1\r\ny\r\nget a\r\n',
         b'STORED\r\nNOT_STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
exchange('replace', b'replace a 0 0 1\r\nx\r\nset a 0 0 1\r\ny\r\nreplace a 7 0 1\r\nz\r\nget a\r\n',
         b'NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE a 7 1\r\nz\r\nEND\r\n')
exchange('append and prepend keep flags and expiry',
         b'append a 0 0 1\r\nx\r\nprepend a 0 0 1\r\nx\r\nset a 9 0 3\r\nmid\r\n'
         b'append a 1 -1 4\r\n-end\r\nprepend a 2 -1 4\r\nbeg-\r\nget a\r\n',
         b'NOT_STORED\r\nNOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\n'
         b'VALUE a 9 11\r\nbeg-mid-end\r\nEND\r\n')
exchange('delete', b'delete a\r\nset a 0 0 1\r\nx\r\ndelete a\r\nget a\r\n',
         b'NOT_FOUND\r\nSTORED\r\nDELETED\r\nEND\r\n')
exchange('delete with a time of 0',
         b'set a 0 0 1\r\nx\r\ndelete a 0\r\nget a\r\n', b'STORED\r\nDELETED\r\nEND\r\n')
exchange('delete with another time is refused',
         b'set a 0 0 1\r\nx\r\ndelete a 10\r\nget a\r\n',
         b'STORED\r\n' + USAGE + b'VALUE a 0 1\r\nx\r\nEND\r\n')
exchange('cas without an item', b'cas a 0 0 1 77\r\nx\r\n', b'NOT_FOUND\r\n')
exchange('cas stores once',
         b'set a 0 0 1\r\nx\r\n', b'STORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n',
         b'cas a 0 0 1 <casa>\r\ny\r\ncas a 0 0 1 <casa>\r\nz\r\nget a\r\n',
         b'STORED\r\nEXISTS\r\nVALUE a 0 1\r\ny\r\nEND\r\n')
exchange('incr changes the CAS',
         b'set a 0 0 1\r\n1\r\n', b'STORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\n1\r\nEND\r\n',
         b'incr a 1\r\ncas a 0 0 1 <casa>\r\nz\r\n', b'2\r\nEXISTS\r\n')
exchange('append changes the CAS',
         b'set a 0 0 1\r\n1\r\n', b'STORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\n1\r\nEND\r\n',
         b'append a 0 0 1\r\n1\r\ncas a 0 0 1 <casa>\r\nz\r\n', b'STORED\r\nEXISTS\r\n')
exchange('touch leaves the CAS',
         b'set a 0 0 1\r\n1\r\n', b'STORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\n1\r\nEND\r\n',
         b'touch a 100\r\ncas a 0 0 1 <casa>\r\nz\r\n', b'TOUCHED\r\nSTORED\r\n')
# Whether a data block would be swallowed is left open.
exchange('cas without a token is refused', b'cas a 0 0 1\r\n', FORMAT, old=b'ERROR\r\n', open_end=True)
exchange('a key named noreply',
         b'set noreply 0 0 1\r\nx\r\nget noreply\r\n', b'STORED\r\nVALUE noreply 0 1\r\nx\r\nEND\r\n')

# --- Text: numbers --------------------------------------------------------------------------------
exchange('incr and decr',
         b'incr n 1\r\ndecr n 1\r\nset n 0 0 1\r\n5\r\nincr n 10\r\ndecr n 3\r\ndecr n 100\r\n',
         b'NOT_FOUND\r\nNOT_FOUND\r\nSTORED\r\n15\r\n12\r\n0\r\n')
exchange('incr keeps flags',
         b'set n 3 0 1\r\n5\r\nincr n 1\r\nget n\r\n', b'STORED\r\n6\r\nVALUE n 3 1\r\n6\r\nEND\r\n')
exchange('incr lengthens the value',
         b'set n 0 0 2\r\n99\r\nincr n 1\r\nget n\r\n', b'STORED\r\n100\r\nVALUE n 0 3\r\n100\r\nEND\r\n')
exchange('incr wraps at 64 bits',
         b'set n 0 0 20\r\n18446744073709551615\r\nincr n 1\r\n', b'STORED\r\n0\r\n')
exchange('incr by the largest delta',
         b'set n 0 0 1\r\n0\r\nincr n 18446744073709551615\r\n', b'STORED\r\n18446744073709551615\r\n')
exchange('decr keeps the length of the value',
         b'set n 0 0 2\r\n10\r\ndecr n 1\r\nget n\r\nincr n 2\r\n',
         b'STORED\r\n9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n11\r\n')
exchange('incr by what is no number',
         b'set n 0 0 1\r\n5\r\nincr n -1\r\nincr n abc\r\nincr n 18446744073709551616\r\ndecr n x\r\n',
         b'STORED\r\n' + DELTA * 4)
for value in (b'hi', b'-1', b''):
    exchange('incr of the value %r' % value.decode(),
             b'set n 0 0 %d\r\n%s\r\nincr n 1\r\ndecr n 1\r\n' % (len(value), value),
             b'STORED\r\n' + NON_NUMERIC * 2)
exchange('incr of a number and a space',
         b'set n 0 0 2\r\n5 \r\nincr n 1\r\n', b'STORED\r\n6\r\n')

# --- Text: times ----------------------------------------------------------------------------------
exchange('exptime -1 is long past', b'set a 0 -1 1\r\nx\r\nget a\r\n', b'STORED\r\nEND\r\n')
exchange('30 days are relative', b'set a 0 2592000 1\r\nx\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
exchange('more than 30 days are a date', b'set a 0 2592001 1\r\nx\r\nget a\r\n', b'STORED\r\nEND\r\n')
exchange('a date in the future', b'set a 0 2100000000 1\r\nx\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
exchange('touch', b'touch a 0\r\nset a 4 0 1\r\nx\r\ntouch a 100\r\nget a\r\ntouch a -1\r\nget a\r\n',
         b'NOT_FOUND\r\nSTORED\r\nTOUCHED\r\nVALUE a 4 1\r\nx\r\nEND\r\nTOUCHED\r\nEND\r\n')
exchange('touch with what is no time', b'set a 0 0 1\r\nx\r\ntouch a abc\r\nget a\r\n',
         b'STORED\r\n' + EXPTIME + b'VALUE a 0 1\r\nx\r\nEND\r\n')
exchange('gat', b'gat 0 a\r\nset a 4 0 1\r\nx\r\nset b 0 0 1\r\ny\r\ngat 100 b no a b\r\n',
         b'END\r\nSTORED\r\nSTORED\r\nVALUE b 0 1\r\ny\r\nVALUE a 4 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\n')
exchange('gat into the past returns the value, then it is gone',
         b'set a 0 0 1\r\nx\r\ngat -1 a\r\nget a\r\n', b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\n')
exchange('gats', b'set a 0 0 1\r\nx\r\n', b'STORED\r\n',
         b'gats 0 a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n',
         b'gats 100 a\r\ngets a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n' * 2)
exchange('gat without a key', b'gat 0\r\n', FORMAT, old=b'END\r\n')
exchange('gat with what is no time', b'gat abc n\r\n', EXPTIME)

# --- Text: flush_all, version and the like --------------------------------------------------------
exchange('flush_all, and a set in the same second survives',
         b'set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nflush_all\r\nget a b\r\nset a 0 0 1\r\ny\r\nget a b\r\n',
         b'STORED\r\nSTORED\r\nOK\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\ny\r\nEND\r\n')
exchange('flush_all 0', b'set a 0 0 1\r\nx\r\nflush_all 0\r\nget a\r\n', b'STORED\r\nOK\r\nEND\r\n')
exchange('flush_all in the future leaves items until then',
         b'set a 0 0 1\r\nx\r\nflush_all 100\r\nget a\r\nset a 0 0 1\r\ny\r\nget a\r\n',
         b'STORED\r\nOK\r\nVALUE a 0 1\r\nx\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\ny\r\nEND\r\n')
exchange('flush_all with what is no time', b'flush_all abc\r\n', EXPTIME)
exchange('add, replace, append, incr, touch and delete after flush_all',
         b'set a 0 0 1\r\n1\r\nflush_all\r\nreplace a 0 0 1\r\n2\r\nappend a 0 0 1\r\n2\r\n'
         b'incr a 1\r\ntouch a 0\r\ndelete a\r\ncas a 0 0 1 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n',
         b'STORED\r\nOK\r\nNOT_STORED\r\nNOT_STORED\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\n'
         b'NOT_FOUND\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n')
exchange('verbosity', b'verbosity 0\r\n', b'OK\r\n')
exchange('quit sends what is owed and drops the rest',
         b'set a 0 0 1\r\nx\r\nget a\r\nquit\r\nget a\r\n', b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n',
         closes=True)
exchange('quit alone', b'quit\r\n', b'', closes=True)

# --- Text: noreply --------------------------------------------------------------------------------
exchange('noreply everywhere',
         b'set a 0 0 1 noreply\r\n1\r\nadd a 0 0 1 noreply\r\n2\r\nreplace a 0 0 1 noreply\r\n3\r\n'
         b'append a 0 0 1 noreply\r\n4\r\nprepend a 0 0 1 noreply\r\n2\r\nincr a 1 noreply\r\n'
         b'decr a 2 noreply\r\ntouch a 100 noreply\r\nget a\r\n'
         b'delete a noreply\r\nset b 0 0 1 noreply\r\n1\r\ncas b 0 0 1 1 noreply\r\nx\r\n'
         b'delete nope noreply\r\nincr nope 1 noreply\r\ntouch nope 1 noreply\r\n'
         b'get a\r\nflush_all noreply\r\nget b\r\nset c 0 0 1 noreply\r\nx\r\n'
         b'flush_all 0 noreply\r\nverbosity 0 noreply\r\nget c\r\n',
         b'VALUE a 0 3\r\n233\r\nEND\r\nEND\r\nEND\r\nEND\r\n')
exchange('delete with a time of 0 and noreply',
         b'set a 0 0 1\r\nx\r\ndelete a 0 noreply\r\nget a\r\n', b'STORED\r\nEND\r\n')
exchange('noreply silences errors',
         b'set %sk 0 0 1 noreply\r\nx\r\nincr a x noreply\r\ntouch a x noreply\r\n'
         b'bogus command noreply\r\nset a 0 x 1 noreply\r\ny\r\nget a\r\n' % LONG,
         b'END\r\n', old=b'ERROR\r\n' * 3 + b'END\r\n')
exchange('noreply silences incr of a word',
         b'set a 0 0 1 noreply\r\nx\r\nincr a 1 noreply\r\nget a\r\n', b'VALUE a 0 1\r\nx\r\nEND\r\n')

# --- Text: mistakes -------------------------------------------------------------------------------
exchange('get without a key', b'get\r\n', FORMAT, old=b'ERROR\r\n')
exchange('gets without a key', b'gets\r\n', FORMAT, old=b'ERROR\r\n')
exchange('an empty line', b'\r\n', FORMAT, old=b'ERROR\r\n')
exchange('a line of one space', b' \n', FORMAT, old=b'ERROR\r\n')
exchange('unknown command', b'ge\r\n', b'ERROR\r\n')
exchange('unknown command with arguments', b'foo bar baz\r\n', b'ERROR\r\n')
exchange('commands are lower case', b'GET a\r\n', b'ERROR\r\n')
exchange('commands begin the line', b'  get a\r\n', b'ERROR\r\n', old=b'END\r\n')
exchange('a longer word that begins as a command', b'getx a\r\nsets a 0 0 1\r\n', b'ERROR\r\nERROR\r\n')
exchange('a bare newline ends a command line',
         b'set a 0 0 1\nx\r\nget a\ndelete a\n', b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nDELETED\r\n')
exchange('a data block needs both bytes of its newline',
         b'set a 0 0 3\r\nabc\nget a\r\n', CHUNK + b'ERROR\r\n')
exchange('a data block that is too long',
         b'set a 0 0 3\r\nabcd\r\n', CHUNK + FORMAT, old=CHUNK + b'ERROR\r\n')
exchange('a bad data block leaves the old value... and nothing new',
         b'set a 0 0 3\r\nold\r\nadd b 0 0 3\r\nnew!!get a b\r\n',
         b'STORED\r\n' + CHUNK + b'VALUE a 0 3\r\nold\r\nEND\r\n')
for length in (b'-1', b'4294967295', b'2147483647', b'abc'):
    exchange('length %s swallows nothing' % length.decode(),
             b'set k 0 0 %s\r\nget k\r\n' % length, FORMAT + b'END\r\n')
exchange('bad exptime swallows the data', b'set k 0 abc 2\r\nhi\r\nget k\r\n', FORMAT + b'END\r\n',
         old=SWALLOWS_NOTHING)
exchange('bad flags swallow the data', b'set k abc 0 2\r\nhi\r\nget k\r\n', FORMAT + b'END\r\n',
         old=SWALLOWS_NOTHING)
exchange('negative flags swallow the data', b'set k -1 0 2\r\nhi\r\nget k\r\n', FORMAT + b'END\r\n',
         old=SWALLOWS_NOTHING)
# memcached cuts flags of 2^32 and over silently; we refuse them.
exchange('flags of 33 bits swallow the data', b'set k 4294967296 0 2\r\nhi\r\nget k\r\n',
         FORMAT + b'END\r\n', old=b'STORED\r\nVALUE k 0 2\r\nhi\r\nEND\r\n')
exchange('a key that is too long swallows the data',
         b'set %sk 0 0 2\r\nhi\r\nget k\r\n' % LONG, FORMAT + b'END\r\n', old=SWALLOWS_NOTHING)
exchange('get of a key that is too long', b'get %sk\r\n' % LONG, FORMAT)
# memcached adds an empty line here, a fault not to copy.
exchange('the error of a long key stands alone',
         b'set a 0 0 1\r\nx\r\n', b'STORED\r\n', b'get a %sk\r\n' % LONG, FORMAT)
for command in (b'incr %sk 1', b'delete %sk', b'touch %sk 0'):
    exchange('%s of a key that is too long' % command.split()[0].decode(),
             command % LONG + b'\r\n', FORMAT)
exchange('words that are missing', b'set a\r\nset a 0 0\r\nincr a\r\ntouch a\r\ndelete\r\n', FORMAT * 5,
         old=b'ERROR\r\n' * 5)
exchange('over 2 KB without a newline closes', b'x' * 2100, b'', closes=True)
exchange('over 2 KB without a newline closes after what is owed',
         b'get a\r\n', b'END\r\n', b'x' * 2100, b'', closes=True)
exchange('over 2 KB of get does not close',
         b'set k1 0 0 1\r\nx\r\nget' + b' nokey' * 700 + b' k1\r\n',
         b'STORED\r\nVALUE k1 0 1\r\nx\r\nEND\r\n')
exchange('over 2 KB of gets does not close',
         b'set k1 0 0 1\r\nx\r\ngets' + b' nokey' * 700 + b' k1\r\n',
         b'STORED\r\nVALUE k1 0 1 <casa>\r\nx\r\nEND\r\n')
exchange('HTTP closes', b'GET / HTTP/1.1\r\n', b'', closes=True)
exchange('GET with no HTTP', b'GET / x\r\n', b'ERROR\r\n')

# --- Text: sizes ----------------------------------------------------------------------------------
exchange('a value that is too large is swallowed and drops the old one',
         b'set a 0 0 1\r\nx\r\n', b'STORED\r\n',
         b'set a 0 0 1048577\r\n' + b'y' * 1048577 + b'\r\nget a\r\n', TOO_LARGE + b'END\r\n',
         fragments=(None, 10000))
exchange('noreply silences too large',
         b'set a 0 0 1\r\nx\r\n', b'STORED\r\n',
         b'set a 0 0 1048577 noreply\r\n' + b'y' * 1048577 + b'\r\nget a\r\n', b'END\r\n',
         fragments=(None, 10000))
for size in (4096, 16 * 1024 - 1, 16 * 1024, 100 * 1024):
    exchange('a value of %d bytes' % size,
             b'set a 0 0 %d\r\n' % size + b'v' * size + b'\r\n', b'STORED\r\n',
             b'get a a\r\n', (b'VALUE a 0 %d\r\n' % size + b'v' * size + b'\r\n') * 2 + b'END\r\n',
             fragments=(None, 1000))

# --- Text: the input ends -------------------------------------------------------------------------
exchange('the input ends in a line', b'get a\r\nget b', b'END\r\n', open_end=True)
exchange('the input ends in a value', b'get a\r\nset a 0 0 10\r\nabc', b'END\r\n', open_end=True)
exchange('the input ends before the newline of a value', b'set a 0 0 1\r\nx', b'', open_end=True)
exchange('no input at all', b'', b'', open_end=True)


# --- Binary ---------------------------------------------------------------------------------------
def request(opcode, key=b'', extras=b'', value=b'', opaque=b'\1\2\3\4', cas=b''):
    """A binary request."""
    body = extras + key + value
    return struct.pack('>BBHBBHI4s8s', 0x80, opcode, len(key), len(extras), 0, 0, len(body),
                       opaque, cas) + body


def reply(opcode, status=0, value=b'', extras=b'', key=b'', opaque=b'\1\2\3\4', cas=b''):
    """A binary reply."""
    body = extras + key + value
    return struct.pack('>BBHBBHI4s8s', 0x81, opcode, len(key), len(extras), 0, status, len(body),
                       opaque, cas) + body


(GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK, GETKQ) = range(14)
STAT, SETQ, DELETEQ = 0x10, 0x11, 0x14
FLAGS = b'\xde\xad\xbe\xef'
FOREVER = FLAGS + bytes(4)


def number(delta, initial=0, expiry=0):
    """The extras of incr and decr."""
    return struct.pack('>QQI', delta, initial, expiry)


def stored(opcode=SET, cas=b'<CAS..1>', **fields):
    return reply(opcode, cas=cas, **fields)


def found(value, opcode=GET, cas=b'<CAS..1>', extras=FLAGS, **fields):
    return reply(opcode, value=value, extras=extras, cas=cas, **fields)


def error(opcode, status, **fields):
    texts = {1: b'Not found', 2: b'Data exists for key.', 3: b'Too large.', 4: b'Invalid arguments',
             6: b'Non-numeric server-side value for incr or decr', 0x81: b'Unknown command'}
    return reply(opcode, status, texts[status], **fields)


exchange('binary get miss', request(GET, b'a'), error(GET, 1))
exchange('binary set and get',
         request(SET, b'a', FOREVER, b'value') + request(GET, b'a', opaque=b'abcd'),
         stored() + found(b'value', opaque=b'abcd'))
exchange('binary getk, hit and miss',
         request(SET, b'a', FOREVER, b'value') + request(GETK, b'a') + request(GETK, b'none'),
         stored() + found(b'value', GETK, key=b'a') + reply(GETK, 1, key=b'none'))
exchange('binary quiet gets say hits alone',
         request(SET, b'a', FOREVER, b'1') + request(GETQ, b'none') + request(GETQ, b'a', opaque=b'0001')
         + request(GETKQ, b'none') + request(GETKQ, b'a', opaque=b'0002') + request(NOOP, opaque=b'0003'),
         stored() + found(b'1', GETQ, opaque=b'0001') + found(b'1', GETKQ, key=b'a', opaque=b'0002')
         + reply(NOOP, opaque=b'0003'))
exchange('binary setq and deleteq say errors alone',
         request(SETQ, b'a', FOREVER, b'1') + request(DELETEQ, b'a') + request(DELETEQ, b'a')
         + request(GET, b'a') + request(SETQ, b'a', FOREVER, b'2', cas=b'\0\0\0\0\0\0\0\7') + request(NOOP),
         error(DELETEQ, 1) + error(GET, 1) + error(SETQ, 1) + reply(NOOP))
exchange('binary add and replace',
         request(REPLACE, b'a', FOREVER, b'1') + request(ADD, b'a', FOREVER, b'2')
         + request(ADD, b'a', FOREVER, b'3') + request(REPLACE, b'a', bytes(8), b'4') + request(GET, b'a'),
         error(REPLACE, 1) + stored(ADD) + error(ADD, 2) + stored(REPLACE, b'<CAS..2>')
         + found(b'4', cas=b'<CAS..2>', extras=bytes(4)))
exchange('binary set with a CAS',
         request(SET, b'a', FOREVER, b'1', cas=b'\0\0\0\0\0\0\0\1') + request(SET, b'a', FOREVER, b'2'),
         error(SET, 1) + stored(),
         request(SET, b'a', FOREVER, b'3', cas=b'<CAS..1>')
         + request(SET, b'a', FOREVER, b'4', cas=b'<CAS..1>') + request(GET, b'a'),
         stored(cas=b'<CAS..2>') + error(SET, 2) + found(b'3', cas=b'<CAS..2>'))
exchange('binary delete',
         request(DELETE, b'a') + request(SET, b'a', FOREVER, b'1') + request(DELETE, b'a') + request(GET, b'a'),
         error(DELETE, 1) + stored() + reply(DELETE) + error(GET, 1))
exchange('binary delete with a CAS',
         request(SET, b'a', FOREVER, b'1'), stored(),
         request(SET, b'a', FOREVER, b'2'), stored(cas=b'<CAS..2>'),
         request(DELETE, b'a', cas=b'<CAS..1>') + request(DELETE, b'a', cas=b'<CAS..2>'),
         error(DELETE, 2) + reply(DELETE))
exchange('binary incr and decr create',
         request(INCR, b'n', number(5, 100)) + request(INCR, b'n', number(5, 100))
         + request(DECR, b'n', number(6, 100)) + request(DECR, b'n', number(1000)) + request(DECR, b'm', number(1, 7)),
         reply(INCR, value=struct.pack('>Q', 100), cas=b'<CAS..1>')
         + reply(INCR, value=struct.pack('>Q', 105), cas=b'<CAS..2>')
         + reply(DECR, value=struct.pack('>Q', 99), cas=b'<CAS..3>')
         + reply(DECR, value=struct.pack('>Q', 0), cas=b'<CAS..4>')
         + reply(DECR, value=struct.pack('>Q', 7), cas=b'<CAS..5>'))
exchange('binary incr with expiry 0xffffffff does not create',
         request(INCR, b'n', number(5, 100, 0xffffffff)) + request(GET, b'n'), error(INCR, 1) + error(GET, 1))
exchange('binary incr of what is no number',
         request(SET, b'n', FOREVER, b'hi') + request(INCR, b'n', number(1)), stored() + error(INCR, 6))
exchange('binary key with spaces and newlines',
         request(SET, b'a b\r\n\0', FOREVER, b'1') + request(GETK, b'a b\r\n\0'),
         stored() + found(b'1', GETK, key=b'a b\r\n\0'))
exchange('binary longest key',
         request(SET, LONG, FOREVER, b'1') + request(GETK, LONG), stored() + found(b'1', GETK, key=LONG))
exchange('binary empty value', request(SET, b'a', FOREVER) + request(GET, b'a'), stored() + found(b''))
exchange('binary exptime in the past',
         request(SET, b'a', FLAGS + struct.pack('>I', 2592001), b'1') + request(GET, b'a'),
         stored() + error(GET, 1))
exchange('binary flush', request(SET, b'a', FOREVER, b'1') + request(FLUSH) + request(GET, b'a'),
         stored() + reply(FLUSH) + error(GET, 1))
exchange('binary flush with a time of 0',
         request(SET, b'a', FOREVER, b'1') + request(FLUSH, extras=bytes(4)) + request(GET, b'a'),
         stored() + reply(FLUSH) + error(GET, 1))
exchange('binary flush in the future',
         request(SET, b'a', FOREVER, b'1') + request(FLUSH, extras=b'\0\0\0\x64') + request(GET, b'a'),
         stored() + reply(FLUSH) + found(b'1'))
exchange('binary noop', request(NOOP), reply(NOOP))
exchange('binary quit', request(NOOP) + request(QUIT) + request(NOOP), reply(NOOP) + reply(QUIT), closes=True)
exchange('binary unknown opcode', request(0x7e) + request(NOOP), error(0x7e, 0x81) + reply(NOOP))
# memcached swallows the body twice, a fault not to copy; so it is not asked.
exchange('binary unknown opcode with a body', request(0x7e, b'key', b'1234', b'value') + request(NOOP),
         error(0x7e, 0x81) + reply(NOOP), old=UNASKED)
exchange('binary unknown statistics', request(STAT, b'nosuch'), error(STAT, 1))
exchange('binary get with extras closes', request(GET, b'a', b'1234'), error(GET, 4), closes=True)
exchange('binary set without extras closes', request(SET, b'a', b'', b'1'), error(SET, 4), closes=True)
exchange('binary incr without extras closes', request(INCR, b'a'), error(INCR, 4), closes=True)
exchange('binary get without a key closes', request(GET), error(GET, 4), closes=True)
exchange('binary key of 251 bytes closes', request(GET, LONG + b'k'), error(GET, 4), closes=True)
exchange('binary wrong magic closes', request(NOOP) + b'\x42' * 24, reply(NOOP), closes=True)
exchange('binary value that is too large is swallowed and drops the old one',
         request(SET, b'a', FOREVER, b'1') + request(SET, b'a', FOREVER, b'x' * 1048577) + request(GET, b'a'),
         stored() + error(SET, 3) + error(GET, 1), fragments=(None, 10000))
for size in (16 * 1024, 100 * 1024):
    exchange('binary value of %d bytes' % size,
             request(SET, b'a', FOREVER, b'v' * size) + request(GET, b'a') + request(GETK, b'a'),
             stored() + found(b'v' * size) + found(b'v' * size, GETK, key=b'a'), fragments=(None, 1000))
exchange('binary input ends in a header', request(NOOP) + request(NOOP)[:10], reply(NOOP), open_end=True)
exchange('binary input ends in a value',
         request(NOOP) + request(SET, b'a', FOREVER, b'value')[:-1], reply(NOOP), open_end=True)


# --- Running them ---------------------------------------------------------------------------------
def substitute(data, known):
    """Puts what was read for a mark into its place."""
    for mark, value in known.items():
        data = data.replace(mark, value)
    return data.replace(b'<<key>>', b'<key>')


def pattern(expected, known):
    """The regular expression for a step's reply, with one group for each mark not known yet."""
    marks, parts, position = [], [], 0
    for match in MARK.finditer(expected):
        mark = match[0]
        if expected[match.start() - 1:match.start()] == b'<':
            continue
        parts.append(re.escape(expected[position:match.start()]))
        position = match.end()
        if mark in known:
            parts.append(re.escape(known[mark]))
        elif mark in marks:
            parts.append(b'\\%d' % (marks.index(mark) + 1))
        else:
            marks.append(mark)
            parts.append(b'(.{8})' if match[1] else b'([0-9]+)')
    parts.append(re.escape(expected[position:]))
    return re.compile(b''.join(parts).replace(b'<<key>>', b'<key>'), re.DOTALL), marks


def brief(data):
    """Data as a failure shows it."""
    return repr(bytes(data) if len(data) < 600 else bytes(data[:300]) + b' ... ' + bytes(data[-100:]))


class Player:
    """Plays one exchange on one connection."""

    def __init__(self, test, client, where):
        self.test, self.client, self.where = test, client, where
        self.known = {}

    def step(self, sent, expected, fragment):
        try:
            self.client.send(substitute(sent, self.known), fragment)
        except ConnectionError:
            pass  # the server may close before it has everything; the reply tells
        wanted, marks = pattern(expected, self.known)
        received = self.client.buffer
        while not (match := wanted.match(received)):
            if not self.arrives():
                self.test.fail('%s: after %s\n expected %s\n received %s'
                               % (self.where, brief(sent), brief(expected), brief(received)))
        self.known.update(zip(marks, match.groups()))
        del received[:match.end()]

    def arrives(self):
        try:
            return self.client.fill()
        except TimeoutError:
            return False

    def end(self, rest=b''):
        """The stream must end without further bytes."""
        try:
            received = self.client.read_all()
        except TimeoutError:
            self.test.fail('%s: the server does not close' % self.where)
        if received != rest:
            self.test.fail('%s: unexpected %s' % (self.where, brief(received)))


class Transcripts(unittest.TestCase):
    """One case per exchange; made below."""

    @classmethod
    def setUpClass(cls):
        cls.servers = {}
        for shards in SHARDS:
            cls.servers[shards] = server.Server(cores=shards)
            cls.addClassCleanup(cls.servers[shards].stop)

    def play(self, steps, closes, open_end, shards, fragment):
        under_test = self.servers[shards]
        with under_test.connect() as other:
            self.assertEqual(other.ask(b'flush_all\r\n'), b'OK\r\n')
        with under_test.connect() as client:
            client.socket.settimeout(5)
            player = Player(self, client, '%d shards, fragments of %s bytes' % (shards, fragment))
            for sent, expected in zip(steps[::2], steps[1::2]):
                player.step(sent, expected, fragment)
            if not closes and not open_end:
                binary = steps[0][:1] == b'\x80'
                player.step(*((request(NOOP), reply(NOOP)) if binary else (b'get sentinel\r\n', b'END\r\n')), None)
            if not closes:
                client.end_input()
            player.end()

    def test_version(self):
        """The version is our own, so only its form is known."""
        for under_test in self.servers.values():
            with under_test.connect() as client:
                self.assertRegex(client.ask(b'version\r\n'), rb'^VERSION [1-9][0-9]*(\.[0-9]+)+[^\r\n]*\r\n$')
            with under_test.connect() as client:
                client.send(request(VERSION))
                header = client.read(24)
                body = client.read(struct.unpack('>I', header[8:12])[0])
                self.assertEqual(header, reply(VERSION, value=body)[:24])
                self.assertRegex(body, rb'^[1-9][0-9]*(\.[0-9]+)+')

    def test_stats(self):
        """stats is lines of STAT and END, with the names that clients read; its counts add up over
        the shards."""
        names = {'pid', 'uptime', 'time', 'version', 'pointer_size', 'rusage_user', 'rusage_system',
                 'curr_connections', 'total_connections', 'cmd_get', 'cmd_set', 'cmd_flush', 'cmd_touch',
                 'get_hits', 'get_misses', 'delete_hits', 'delete_misses', 'incr_hits', 'incr_misses',
                 'decr_hits', 'decr_misses', 'cas_hits', 'cas_misses', 'cas_badval', 'touch_hits',
                 'touch_misses', 'bytes_read', 'bytes_written', 'limit_maxbytes', 'threads', 'bytes',
                 'curr_items', 'total_items', 'evictions'}
        for shards, under_test in self.servers.items():
            before = self.text_stats(under_test)
            self.assertEqual(names - set(before), set())
            self.assertEqual(int(before['pid']), under_test.pid)
            self.assertEqual(int(before['limit_maxbytes']), 64 << 20)
            self.assertRegex(before['rusage_user'], r'^[0-9]+\.[0-9]{6}$')
            with under_test.connect() as client:
                client.send(b''.join(b'set s%d 0 0 1\r\nx\r\n' % n for n in range(100)) + b'get s0 s1 s2 no1\r\n')
                client.end_input()
                client.read_all()
            after = self.text_stats(under_test)
            gained = {name: int(after[name]) - int(before[name])
                      for name in ('cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items')}
            self.assertEqual(gained, {'cmd_set': 100, 'cmd_get': 4, 'get_hits': 3, 'get_misses': 1,
                                      'total_items': 100})

    def text_stats(self, under_test):
        with under_test.connect() as client:
            client.send(b'stats\r\nverbosity 0\r\n')
            stats = {}
            while (line := client.read_line()) != b'END\r\n':
                self.assertRegex(line, rb'^STAT [a-z_0-9]+ [^\r\n]*\r\n$')
                _, name, value = line.decode().rstrip('\r\n').split(' ', 2)
                self.assertNotIn(name, stats)
                stats[name] = value
            self.assertEqual(client.read_line(), b'OK\r\n')
            return stats

    def test_binary_stats(self):
        """The same names, one packet each, ended by an empty packet."""
        for under_test in self.servers.values():
            expected = set(self.text_stats(under_test))
            with under_test.connect() as client:
                client.send(request(STAT, opaque=b'stat') + request(NOOP))
                names = set()
                while True:
                    header = client.read(24)
                    key_length, body_length = struct.unpack('>2xHxxxxI', header[:12])
                    body = client.read(body_length)
                    self.assertEqual(header, reply(STAT, key=body[:key_length], value=body[key_length:], opaque=b'stat')[:24])
                    if not body:
                        break
                    names.add(body[:key_length].decode())
                self.assertEqual(names, expected)
                self.assertEqual(client.read(24), reply(NOOP))

    def test_binary_lengths_that_contradict(self):
        """A key and extras longer than the body: an error (memcached says 0x81), then the end."""
        header = request(SET, b'a', FOREVER, b'1')[:8] + struct.pack('>I', 4) + bytes(12)
        for under_test in self.servers.values():
            with under_test.connect() as client:
                client.send(header + bytes(20))
                answer = client.read_all()
                self.assertIn(answer[:2], (b'\x81\1', b''))
                self.assertIn(answer[6:8], (b'\0\4', b'\0\x81', b''))

    def clients(self):
        """A connection to each server, so that waiting for time to pass is done once."""
        for under_test in self.servers.values():
            client = under_test.connect()
            self.addCleanup(client.close)
            yield client

    def exchange(self, client, sent, wanted):
        client.send(sent)
        self.assertEqual(client.read(len(wanted)), wanted)

    def test_delayed_flush(self):
        """flush_all N takes items N seconds later, those set meanwhile too, and none set then."""
        clients = list(self.clients())
        for client in clients:
            self.exchange(client, b'set a 0 0 1\r\nx\r\nflush_all 2\r\nset b 0 0 1\r\nx\r\nget a b\r\n',
                          b'STORED\r\nOK\r\nSTORED\r\nVALUE a 0 1\r\nx\r\nVALUE b 0 1\r\nx\r\nEND\r\n')
        for client in clients:
            self.wait_until_gone(client, b'a')
            self.exchange(client, b'get b\r\n', b'END\r\n')
            if server.ORIGINAL:
                time.sleep(1.1)  # memcached takes what is set in the second of the flush
            self.exchange(client, b'set a 0 0 1\r\nx\r\nget a\r\n', b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')

    def test_expiry(self):
        """Items expire when their time has passed."""
        clients = list(self.clients())
        for client in clients:
            self.exchange(client, b'set a 0 1 1\r\nx\r\nset b 0 100 1\r\nx\r\nset c 0 100 1\r\nx\r\ntouch c 1\r\n',
                          b'STORED\r\n' * 3 + b'TOUCHED\r\n')
        for client in clients:
            self.wait_until_gone(client, b'a')
            self.wait_until_gone(client, b'c')
            self.exchange(client, b'get b\r\n', b'VALUE b 0 1\r\nx\r\nEND\r\n')

    def wait_until_gone(self, client, key, limit_s=8):
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            answer = client.ask(b'get ' + key + b'\r\n')
            if answer == b'END\r\n':
                return
            client.read_line()
            client.read_line()
            time.sleep(0.05)
        self.fail('%r is still there' % key)


def add_case(index, name, steps, old, closes, open_end, fragments):
    def case(self):
        if server.ORIGINAL and old is UNASKED:
            self.skipTest('memcached has a fault here')
        for shards in SHARDS:
            for fragment in fragments:
                self.play(steps, closes, open_end, shards, fragment)
    if server.ORIGINAL and old not in (None, UNASKED):
        steps = steps[:-1] + (old,)
    case.__doc__ = name
    setattr(Transcripts, 'test_%03d_%s' % (index, re.sub(r'\W+', '_', name)), case)


for index, (name, steps, old, closes, open_end, fragments) in enumerate(EXCHANGES):
    add_case(index, name, steps, old, closes, open_end, fragments)

if __name__ == '__main__':
    server.main()
