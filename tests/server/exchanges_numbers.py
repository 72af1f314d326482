"""The exchanges about how numbers are written: signs, white space, zeros in front, and widths;
transcript.py tells how they are read. memcached reads flags and exptime of a text set with strtol(3),
and all others by digits alone, in few characters."""
from binary import FLAGS, FOREVER, GET, SET, TOUCH, found, reply, request, stored
from exchanges import DELTA, EXPTIME, FORMAT, exchange

TOKEN = b'CLIENT_ERROR bad token in command line format\r\n'
ONE = b'set a 0 0 1\r\nx\r\n'
GOT_ONE = b'VALUE a 0 1\r\nx\r\nEND\r\n'

# --- Exptimes beyond 2038 ------------------------------------------------------------------------
# pylibmc sends -1 so, and Django its timeout of 0.
exchange('an exptime of 4294967295 is -1',
         b'set k 16 4294967295 1\r\nx\r\nget k\r\n'
         b'add k 0 4294967295 1\r\nx\r\nadd k 0 4294967295 1\r\nx\r\n',
         b'STORED\r\nEND\r\nSTORED\r\nSTORED\r\n')
exchange('a set with a date beyond 2038 is gone at once',
         b''.join(b'set a 0 %d 1\r\nx\r\nget a\r\n' % date
                  for date in (2147483647, 2147483648, 2147483649, 4102444800, 4294967294)),
         b'STORED\r\n' + GOT_ONE + b'STORED\r\nEND\r\n' * 4)
exchange('of a wider exptime of a set the lower 32 bits count',
         b''.join(b'set a 0 %d 1\r\nx\r\nget a\r\n' % exptime
                  for exptime in ((1 << 32) - 1, 1 << 32, (1 << 32) + 1000, -(1 << 32), (1 << 63) - 1))
         + b'set a 0 9223372036854775808 1\r\nx\r\n',
         b'STORED\r\nEND\r\n' + (b'STORED\r\n' + GOT_ONE) * 3 + b'STORED\r\nEND\r\n' + FORMAT)
exchange('touch, gat, flush_all and meta refuse what is beyond 2038',
         ONE + b''.join(form % date + b'\r\n' for date in (b'2147483648', b'4294967295', b'4294967296')
                        for form in (b'touch a %s', b'gat %s a', b'flush_all %s'))
         + b'mg a T4294967295\r\nmg a N2147483648\r\nmd a I T4294967295\r\n'
         + b'ms a 1 T4294967295\r\ny\r\nget a\r\n',
         b'STORED\r\n' + EXPTIME * 9 + TOKEN * 4 + GOT_ONE)
exchange('binary exptimes have no sign',
         request(SET, b'a', FLAGS + b'\xff\xff\xff\xff', b'1') + request(GET, b'a')
         + request(SET, b'b', FOREVER, b'1') + request(TOUCH, b'b', b'\x80\0\0\0')
         + request(GET, b'b'),
         stored() + found(b'1') + stored(cas=b'<CAS..2>') + reply(TOUCH, extras=FLAGS, cas=b'<CAS..2>')
         + found(b'1', cas=b'<CAS..2>'))

# --- Signs ---------------------------------------------------------------------------------------
exchange('a plus before flags and exptime of a set',
         b'set a +5 +1000 1\r\nx\r\nmg a f t\r\ncas a +6 +0 1 77\r\nx\r\n',
         b'STORED\r\nHD f5 t<sec1000>\r\nEXISTS\r\n')
exchange('a plus before the other numbers of text',
         b'set e 0 0 +1\r\nset n 0 0 1\r\n5\r\nincr n +1\r\ndecr n +1\r\ntouch n +1\r\n'
         b'gat +1 n\r\ngats +1 n\r\nflush_all +1\r\ncas n 0 0 1 +1\r\nx\r\nverbosity +1\r\n'
         b'cache_memlimit +64\r\nlru_crawler sleep +1\r\nlru_crawler tocrawl +1\r\nslabs automove +1\r\n'
         b'stats cachedump +1 0\r\nlru tune +1 1 1 1\r\nget n\r\n',
         FORMAT + b'STORED\r\n' + DELTA * 2 + EXPTIME * 4 + FORMAT * 2 + b'ERROR\r\n' + FORMAT * 4
         + b'ERROR\r\nVALUE n 0 1\r\n5\r\nEND\r\n')
exchange('a plus in meta commands',
         ONE + b'ms a +1\r\nms a 1 F+1\r\ny\r\nmg a T+1\r\nmg a R+1\r\nmg a N+1\r\nmg a C+1\r\n'
         b'md a C+1\r\nget a\r\n',
         b'STORED\r\n' + FORMAT * 2 + TOKEN * 5 + GOT_ONE)
exchange('a plus before a slab class, a share and a factor',
         b'lru_crawler crawl +1\r\n', b'OK\r\n',
         b'lru tune 1 1 +1 1e0\r\nslabs automove ratio +0.5\r\n', b'OK\r\n' * 2)
exchange('a minus alone is 0 where a number may have one',
         b'set a 0 0 -\r\n\r\ntouch a -\r\ngat - a\r\nms a -\r\n\r\nmg a T- t\r\nincr a -\r\n'
         b'verbosity -\r\nset a 0 - 1\r\nx\r\n',
         b'STORED\r\nTOUCHED\r\nVALUE a 0 0\r\n\r\nEND\r\nHD\r\nHD t-1\r\n' + DELTA + FORMAT * 2)
exchange('a minus before 0', b'set a -0 -0 -0\r\n\r\nmg a f t s\r\nset a -1 0 1\r\nx\r\n',
         b'STORED\r\nHD f0 t-1 s0\r\n' + FORMAT)

# --- White space ---------------------------------------------------------------------------------
exchange('white space around flags and exptime of a set',
         b'set a \t5 \v+1000 1\r\nx\r\nmg a f t\r\nset a 5\t 1000\fx 1\r\nx\r\nmg a f t\r\n',
         (b'STORED\r\nHD f5 t<sec1000>\r\n') * 2)
exchange('flags and exptime of white space alone are what follows',
         b'set a \t 1000 1\r\nx\r\nmg a f t\r\nset a 0 \t 1\r\nx\r\n',
         b'STORED\r\nHD f1000 t<sec1000>\r\nSTORED\r\n')
exchange('white space around the other numbers',
         b'set a 0 0 \t1\r\nset a 0 0 1\t\r\n' + ONE + b'incr a \t1\r\ntouch a \t1\r\ntouch a 1\t\r\ngat \v1 a\r\n'
         b'verbosity \t1\r\nms a \t1\r\nmg a T\t1\r\nmg a T1\t\r\nget a\r\n',
         FORMAT * 2 + b'STORED\r\n' + DELTA + EXPTIME * 3 + FORMAT * 2 + TOKEN * 2 + GOT_ONE)

# --- Zeros in front ------------------------------------------------------------------------------
exchange('eleven characters are the most of 32 bits, but for flags and exptime of a set',
         b'set a %s0 %s0 00000000001\r\nx\r\nset a 0 0 000000000001\r\ntouch a 00000000000\r\n'
         b'touch a 000000000000\r\nms a 000000000001\r\nmg a T000000000000\r\nverbosity 000000000000\r\nget a\r\n'
         % (b'0' * 30, b'0' * 30),
         b'STORED\r\n' + FORMAT + b'TOUCHED\r\n' + EXPTIME + FORMAT + TOKEN + FORMAT + GOT_ONE)
exchange('22 characters are the most of 64 bits',
         b'set n 0 0 1\r\n5\r\nincr n %s1\r\nincr n %s1\r\nmd n C%s1\r\nmd n C%s1\r\n'
         % (b'0' * 21, b'0' * 22, b'0' * 21, b'0' * 22),
         b'STORED\r\n6\r\n' + DELTA + b'EX\r\n' + TOKEN)
