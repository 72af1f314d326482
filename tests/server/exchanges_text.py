"""The exchanges of the text protocol; transcript.py tells how they are read."""
from exchanges import CHUNK, EXPTIME, FORMAT, LONG, UNASKED, exchange

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
exchange('delete', b'delete a\r\nset a 0 0 1\r\nx\r\ndelete a\r\nget a\r\n',
         b'NOT_FOUND\r\nSTORED\r\nDELETED\r\nEND\r\n')
exchange('append changes the CAS',
         b'set a 0 0 1\r\n1\r\n', b'STORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\n1\r\nEND\r\n',
         b'append a 0 0 1\r\n1\r\ncas a 0 0 1 <casa>\r\nz\r\n', b'STORED\r\nEXISTS\r\n')
exchange('touch leaves the CAS',
         b'set a 0 0 1\r\n1\r\n', b'STORED\r\n',
         b'gets a\r\n', b'VALUE a 0 1 <casa>\r\n1\r\nEND\r\n',
         b'touch a 100\r\ncas a 0 0 1 <casa>\r\nz\r\n', b'TOUCHED\r\nSTORED\r\n')

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
exchange('incr by the largest delta',
         b'set n 0 0 1\r\n0\r\nincr n 18446744073709551615\r\n',
         b'STORED\r\n18446744073709551615\r\n')

# --- Text: times ----------------------------------------------------------------------------------
exchange('a date in the future', b'set a 0 2100000000 1\r\nx\r\nget a\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n')
exchange('touch', b'touch a 0\r\nset a 4 0 1\r\nx\r\ntouch a 100\r\nget a\r\ntouch a -1\r\nget a\r\n',
         b'NOT_FOUND\r\nSTORED\r\nTOUCHED\r\nVALUE a 4 1\r\nx\r\nEND\r\nTOUCHED\r\nEND\r\n')
exchange('gat', b'gat 0 a\r\nset a 4 0 1\r\nx\r\nset b 0 0 1\r\ny\r\ngat 100 b no a b\r\n',
         b'END\r\nSTORED\r\nSTORED\r\nVALUE b 0 1\r\ny\r\nVALUE a 4 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\n')
exchange('gats', b'set a 0 0 1\r\nx\r\n', b'STORED\r\n',
         b'gats 0 a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n',
         b'gats 100 a\r\ngets a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n' * 2)

# --- Text: flush_all, version and the like --------------------------------------------------------
exchange('flush_all 0', b'set a 0 0 1\r\nx\r\nflush_all 0\r\nget a\r\n', b'STORED\r\nOK\r\nEND\r\n')
exchange('flush_all with what is no time', b'flush_all abc\r\nflush_all noreply 0\r\n', EXPTIME * 2)
exchange('add, replace, append, incr, touch and delete after flush_all',
         b'set a 0 0 1\r\n1\r\nflush_all\r\nreplace a 0 0 1\r\n2\r\nappend a 0 0 1\r\n2\r\n'
         b'incr a 1\r\ntouch a 0\r\ndelete a\r\ncas a 0 0 1 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n',
         b'STORED\r\nOK\r\nNOT_STORED\r\nNOT_STORED\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\n'
         b'NOT_FOUND\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n')
exchange('verbosity', b'verbosity 0\r\n', b'OK\r\n')
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
exchange('noreply silences incr of a word',
         b'set a 0 0 1 noreply\r\nx\r\nincr a 1 noreply\r\nget a\r\n',
         b'VALUE a 0 1\r\nx\r\nEND\r\n')

# --- Text: mistakes -------------------------------------------------------------------------------
exchange('unknown command with arguments', b'foo bar baz\r\n', b'ERROR\r\n')
exchange('a longer word that begins as a command', b'getx a\r\nsets a 0 0 1\r\n',
         b'ERROR\r\nERROR\r\n')
exchange('a bad data block leaves the old value... and nothing new',
         b'set a 0 0 3\r\nold\r\nadd b 0 0 3\r\nnew!!get a b\r\n',
         b'STORED\r\n' + CHUNK + b'VALUE a 0 3\r\nold\r\nEND\r\n')
# memcached adds an empty line here, a fault not to copy.
exchange('get of a key that is too long', b'get %sk\r\n' % LONG, FORMAT, memcached=UNASKED)
for command in (b'incr %sk 1', b'delete %sk', b'touch %sk 0'):
    exchange('%s of a key that is too long' % command.split()[0].decode(),
             command % LONG + b'\r\n', FORMAT)
exchange('words that are missing', b'set a\r\nset a 0 0\r\nincr a\r\ntouch a\r\ndelete\r\n',
         FORMAT * 5)

# --- Text: sizes ----------------------------------------------------------------------------------
for size in (4096, 16 * 1024 - 1, 16 * 1024, 100 * 1024):
    exchange('a value of %d bytes' % size,
             b'set a 0 0 %d\r\n' % size + b'v' * size + b'\r\n', b'STORED\r\n',
             b'get a a\r\n', (b'VALUE a 0 %d\r\n' % size + b'v' * size + b'\r\n') * 2 + b'END\r\n',
             fragments=(None, 1000))

# --- Text: the input ends -------------------------------------------------------------------------
exchange('the input ends in a line', b'get a\r\nget b', b'END\r\n', open_end=True)
# memcached keeps what is owed to itself here.
exchange('the input ends in a value', b'get a\r\nset a 0 0 10\r\nabc', b'END\r\n', open_end=True,
         memcached=UNASKED)
exchange('the input ends before the newline of a value', b'set a 0 0 1\r\nx', b'', open_end=True)
exchange('no input at all', b'', b'', open_end=True)
