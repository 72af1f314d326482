"""The thirty things that implementers of the protocol get wrong, each as exchanges named by its
number: `transcript.py -k line_07` plays those of the seventh. transcript.py tells how they are read;
there are the parts of 18 and 30 that take time or count packets, and logins.py has 29's status 0x20.
"""
from binary import (ADD, APPEND, DECR, DELETEQ, FLAGS, FOREVER, GET, GETK, GETKQ, GETQ, INCR, NOOP,
                    PREPEND, REPLACE, SET, SETQ, TOUCH, error, found, number, reply, request,
                    stored)
from exchanges import (CHUNK, DELTA, EXPTIME, FORMAT, LONG, NON_NUMERIC, TOO_LARGE, UNASKED, USAGE,
                       exchange)

GATK, GATKQ = 0x23, 0x24
ONE = b'set a 0 0 1\r\nx\r\n'
GOT_ONE = b'VALUE a 0 1\r\nx\r\nEND\r\n'


def line(number, name, *steps, **options):
    """An exchange of one of the thirty lines."""
    exchange('line %02d %s' % (number, name), *steps, **options)


line(1, 'get without a key, empty lines', b'get\r\ngets\r\n\r\n \n', FORMAT * 4)
line(1, 'unknown command', b'ge\r\n', b'ERROR\r\n')
line(1, 'commands are lower case and begin the line', b'GET a\r\n  get a\r\n', b'ERROR\r\n' * 2)

line(2, 'a bare newline ends a command line',
     b'set a 0 0 1\nx\r\nget a\ndelete a\n',
     b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nDELETED\r\n')
line(2, 'a data block needs both bytes of its newline',
     b'set a 0 0 3\r\nabc\nget a\r\n', CHUNK + b'ERROR\r\n')

line(3, 'a data block that is too long', b'set a 0 0 3\r\nabcd\r\n', CHUNK + FORMAT)

for length in (b'-1', b'4294967295', b'2147483647', b'abc'):
    line(4, 'length %s swallows nothing' % length.decode(),
         b'set k 0 0 %s\r\nget k\r\n' % length, FORMAT + b'END\r\n')

for what, words in (('exptime', b'k 0 abc'), ('flags', b'k abc 0'), ('negative flags', b'k -1 0'),
                    ('a long key', LONG + b'k 0 0')):
    line(5, 'bad %s and its data is swallowed' % what,
         b'set %s 2\r\nhi\r\nget k\r\n' % words, FORMAT + b'END\r\n')
# memcached cuts flags of 2^32 and over silently; we refuse them.
line(5, 'flags of 33 bits and their data is swallowed', b'set k 4294967296 0 2\r\nhi\r\nget k\r\n',
     FORMAT + b'END\r\n', memcached=b'STORED\r\nVALUE k 0 2\r\nhi\r\nEND\r\n')

line(6, 'a value that is too large is swallowed and drops the old one',
     ONE, b'STORED\r\n',
     b'set a 0 0 1048577\r\n' + b'y' * 1048577 + b'\r\nget a\r\n', TOO_LARGE + b'END\r\n',
     fragments=(None, 10000))
line(6, 'a value of 1047552 bytes',
     b'set a 0 0 1047552\r\n' + b'y' * 1047552 + b'\r\n', b'STORED\r\n',
     b'get a\r\n', b'VALUE a 0 1047552\r\n' + b'y' * 1047552 + b'\r\nEND\r\n',
     fragments=(None, 10000))

line(7, 'noreply silences errors',
     b'set %sk 0 0 1 noreply\r\nx\r\nincr a x noreply\r\ntouch a x noreply\r\n'
     b'bogus command noreply\r\nset a 0 x 1 noreply\r\ny\r\nget a\r\n' % LONG,
     b'END\r\n')
line(7, 'noreply silences too large',
     ONE, b'STORED\r\n',
     b'set a 0 0 1048577 noreply\r\n' + b'y' * 1048577 + b'\r\nget a\r\n', b'END\r\n',
     fragments=(None, 10000))

line(8, 'a key named noreply',
     b'set noreply 0 0 1\r\nx\r\nget noreply\r\nget a noreply\r\n',
     b'STORED\r\n' + b'VALUE noreply 0 1\r\nx\r\nEND\r\n' * 2)

# memcached adds an empty line here, a fault not to copy.
line(9, 'the error of a long key stands alone',
     ONE, b'STORED\r\n', b'get a %sk\r\n' % LONG, FORMAT, memcached=UNASKED)
line(9, 'the error of a long key stands alone on a long line',
     ONE, b'STORED\r\n', b'get a' + b' none' * 10000 + b' %sk\r\nget a\r\n' % LONG,
     FORMAT + GOT_ONE, memcached=UNASKED, fragments=(None, 1000))
line(9, 'beyond 64 KiB the error follows, and the rest of the line is swallowed',
     ONE, b'STORED\r\n', b'get a' + b' none' * 20000 + b' %sk a a\r\nget a\r\n' % LONG,
     b'VALUE a 0 1\r\nx\r\n' + FORMAT + GOT_ONE, memcached=UNASKED, fragments=(1000,))

line(10, 'exptime -1 is stored, then a miss', b'set a 0 -1 1\r\nx\r\nget a\r\n',
     b'STORED\r\nEND\r\n')
line(10, 'touch into the past', ONE + b'touch a -1\r\nget a\r\n', b'STORED\r\nTOUCHED\r\nEND\r\n')
line(10, 'gat into the past returns the value, then it is gone',
     ONE + b'gat -1 a\r\nget a\r\n', b'STORED\r\n' + GOT_ONE + b'END\r\n')

line(11, '30 days are relative, one second more is a date',
     b'set a 0 2592000 1\r\nx\r\nget a\r\nset a 0 2592001 1\r\nx\r\nget a\r\n',
     b'STORED\r\n' + GOT_ONE + b'STORED\r\nEND\r\n')

line(12, 'incr wraps at 64 bits',
     b'set n 0 0 20\r\n18446744073709551615\r\nincr n 1\r\n', b'STORED\r\n0\r\n')
line(12, 'decr keeps the length of the value',
     b'set n 0 0 2\r\n10\r\ndecr n 1\r\nget n\r\nincr n 2\r\n',
     b'STORED\r\n9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n11\r\n')

line(13, 'incr by what is no number',
     b'set n 0 0 1\r\n5\r\nincr n -1\r\nincr n abc\r\nincr n 18446744073709551616\r\ndecr n x\r\n',
     b'STORED\r\n' + DELTA * 4)
for value in (b'hi', b'-1', b''):
    line(13, 'incr of the value %r' % value.decode(),
         b'set n 0 0 %d\r\n%s\r\nincr n 1\r\ndecr n 1\r\n' % (len(value), value),
         b'STORED\r\n' + NON_NUMERIC * 2)
line(13, 'incr of a number and a space',
     b'set n 0 0 2\r\n5 \r\nincr n 1\r\n', b'STORED\r\n6\r\n')

line(14, 'cas without an item', b'cas a 0 0 1 77\r\nx\r\n', b'NOT_FOUND\r\n')
line(14, 'cas stores once',
     ONE, b'STORED\r\n',
     b'gets a\r\n', b'VALUE a 0 1 <casa>\r\nx\r\nEND\r\n',
     b'cas a 0 0 1 <casa>\r\ny\r\ncas a 0 0 1 <casa>\r\nz\r\nget a\r\n',
     b'STORED\r\nEXISTS\r\nVALUE a 0 1\r\ny\r\nEND\r\n')
# memcached 1.6.45 waits for a data block, 1.6.18 doesn't; that is left open.
line(14, 'cas without a token', b'cas a 0 0 1\r\n', FORMAT, open_end=True, memcached=UNASKED)
line(14, 'incr changes the CAS',
     b'set a 0 0 1\r\n1\r\n', b'STORED\r\n',
     b'gets a\r\n', b'VALUE a 0 1 <casa>\r\n1\r\nEND\r\n',
     b'incr a 1\r\ncas a 0 0 1 <casa>\r\nz\r\n', b'2\r\nEXISTS\r\n')

line(15, 'gat without a key', b'gat 0\r\ngats 0\r\n', FORMAT * 2)
line(15, 'gat and touch with what is no time',
     ONE + b'gat abc a\r\ntouch a abc\r\nget a\r\n', b'STORED\r\n' + EXPTIME * 2 + GOT_ONE)

line(16, 'get in request order, duplicates repeated, misses dropped, one END',
     b''.join(b'set k%d 0 0 2\r\nv%d\r\n' % (n, n) for n in range(10)), b'STORED\r\n' * 10,
     b'get k3 k0 no k9 k3 k5 none k1 k2 k8 k4 k7 k6\r\n',
     b''.join(b'VALUE k%d 0 2\r\nv%d\r\n' % (n, n) for n in (3, 0, 9, 3, 5, 1, 2, 8, 4, 7, 6))
     + b'END\r\n')

line(17, 'delete with a time of 0', ONE + b'delete a 0\r\nget a\r\n', b'STORED\r\nDELETED\r\nEND\r\n')
# 1.6.18 refuses it, memccapable tests that; 1.6.45 deletes.
line(17, 'delete with another time', ONE + b'delete a 10\r\nget a\r\n',
     b'STORED\r\n' + USAGE + GOT_ONE, memcached=b'STORED\r\nDELETED\r\nEND\r\n')

line(18, 'a set after flush_all, in the same second, survives',
     ONE + b'set b 0 0 1\r\nx\r\nflush_all\r\nget a b\r\n' + ONE + b'get a b\r\n',
     b'STORED\r\nSTORED\r\nOK\r\nEND\r\nSTORED\r\n' + GOT_ONE)
line(18, 'flush_all in the future leaves items until then',
     ONE + b'flush_all 100\r\nget a\r\n' + ONE + b'get a\r\n',
     b'STORED\r\nOK\r\n' + GOT_ONE + b'STORED\r\n' + GOT_ONE)

line(19, 'append and prepend keep flags and expiry',
     b'append a 0 0 1\r\nx\r\nprepend a 0 0 1\r\nx\r\nset a 9 0 3\r\nmid\r\n'
     b'append a 1 -1 4\r\n-end\r\nprepend a 2 -1 4\r\nbeg-\r\nget a\r\n',
     b'NOT_STORED\r\nNOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\n'
     b'VALUE a 9 11\r\nbeg-mid-end\r\nEND\r\n')

line(20, 'over 2 KB without a newline closes', b'x' * 2100, b'', closes=True)
line(20, 'over 2 KB without a newline closes after what is owed',
     b'get a\r\n', b'END\r\n', b'x' * 2100, b'', closes=True)
line(20, 'over 2 KB of get does not close',
     b'set k1 0 0 1\r\nx\r\nget' + b' nokey' * 700 + b' k1\r\n',
     b'STORED\r\nVALUE k1 0 1\r\nx\r\nEND\r\n')
line(20, 'over 2 KB of gets does not close',
     b'set k1 0 0 1\r\nx\r\ngets' + b' nokey' * 700 + b' k1\r\n',
     b'STORED\r\nVALUE k1 0 1 <casa>\r\nx\r\nEND\r\n')
line(20, 'HTTP closes', b'GET / HTTP/1.1\r\n', b'', closes=True)
line(20, 'GET with no HTTP', b'GET / x\r\n', b'ERROR\r\n')

line(21, 'quit sends what is owed and drops the rest',
     ONE + b'get a\r\nquit\r\nget a\r\n', b'STORED\r\n' + GOT_ONE, closes=True)

line(22, 'a miss of mg returns key and opaque',
     b'mg nope v k Oabc\r\nmg nope v Oabc k s t\r\n', b'EN knope Oabc\r\nEN Oabc knope\r\n')
line(22, 'reply flags follow request order, without a space at the end',
     b'set a 0 0 2\r\nhi\r\nmg a v\r\nmg a t v s Oq k\r\nmg a k s\r\n',
     b'STORED\r\nVA 2\r\nhi\r\nVA 2 t-1 s2 Oq ka\r\nhi\r\nHD ka s2\r\n')

line(23, 'duplicate and invalid flags',
     b'mg a v v\r\nmg a m\r\nma a v v\r\nma a m\r\nms a 2 c c\r\nhi\r\nmd a m\r\n',
     b'CLIENT_ERROR duplicate flag\r\nCLIENT_ERROR invalid flag\r\n'
     + b'CLIENT_ERROR invalid or duplicate flag\r\n' * 2
     + b'CLIENT_ERROR duplicate flag\r\nCLIENT_ERROR invalid flag\r\n')
line(23, 'an opaque of 31 and of 32 bytes',
     b'mg a O%s\r\nmg a O%sx\r\n' % (b'o' * 31, b'o' * 31),
     b'EN O%s\r\nCLIENT_ERROR opaque token too long\r\n' % (b'o' * 31))

line(24, 'being binary belongs to the item',
     b'ms Zm9v 2 b k\r\nhi\r\nmg foo k v\r\n', b'HD kZm9v b\r\nVA 2 kZm9v b\r\nhi\r\n')

line(25, 'what q hides',
     b'ms a 2\r\nhi\r\nms a 2 ME q\r\nho\r\nms a 2 q\r\nhi\r\nmd nope q\r\nmg nope v k q\r\nmg a v q\r\n'
     b'set n 0 0 1\r\n5\r\nma n q v\r\nma nope q\r\nmd a q\r\nmn\r\nget n\r\n',
     b'HD\r\nNS\r\nNF\r\nVA 2\r\nhi\r\nSTORED\r\nNF\r\nMN\r\nVALUE n 0 1\r\n6\r\nEND\r\n')

line(26, 'mg N makes an empty item that one client wins',
     b'mg viv N30 s v t c\r\n', b'VA 0 s0 t30 c<casa> W\r\n\r\n',
     b'mg viv N30 s v t c\r\nms viv 2 C1\r\nab\r\nms viv 2 C<casa>\r\nab\r\nmg viv N30 v\r\n',
     b'VA 0 s0 t30 c<casa> Z\r\n\r\nEX\r\nHD\r\nVA 2\r\nab\r\n')

line(27, 'md I marks stale, and one client wins',
     b'set st 0 0 3\r\nabc\r\nmd st I T30\r\nmg st v t\r\nmg st v t\r\n',
     b'STORED\r\nHD\r\nVA 3 t30 X W\r\nabc\r\nVA 3 t30 Z X\r\nabc\r\n')
line(27, 'ms I with an older CAS stores as stale',
     b'ms a 1 E5000\r\nx\r\nms a 1 I C4000\r\ny\r\nmg a v\r\nms a 1 I C9000000\r\nz\r\nget a\r\n',
     b'HD\r\nHD\r\nVA 1 X W\r\ny\r\nEX\r\nVALUE a 0 1\r\ny\r\nEND\r\n')

line(28, 'what ms returns with a CAS that is not the one, and for a missing key',
     b'ms a 1\r\nx\r\nms a 1 C1 c\r\ny\r\nms nope 1 C1 c\r\ny\r\nms nope 1 MA\r\ny\r\nms nope 1 MR\r\ny\r\n',
     b'HD\r\nEX c0\r\nNF c0\r\nNS\r\nNS\r\n')

line(29, 'status 1 and 2: replace of a missing key, add of one that is there, another CAS',
     request(REPLACE, b'a', FOREVER, b'1') + request(ADD, b'a', FOREVER, b'2')
     + request(ADD, b'a', FOREVER, b'3') + request(SET, b'a', FOREVER, b'3', cas=b'\xff' * 8)
     + request(REPLACE, b'a', bytes(8), b'4') + request(GET, b'a'),
     error(REPLACE, 1) + stored(ADD) + error(ADD, 2) + error(SET, 2)
     + stored(REPLACE, b'<CAS..2>') + found(b'4', cas=b'<CAS..2>', extras=bytes(4)))
line(29, 'status 3: a value that is too large is swallowed and drops the old one',
     request(SET, b'a', FOREVER, b'1') + request(SET, b'a', FOREVER, b'x' * 1048577)
     + request(GET, b'a'),
     stored() + error(SET, 3) + error(GET, 1), fragments=(None, 10000))
line(29, 'status 4 closes', request(GET, b'a', b'1234') + request(NOOP), error(GET, 4), closes=True)
line(29, 'status 5: append and prepend to a missing key, with and without a CAS',
     request(APPEND, b'a', b'', b'1') + request(PREPEND, b'a', b'', b'1', cas=b'\0\0\0\0\0\0\0\1'),
     error(APPEND, 5) + error(PREPEND, 5))
line(29, 'status 6: incr and decr of what is no number',
     request(SET, b'n', FOREVER, b'hi') + request(INCR, b'n', number(1))
     + request(DECR, b'n', number(1)),
     stored() + error(INCR, 6) + error(DECR, 6))
line(29, 'status 0x81: unknown opcode', request(0x7e) + request(NOOP), error(0x7e, 0x81) + reply(NOOP))

line(30, 'quiet gets say hits alone, with their opcode and opaque',
     request(SET, b'a', FOREVER, b'1') + request(GETQ, b'none')
     + request(GETQ, b'a', opaque=b'0001')
     + request(GETKQ, b'none') + request(GETKQ, b'a', opaque=b'0002')
     + request(GATKQ, b'none', bytes(4)) + request(NOOP, opaque=b'0003'),
     stored() + found(b'1', GETQ, opaque=b'0001') + found(b'1', GETKQ, key=b'a', opaque=b'0002')
     + reply(NOOP, opaque=b'0003'))
line(30, 'setq and deleteq say errors alone',
     request(SETQ, b'a', FOREVER, b'1') + request(DELETEQ, b'a') + request(DELETEQ, b'a')
     + request(GET, b'a') + request(SETQ, b'a', FOREVER, b'2', cas=b'\0\0\0\0\0\0\0\7')
     + request(NOOP),
     error(DELETEQ, 1) + error(GET, 1) + error(SETQ, 1) + reply(NOOP))
line(30, 'getk and gatk, a hit and a miss that carries the key',
     request(SET, b'a', FOREVER, b'value') + request(GETK, b'a') + request(GETK, b'none')
     + request(GATK, b'a', bytes(4)) + request(GATK, b'none', bytes(4)),
     stored() + found(b'value', GETK, key=b'a') + reply(GETK, 1, key=b'none')
     + found(b'value', GATK, key=b'a') + reply(GATK, 1, key=b'none'))
line(30, 'touch carries the flags',
     request(SET, b'a', FOREVER, b'value') + request(TOUCH, b'a', bytes(4))
     + request(TOUCH, b'none', bytes(4)),
     stored() + reply(TOUCH, extras=FLAGS, cas=b'<CAS..1>') + error(TOUCH, 1))
line(30, 'incr with expiry 0xffffffff does not create',
     request(INCR, b'n', number(5, 100, 0xffffffff)) + request(GET, b'n'),
     error(INCR, 1) + error(GET, 1))
