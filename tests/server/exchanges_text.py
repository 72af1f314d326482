"""The exchanges of the text protocol; transcript.py tells how they are read."""
from exchanges import (CHUNK, DELTA, EXPTIME, FORMAT, LONG, NON_NUMERIC, SWALLOWS_NOTHING,
                       TOO_LARGE, USAGE, exchange)

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
         b'set a 4294967295 0 1\r\nx\r\nget a\r\n',
         b'STORED\r\nVALUE a 4294967295 1\r\nx\r\nEND\r\n')
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
exchange('cas without a token is refused', b'cas a 0 0 1\r\n', FORMAT, old=b'ERROR\r\n',
         open_end=True)
exchange('a key named noreply',
         b'set noreply 0 0 1\r\nx\r\nget noreply\r\n',
         b'STORED\r\nVALUE noreply 0 1\r\nx\r\nEND\r\n')

# --- Text: numbers --------------------------------------------------------------------------------
exchange('incr and decr',
         b'incr n 1\r\ndecr n 1\r\nset n 0 0 1\r\n5\r\nincr n 10\r\ndecr n 3\r\ndecr n 100\r\n',
         b'NOT_FOUND\r\nNOT_FOUND\r\nSTORED\r\n15\r\n12\r\n0\r\n')
exchange('incr keeps flags',
         b'set n 3 0 1\r\n5\r\nincr n 1\r\nget n\r\n',
         b'STORED\r\n6\r\nVALUE n 3 1\r\n6\r\nEND\r\n')
exchange('incr lengthens the value',
         b'set n 0 0 2\r\n99\r\nincr n 1\r\nget n\r\n',
         b'STORED\r\n100\r\nVALUE n 0 3\r\n100\r\nEND\r\n')
exchange('incr wraps at 64 bits',
         b'set n 0 0 20\r\n18446744073709551615\r\nincr n 1\r\n', b'STORED\r\n0\r\n')
exchange('incr by the largest delta',
         b'set n 0 0 1\r\n0\r\nincr n 18446744073709551615\r\n',
         b'STORED\r\n18446744073709551615\r\n')
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
exchange('more than 30 days are a date', b'set a 0 2592001 1\r\nx\r\nget a\r\n',
         b'STORED\r\nEND\r\n')
exchange('a date in the future', b'set a 0 2100000000 1\r\nx\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
exchange('touch', b'touch a 0\r\nset a 4 0 1\r\nx\r\ntouch a 100\r\nget a\r\ntouch a -1\r\nget a\r\n',
         b'NOT_FOUND\r\nSTORED\r\nTOUCHED\r\nVALUE a 4 1\r\nx\r\nEND\r\nTOUCHED\r\nEND\r\n')
exchange('touch with what is no time', b'set a 0 0 1\r\nx\r\ntouch a abc\r\nget a\r\n',
         b'STORED\r\n' + EXPTIME + b'VALUE a 0 1\r\nx\r\nEND\r\n')
exchange('gat', b'gat 0 a\r\nset a 4 0 1\r\nx\r\nset b 0 0 1\r\ny\r\ngat 100 b no a b\r\n',
         b'END\r\nSTORED\r\nSTORED\r\nVALUE b 0 1\r\ny\r\nVALUE a 4 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\n')
exchange('gat into the past returns the value, then it is gone',
         b'set a 0 0 1\r\nx\r\ngat -1 a\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\n')
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
exchange('flush_all with what is no time', b'flush_all abc\r\nflush_all noreply 0\r\n', EXPTIME * 2)
exchange('add, replace, append, incr, touch and delete after flush_all',
         b'set a 0 0 1\r\n1\r\nflush_all\r\nreplace a 0 0 1\r\n2\r\nappend a 0 0 1\r\n2\r\n'
         b'incr a 1\r\ntouch a 0\r\ndelete a\r\ncas a 0 0 1 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n',
         b'STORED\r\nOK\r\nNOT_STORED\r\nNOT_STORED\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\n'
         b'NOT_FOUND\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n')
exchange('verbosity', b'verbosity 0\r\n', b'OK\r\n')
exchange('quit sends what is owed and drops the rest',
         b'set a 0 0 1\r\nx\r\nget a\r\nquit\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n',
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
         b'set a 0 0 1 noreply\r\nx\r\nincr a 1 noreply\r\nget a\r\n',
         b'VALUE a 0 1\r\nx\r\nEND\r\n')

# --- Text: mistakes -------------------------------------------------------------------------------
exchange('get without a key', b'get\r\n', FORMAT, old=b'ERROR\r\n')
exchange('gets without a key', b'gets\r\n', FORMAT, old=b'ERROR\r\n')
exchange('an empty line', b'\r\n', FORMAT, old=b'ERROR\r\n')
exchange('a line of one space', b' \n', FORMAT, old=b'ERROR\r\n')
exchange('unknown command', b'ge\r\n', b'ERROR\r\n')
exchange('unknown command with arguments', b'foo bar baz\r\n', b'ERROR\r\n')
exchange('commands are lower case', b'GET a\r\n', b'ERROR\r\n')
exchange('commands begin the line', b'  get a\r\n', b'ERROR\r\n', old=b'END\r\n')
exchange('a longer word that begins as a command', b'getx a\r\nsets a 0 0 1\r\n',
         b'ERROR\r\nERROR\r\n')
exchange('a bare newline ends a command line',
         b'set a 0 0 1\nx\r\nget a\ndelete a\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nDELETED\r\n')
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
exchange('words that are missing', b'set a\r\nset a 0 0\r\nincr a\r\ntouch a\r\ndelete\r\n',
         FORMAT * 5,
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
