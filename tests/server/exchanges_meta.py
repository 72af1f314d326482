"""The exchanges of the meta protocol; transcript.py tells how they are read."""
from exchanges import CHUNK, FORMAT, LONG, NON_NUMERIC, TOO_LARGE, exchange

TOKEN = b'CLIENT_ERROR bad token in command line format\r\n'
EITHER = b'CLIENT_ERROR invalid or duplicate flag\r\n'
DUPLICATE = b'CLIENT_ERROR duplicate flag\r\n'
INVALID = b'CLIENT_ERROR invalid flag\r\n'
DECODING = b'CLIENT_ERROR error decoding key\r\n'
OPAQUE = b'CLIENT_ERROR opaque token too long\r\n'
MS_MODE = b'CLIENT_ERROR invalid mode for ms M token\r\n'
MA_MODE = b'CLIENT_ERROR invalid mode for ma M token\r\n'

# --- Meta: mg, me, mn -----------------------------------------------------------------------------
exchange('mg without flags',
         b'mg a\r\n', b'EN\r\n',
         b'set a 0 0 2\r\nhi\r\nmg a\r\n', b'STORED\r\nHD\r\n')
exchange('mg v', b'mg a v\r\nset a 5 0 2\r\nhi\r\nmg a v\r\n', b'EN\r\nSTORED\r\nVA 2\r\nhi\r\n')
exchange('mg of an empty value', b'set a 0 0 0\r\n\r\nmg a v s\r\n', b'STORED\r\nVA 0 s0\r\n\r\n')
exchange('mg flags come back in the order asked',
         b'set a 77 0 2\r\nhi\r\n', b'STORED\r\n',
         b'mg a t s f k v Oxyz c\r\n', b'VA 2 t-1 s2 f77 ka Oxyz c<casa>\r\nhi\r\n',
         b'mg a c f k Oxyz s t\r\nmg a Oo k v\r\n',
         b'HD c<casa> f77 ka Oxyz s2 t-1\r\nVA 2 Oo ka\r\nhi\r\n')
exchange('mg with spaces',
         b'set a 0 0 2\r\nhi\r\nmg  a  v \r\nmg a  s   k  \r\nmg a\nmg a v\n',
         b'STORED\r\nVA 2\r\nhi\r\nHD s2 ka\r\nHD\r\nVA 2\r\nhi\r\n')
exchange('mg h and l',
         b'set a 0 0 1\r\nx\r\nmg a h l\r\nmg a h\r\nmg a u h\r\nset a 0 0 1\r\ny\r\n'
         + b'mg a u h\r\nmg a u h\r\nmg a h\r\nmg a h\r\n',
         b'STORED\r\nHD h0 l<age>\r\nHD h1\r\nHD h1\r\nSTORED\r\nHD h0\r\nHD h0\r\nHD h0\r\n'
         + b'HD h1\r\n')
exchange('a get counts as a hit',
         b'set a 0 0 1\r\nx\r\nget a\r\nmg a h\r\n',
         b'STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nHD h1\r\n')
exchange('mg t of what never expires and of what does',
         b'set a 0 0 1\r\nx\r\nset b 0 1000 1\r\nx\r\nmg a t\r\nmg b t\r\n',
         b'STORED\r\nSTORED\r\nHD t-1\r\nHD t<sec1000>\r\n')
exchange('mg T of a missing key', b'mg a T100 t v\r\nget a\r\n', b'EN\r\nEND\r\n')
exchange('mg T with what is no time',
         b'set a 0 0 1\r\nx\r\nmg a Tabc v\r\nmg a T v\r\nmg a T99999999999999999999 v\r\n'
         + b'mg a T1x\r\n',
         b'STORED\r\n' + TOKEN * 4)
exchange('mg q',
         b'set a 0 0 1\r\nx\r\nmg a q\r\nmg a v q\r\nmg b v q\r\nmg b q k Oabc\r\nmn\r\n',
         b'STORED\r\nHD\r\nVA 1\r\nx\r\nMN\r\n')
exchange('mg P and L are ignored',
         b'set a 0 0 1\r\nx\r\nmg a P Lpath/x v\r\nmg a Phint L s\r\n',
         b'STORED\r\nVA 1\r\nx\r\nHD s1\r\n')
exchange('mg C',
         b'ms a 2 c\r\nhi\r\n', b'HD c<casa>\r\n',
         b'mg a v C<casa> c\r\nmg a v C<casa>\r\nmg a C<casa> k s\r\nmg a v C1\r\n'
         + b'mg a C1\r\nmg nope C1 v\r\n',
         b'HD c<casa>\r\nHD\r\nHD ka s2\r\nVA 2\r\nhi\r\nHD\r\nEN\r\n')
exchange('mg C with what is no number',
         b'set a 0 0 1\r\nx\r\nmg a Cabc v\r\nmg a C v\r\nmg a C18446744073709551616 v\r\n'
         + b'mg a C18446744073709551615 v\r\nmg a C-1 v\r\n',
         b'STORED\r\n' + TOKEN * 3 + b'VA 1\r\nx\r\n' + TOKEN)
exchange('mg N of what is there',
         b'set a 0 0 1\r\nx\r\nmg a N30 v t\r\n', b'STORED\r\nVA 1 t-1\r\nx\r\n')
exchange('mg N and q',
         b'mg a N30 q v\r\nmg a N30 q v\r\nmn\r\n', b'VA 0 W\r\n\r\nVA 0 Z\r\n\r\nMN\r\n')
exchange('mg R',
         b'set a 0 100 1\r\nx\r\nmg a R30 t\r\nmg a R200 t v\r\nmg a R200 t\r\nmg a t\r\n'
         + b'set a 0 0 1\r\ny\r\nmg a R200 t\r\n',
         b'STORED\r\nHD t<sec100>\r\nVA 1 t<sec100> W\r\nx\r\nHD t<sec100> Z\r\n'
         + b'HD t<sec100> Z\r\nSTORED\r\nHD t-1\r\n')
exchange('mg R and what is no number',
         b'mg a Rabc\r\nmg a R\r\nmg a R-1\r\n', TOKEN * 2 + b'EN\r\n')
exchange('mg W at the end, after the flags',
         b'mg a N30 R20 T40 s t v\r\nmg a N30 R50 s t v\r\n',
         b'VA 0 s0 t<sec40> W\r\n\r\nVA 0 s0 t<sec40> Z\r\n\r\n')
exchange('mg E', b'mg a N30 E123456789 c\r\nmg a c\r\n', b'HD c123456789 W\r\nHD c123456789 Z\r\n')
exchange('mg flags with letters behind them',
         b'set a 0 0 1\r\nx\r\nmg a vx\r\nmg a kk s\r\nmg a sv\r\n',
         b'STORED\r\nVA 1\r\nx\r\nHD ka s1\r\nHD s1\r\n')
exchange('mg without a key', b'mg\r\nmg \r\n', FORMAT * 2)
exchange('mg S', b'mg a S5\r\n', INVALID)
exchange('mn', b'mn\r\nmn x\r\nmn  \r\nmnx\r\n', b'MN\r\nMN\r\nMN\r\nERROR\r\n')
exchange('two letters that are no command',
         b'mx a\r\nm\r\nm a\r\nmgx a\r\nMG a\r\n',
         b'ERROR\r\n' + FORMAT + b'ERROR\r\nERROR\r\nERROR\r\n')
exchange('mg T',
         b'set a 0 0 1\r\nx\r\nmg a T100 t v\r\nmg a t\r\nmg a T0 t\r\nmg a t T50\r\n'
         + b'mg a T-1 v\r\nmg a\r\n',
         b'STORED\r\nVA 1 t<sec100>\r\nx\r\nHD t<sec100>\r\nHD t-1\r\nHD t-1\r\nVA 1\r\n'
         + b'x\r\nEN\r\n')
exchange('mg of the longest key, and of one too long',
         b'mg %s s\r\n' % LONG + b'mg %sk s\r\n' % LONG, b'EN\r\n' + FORMAT)
exchange('mg opaque that is empty', b'mg a O v\r\n', b'EN O\r\n')
exchange('mg takes flags of other commands',
         b'set a 0 0 1\r\nx\r\nmg a M\r\nmg a I\r\nmg a x\r\nmg a F1\r\nmg a D1 \r\n'
         + b'mg a J1\r\nmg a S1\r\nmg a 1\r\nmg a V\r\n',
         b'STORED\r\nHD\r\nHD\r\nHD\r\nHD\r\nHD\r\nHD\r\n' + INVALID * 3)
exchange('mg N that never expires, and what is no number',
         b'mg b N0 t\r\nmg c N-1 v\r\nmg c v\r\nmg d Nabc\r\nmg d N\r\n',
         b'HD t-1 W\r\nVA 0 W\r\n\r\nEN\r\n' + TOKEN * 2)
exchange('mg N returns what was asked',
         b'mg a N30 k Oabc f h l s t v\r\n', b'VA 0 ka Oabc f0 h0 l<age> s0 t<sec30> W\r\n\r\n')
exchange('mg N is over once the item is set',
         b'mg a N30 s v\r\nget a\r\nms a 2 T10\r\nhi\r\nmg a N30 s v t\r\n',
         b'VA 0 s0 W\r\n\r\nVALUE a 0 0\r\n\r\nEND\r\nHD\r\nVA 2 s2 t<sec10>\r\nhi\r\n')
exchange('more flags than a command may have',
         b'mg a v s k t f h l c u q b P L O1 T0 N0 R0 E1 C1\r\n',
         b'CLIENT_ERROR options flags are too long\r\n')
exchange('me of a key that is not there, and of none',
         b'me nope\r\nme\r\nme \r\n' + b'me %sk\r\n' % LONG, b'EN\r\n' + FORMAT * 3)

# --- Meta: Keys in base64 -------------------------------------------------------------------------
exchange('mg b',
         b'ms Zm9v 2 b\r\nhi\r\nmg Zm9v b v\r\nmg Zm9v b k v\r\nmg foo v k\r\nmg foo v\r\n'
         + b'mg nope k\r\nmg YmFy b k v\r\n',
         b'HD\r\nVA 2\r\nhi\r\nVA 2 kZm9v b\r\nhi\r\nVA 2 kZm9v b\r\nhi\r\nVA 2\r\nhi\r\n'
         + b'EN knope\r\nEN kYmFy b\r\n')
exchange('a key in base64 of an item made otherwise',
         b'set foo 0 0 2\r\nhi\r\nmg Zm9v b k v\r\nmg foo k v\r\n',
         b'STORED\r\nVA 2 kfoo\r\nhi\r\nVA 2 kfoo\r\nhi\r\n')
exchange('an item stored again loses its base64',
         b'ms Zm9v 2 b\r\nhi\r\nmg foo k\r\nset foo 0 0 2\r\nho\r\nmg foo k\r\n'
         + b'mg Zm9v b k\r\n',
         b'HD\r\nHD kZm9v b\r\nSTORED\r\nHD kfoo\r\nHD kfoo\r\n')
exchange('base64 keys with any bytes',
         b'ms AAH/IA0K 2 b k\r\nhi\r\nmg AAH/IA0K b k v\r\nmd AAH/IA0K b k\r\n'
         + b'mg AAH/IA0K b k\r\n',
         b'HD kAAH/IA0K b\r\nVA 2 kAAH/IA0K b\r\nhi\r\nHD kAAH/IA0K b\r\nEN kAAH/IA0K b\r\n')
exchange('base64 that is none',
         b'mg %%% b v\r\nmg Zm9 b v\r\nmg Zm9v= b v\r\nmd %%% b\r\nms %%% 2 b\r\nhi\r\n'
         + b'ma %%% b\r\n',
         DECODING * 5 + EITHER)
exchange('base64 without the flag is a key',
         b'ms Zm9v 2\r\nhi\r\nmg Zm9v v k\r\nmg foo\r\n', b'HD\r\nVA 2 kZm9v\r\nhi\r\nEN\r\n')
exchange('base64 and incr, touch',
         b'ms Zm9v 1 b\r\n5\r\nincr foo 1\r\nmg foo k v\r\ntouch foo 0\r\nmg foo k v\r\n',
         b'HD\r\n6\r\nVA 1 kZm9v b\r\n6\r\nTOUCHED\r\nVA 1 kZm9v b\r\n6\r\n')

# --- Meta: ms -------------------------------------------------------------------------------------
exchange('ms',
         b'ms a 2\r\nhi\r\nmg a v f t\r\nms a 2 F5 T100\r\nho\r\nmg a v f t\r\nms a 3\r\n'
         + b'hum\r\nmg a v f t\r\n',
         b'HD\r\nVA 2 f0 t-1\r\nhi\r\nHD\r\nVA 2 f5 t<sec100>\r\nho\r\nHD\r\nVA 3 f0 t-1\r\n'
         + b'hum\r\n')
exchange('ms t, f, h and l',
         b'ms a 2 t\r\nhi\r\nmg a\r\nms a 2 f\r\nhi\r\nms a 2 h\r\nhi\r\nms a 2 l\r\nhi\r\n'
         + b'ms a 2 v\r\nhi\r\nmn\r\n',
         b'HD\r\nHD\r\nHD\r\nHD\r\nHD\r\nHD\r\nMN\r\n')
exchange('ms of an empty value', b'ms a 0\r\n\r\nmg a v s\r\n', b'HD\r\nVA 0 s0\r\n\r\n')
exchange('ms c is the CAS of the item',
         b'ms a 2 c\r\nhi\r\n', b'HD c<casa>\r\n',
         b'mg a c\r\ngets a\r\n', b'HD c<casa>\r\nVALUE a 0 2 <casa>\r\nhi\r\nEND\r\n',
         b'ms a 2 c\r\nho\r\n', b'HD c<casb>\r\n',
         b'mg a c\r\n', b'HD c<casb>\r\n')
exchange('ms C',
         b'ms a 2 c\r\nhi\r\n', b'HD c<casa>\r\n',
         b'ms a 2 C<casa> c\r\nho\r\n', b'HD c<casb>\r\n',
         b'ms a 2 C<casa> c\r\nha\r\nms nope 2 C<casa> c\r\nha\r\nmg a v\r\n',
         b'EX c0\r\nNF c0\r\nVA 2\r\nho\r\n')
exchange('ms E of the largest CAS',
         b'ms a 2 E18446744073709551615 c\r\nhi\r\nmg a c\r\ngets a\r\nms a 2 E0\r\nhi\r\n'
         + b'ms a 2 E\r\nhi\r\nms a 2 Eabc\r\nhi\r\nms a 2 E18446744073709551616\r\nhi\r\n',
         b'HD c18446744073709551615\r\nHD c18446744073709551615\r\n'
         + b'VALUE a 0 2 18446744073709551615\r\nhi\r\nEND\r\nHD\r\n' + TOKEN * 3)
exchange('ms ME adds',
         b'ms a 2 ME\r\nhi\r\nms a 2 ME\r\nho\r\nmg a v\r\nms b 2 ME k s Oabc\r\nhi\r\n'
         + b'ms b 2 ME k s Oabc\r\nhi\r\n',
         b'HD\r\nNS\r\nVA 2\r\nhi\r\nHD kb s2 Oabc\r\nNS kb s2 Oabc\r\n')
exchange('ms MR replaces',
         b'ms a 2 MR\r\nhi\r\nset a 0 0 2\r\nho\r\nms a 2 MR F5\r\nhi\r\nmg a v f\r\n',
         b'NS\r\nSTORED\r\nHD\r\nVA 2 f5\r\nhi\r\n')
exchange('ms MA and MP append and prepend',
         b'ms a 1 MA\r\nx\r\nms a 1 MP\r\nx\r\nset a 5 0 3\r\nmid\r\nms a 4 MA s F6 T100\r\n'
         + b'-end\r\nms a 4 MP s\r\nbeg-\r\nmg a v f t\r\n',
         b'NS\r\nNS\r\nSTORED\r\nHD s7\r\nHD s11\r\nVA 11 f5 t-1\r\nbeg-mid-end\r\n')
exchange('ms MA with N creates',
         b'ms a 1 MA N100 s\r\nx\r\nmg a v t\r\nms a 1 MA N100 s\r\ny\r\nmg a v t\r\n'
         + b'ms b 1 MP N0 T50\r\nx\r\nmg b v t\r\nms c 1 MS N50\r\nx\r\nmg c t\r\n'
         + b'ms d 1 ME N50\r\nx\r\nmg d t\r\nms e 1 MR N50\r\nx\r\n',
         b'HD s1\r\nVA 1 t<sec100>\r\nx\r\nHD s2\r\nVA 2 t<sec100>\r\nxy\r\nHD\r\n'
         + b'VA 1 t-1\r\nx\r\nHD\r\nHD t-1\r\nHD\r\nHD t-1\r\nNS\r\n')
exchange('ms MA with a CAS',
         b'ms a 1 c\r\nx\r\n', b'HD c<casa>\r\n',
         b'ms a 1 MA C<casa> c\r\ny\r\n', b'HD c<casb>\r\n',
         b'ms a 1 MA C<casa>\r\nz\r\nms a 1 MP C<casa>\r\nz\r\nms nope 1 MA C1\r\nx\r\n'
         + b'ms nope 1 MP C1\r\nx\r\nmg a v\r\n',
         b'EX\r\nEX\r\nNS\r\nNS\r\nVA 2\r\nxy\r\n')
exchange('ms ME and MR with a CAS',
         b'ms a 1 c\r\nx\r\n', b'HD c<casa>\r\n',
         b'ms a 1 ME C<casa>\r\ny\r\nms a 1 MR C<casa>\r\nz\r\nms a 1 MR C1\r\nw\r\n'
         + b'ms nope 1 ME C1\r\nx\r\nms nope 1 MR C1\r\nx\r\nmg a v\r\n',
         b'NS\r\nHD\r\nEX\r\nHD\r\nEX\r\nVA 1\r\nz\r\n')
exchange('ms with a mode that is none',
         b'ms a 1 MX\r\nx\r\nms a 1 M\r\nx\r\nmg a v\r\n', MS_MODE * 2 + b'EN\r\n')
exchange('ms I with the right CAS',
         b'ms a 1 E5000 c\r\nx\r\nms a 1 I C5000\r\ny\r\nmg a v\r\n',
         b'HD c5000\r\nHD\r\nVA 1\r\ny\r\n')
exchange('ms I on a missing key',
         b'ms a 1 I C5000\r\ny\r\nms a 1 I\r\nz\r\nmg a v\r\n', b'NF\r\nHD\r\nVA 1\r\nz\r\n')
exchange('ms q',
         b'ms a 1 q\r\nx\r\nms a 1 q c k Oabc\r\nx\r\nms a 1 ME q\r\ny\r\nms a 1 C1 q\r\n'
         + b'y\r\nms nope 1 C1 q\r\ny\r\nms nope 1 MR q Oabc\r\nx\r\nmn\r\n',
         b'NS\r\nEX\r\nNF\r\nNS Oabc\r\nMN\r\n')
exchange('ms P and L', b'ms a 1 P Lpath\r\nx\r\nmg a v\r\n', b'HD\r\nVA 1\r\nx\r\n')
exchange('ms T',
         b'ms a 1 T100\r\nx\r\nmg a t\r\nms a 1 T0\r\nx\r\nmg a t\r\nms a 1 T-1\r\nx\r\n'
         + b'mg a t\r\nms a 1 Tabc\r\nx\r\nms a 1 T\r\nx\r\nmn\r\n',
         b'HD\r\nHD t<sec100>\r\nHD\r\nHD t-1\r\nHD\r\nEN\r\n' + TOKEN * 2 + b'MN\r\n')
exchange('ms F',
         b'ms a 1 F4294967295\r\nx\r\nmg a f\r\nms a 1 F4294967296\r\ny\r\nms a 1 Fabc\r\n'
         + b'y\r\nms a 1 F\r\ny\r\nms a 1 F-1\r\ny\r\nmg a f v\r\n',
         b'HD\r\nHD f4294967295\r\n' + FORMAT * 4 + b'VA 1 f4294967295\r\nx\r\n')
exchange('ms lengths that are none',
         b'ms a\r\nms a abc\r\nms a -1\r\nms a 2147483647\r\nms a 4294967296\r\nms\r\nmn\r\n',
         FORMAT * 6 + b'MN\r\n')
exchange('ms flag in the place of the length',
         b'ms a c\r\nms a S2\r\nms a c 2\r\nmn\r\n', FORMAT * 3 + b'MN\r\n')
exchange('ms with a bad data block',
         b'ms a 2\r\nabc\r\nms a 2\r\nab\nmn\r\n', CHUNK + FORMAT + CHUNK + FORMAT)
exchange('ms with a bad data block and q',
         b'ms a 2 q\r\nabcd\r\nmn\r\n', CHUNK + FORMAT + b'MN\r\n')
exchange('ms with bad flags swallows the data',
         b'ms a 2 v v\r\nhi\r\nms a 2 z\r\nhi\r\n'
         + b'ms a 2 O12345678901234567890123456789012\r\nhi\r\nms a 2 c c\r\nhi\r\nmn\r\n',
         DUPLICATE + INVALID + OPAQUE + DUPLICATE + b'MN\r\n')
exchange('ms C with what is no number',
         b'ms a 1 Cabc\r\nx\r\nms a 1 C\r\nx\r\nms a 1 C-1\r\nx\r\nmn\r\n', TOKEN * 3 + b'MN\r\n')
exchange('ms returns',
         b'ms abc 2 k Oabc s\r\nhi\r\nms abc 2 s F1 I\r\nhi\r\nms abc 2 P b k\r\nhi\r\n',
         b'HD kabc Oabc s2\r\nHD s2\r\n' + DECODING)
exchange('ms E',
         b'ms a 2 E12345678901 c\r\nhi\r\nmg a c\r\nms a 2 C12345678901 E12345678902 c\r\n'
         + b'ho\r\nmg a c v\r\n',
         b'HD c12345678901\r\nHD c12345678901\r\nHD c12345678902\r\nVA 2 c12345678902\r\n'
         + b'ho\r\n')
exchange('ms of a key that is too long swallows the data',
         b'ms %sk 2\r\n' % LONG + b'hi\r\nmn\r\n', FORMAT + b'MN\r\n')
exchange('ms with the mode of set', b'ms a 1 MS\r\nx\r\nmg a v\r\n', b'HD\r\nVA 1\r\nx\r\n')
exchange('ms modes are upper case',
         b'ms a 1 Me\r\nz\r\nms a 1 Ma\r\nz\r\nms a 1 Mp\r\nz\r\nms a 1 Mr\r\nz\r\n'
         + b'ms a 1 Ms\r\nz\r\nmg a v\r\n',
         MS_MODE * 5 + b'EN\r\n')

# --- Meta: md, stale items ------------------------------------------------------------------------
exchange('md', b'md a\r\nset a 0 0 1\r\nx\r\nmd a\r\nget a\r\n', b'NF\r\nSTORED\r\nHD\r\nEND\r\n')
exchange('md returns',
         b'md a k Oabc\r\nset a 0 0 1\r\nx\r\nmd a k Oabc\r\nms Zm9v 1 b\r\nx\r\n'
         + b'md Zm9v b k Oabc\r\nset foo 0 0 1\r\nx\r\nmd foo k b\r\nmd foo k\r\n',
         b'NF ka Oabc\r\nSTORED\r\nHD ka Oabc\r\nHD\r\nHD kZm9v b Oabc\r\nSTORED\r\n'
         + DECODING + b'HD kfoo\r\n')
exchange('md C',
         b'ms a 1 c\r\nx\r\n', b'HD c<casa>\r\n',
         b'md a C1\r\nmd a C<casa>\r\nmd a C<casa>\r\nmd a Cabc\r\nmd a C\r\n',
         b'EX\r\nHD\r\nNF\r\n' + TOKEN * 2)
exchange('md q',
         b'set a 0 0 1\r\nx\r\nmd a q\r\nmd a q\r\nmd a q Oabc k\r\nset a 0 0 1\r\nx\r\n'
         + b'md a q C1\r\nmn\r\n',
         b'STORED\r\nNF\r\nNF Oabc ka\r\nSTORED\r\nEX\r\nMN\r\n')
exchange('md I',
         b'ms a 1 c\r\nx\r\n', b'HD c<casa>\r\n',
         b'md a I\r\nmd a I C<casa>\r\nmg a v\r\nmg a v\r\nmg a v\r\nget a\r\nms a 1\r\n'
         + b'y\r\nmg a v\r\n',
         b'HD\r\nEX\r\nVA 1 X W\r\nx\r\nVA 1 Z X\r\nx\r\nVA 1 Z X\r\nx\r\nVALUE a 0 1\r\n'
         + b'x\r\nEND\r\nHD\r\nVA 1\r\ny\r\n',
         b'md nope I\r\n', b'NF\r\n')
exchange('md T without I',
         b'set a 0 0 1\r\nx\r\nmd a T30\r\nmg a v t\r\n', b'STORED\r\nHD\r\nEN\r\n')
exchange('md I bumps the CAS',
         b'ms a 1 c\r\nx\r\n', b'HD c<casa>\r\n',
         b'md a I\r\nmg a c\r\n', b'HD\r\nHD c<casb> X W\r\n',
         b'ms a 1 C<casa>\r\ny\r\nms a 1 C<casa> I\r\nz\r\nmg a v\r\n',
         b'EX\r\nHD\r\nVA 1 Z X\r\nz\r\n')
exchange('md I E',
         b'set a 0 0 1\r\nx\r\nmd a I E123456789012\r\nmg a c\r\nmg a c\r\n',
         b'STORED\r\nHD\r\nHD c123456789012 X W\r\nHD c123456789012 Z X\r\n')
exchange('md x',
         b'set a 5 100 3\r\nabc\r\nmd a x\r\nmg a v f t\r\nmg a h s\r\nmd nope x\r\n',
         b'STORED\r\nHD\r\nVA 0 f0 t-1\r\n\r\nHD h1 s0\r\nNF\r\n')
exchange('md x I',
         b'set a 5 100 3\r\nabc\r\nmd a x I T30\r\nmg a v f t\r\nmg a v f t\r\n',
         b'STORED\r\nHD\r\nVA 0 f0 t<sec30> X W\r\n\r\nVA 0 f0 t<sec30> Z X\r\n\r\n')
exchange('md x E c',
         b'set a 5 100 3\r\nabc\r\nmd a x E12345\r\nmg a c v\r\nmd a x c\r\nmd a t\r\n'
         + b'md a s\r\nmd a v\r\nmd a f\r\nmd a h\r\nmn\r\n',
         b'STORED\r\nHD\r\nVA 0 c12345\r\n\r\nHD\r\nHD\r\nNF\r\nNF\r\nNF\r\nNF\r\nMN\r\n')
exchange('md P L', b'set a 0 0 1\r\nx\r\nmd a Px L\r\n', b'STORED\r\nHD\r\n')
exchange('a stale item is won by one',
         b'set a 0 0 1\r\nx\r\nmd a I\r\nmg a s\r\nmg a s\r\nmg a s N30 R30\r\n'
         + b'touch a 100\r\nmg a s\r\nincr a 1\r\n',
         b'STORED\r\nHD\r\nHD s1 X W\r\nHD s1 Z X\r\nHD s1 Z X\r\nTOUCHED\r\nHD s1 Z X\r\n'
         + NON_NUMERIC)
# Replies are awaited where memcached would change a copy of an item that a reply still holds.
exchange('append makes a stale item fresh, ma does not',
         b'set a 0 0 1\r\n1\r\nmd a I\r\nms a 1 MA\r\n2\r\nmg a v\r\n',
         b'STORED\r\nHD\r\nHD\r\nVA 2\r\n12\r\n',
         b'md a I\r\nma a\r\nmg a v\r\n', b'HD\r\nHD\r\nVA 2 X W\r\n13\r\n')
exchange('md mistakes',
         b'set a 0 0 1\r\nx\r\nmd a I I\r\nmd a Tabc\r\nmd\r\nmd \r\n'
         + b'md a O12345678901234567890123456789012\r\n' + b'md %sk\r\n' % LONG
         + b'md a 0\r\nget a\r\n',
         b'STORED\r\n' + DUPLICATE + TOKEN + FORMAT * 2 + OPAQUE + FORMAT + INVALID
         + b'VALUE a 0 1\r\nx\r\nEND\r\n')
exchange('md I again',
         b'set a 0 0 1\r\nx\r\nmd a I T30\r\nmg a t\r\nmg a t\r\nmd a I T60\r\nmg a t\r\n'
         + b'md a I\r\nmg a t\r\n',
         b'STORED\r\nHD\r\nHD t<sec30> X W\r\nHD t<sec30> Z X\r\nHD\r\nHD t<sec60> X W\r\n'
         + b'HD\r\nHD t<sec60> X W\r\n')

# --- Meta: ma -------------------------------------------------------------------------------------
exchange('ma',
         b'ma n\r\nset n 0 0 1\r\n5\r\nma n\r\nma n v\r\nget n\r\n',
         b'NF\r\nSTORED\r\nHD\r\nVA 1\r\n7\r\nVALUE n 0 1\r\n7\r\nEND\r\n')
exchange('ma D',
         b'set n 0 0 1\r\n5\r\nma n D10 v\r\nma n D0 v\r\nma n D18446744073709551615 v\r\n'
         + b'ma n Dabc\r\nma n D\r\nma n D-1\r\nma n D18446744073709551616\r\n',
         b'STORED\r\nVA 2\r\n15\r\nVA 2\r\n15\r\nVA 2\r\n14\r\n' + EITHER * 4)
exchange('ma M',
         b'set n 0 0 3\r\n100\r\nma n MD v\r\nma n M- D9 v\r\nma n MI v\r\nma n M+ D9 v\r\n'
         + b'ma n Mi v\r\nma n Md v\r\nma n Mincr v\r\nma n Mdecr v\r\nma n M\r\nma n MX\r\n',
         b'STORED\r\nVA 2\r\n99\r\nVA 2\r\n90\r\nVA 2\r\n91\r\nVA 3\r\n100\r\n' + MA_MODE * 6)
exchange('ma counts down to 0 and keeps the length',
         b'set n 0 0 2\r\n10\r\nma n MD v\r\nget n\r\n',
         b'STORED\r\nVA 1\r\n9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n',
         b'ma n MD D100 v\r\nget n\r\n', b'VA 1\r\n0\r\nVALUE n 0 2\r\n0 \r\nEND\r\n')
exchange('ma wraps',
         b'set n 0 0 20\r\n18446744073709551615\r\nma n v\r\n', b'STORED\r\nVA 1\r\n0\r\n')
exchange('ma N',
         b'ma n N30 v t\r\nma n N30 v t\r\nma m N0 J41 v t\r\nma m N0 J41 v\r\nma o J7 v\r\n'
         + b'ma p N30 J7 MD v\r\nma p N30 MD v\r\nma r N-1 v\r\nma r v\r\n',
         b'VA 1 t<sec30>\r\n0\r\nVA 1 t<sec30>\r\n1\r\nVA 2 t-1\r\n41\r\nVA 2\r\n42\r\n'
         + b'NF\r\nVA 1\r\n7\r\nVA 1\r\n6\r\nVA 1\r\n0\r\nNF\r\n')
exchange('ma N with what is no number',
         b'ma n Nabc\r\nma n N\r\nma n N0 Jabc\r\nma n N0 J\r\nma n N0 J-1\r\nget n\r\n',
         EITHER * 5 + b'END\r\n')
exchange('ma N q c k O',
         b'ma n N0 q v\r\nma n q v\r\nma n k Oabc t v\r\nma n N0 k Oabc\r\n'
         + b'ma m N0 k Oabc v\r\nma q k Oabc\r\nma q q\r\nmn\r\n',
         b'VA 1 kn Oabc t-1\r\n2\r\nHD kn Oabc\r\nVA 1 km Oabc\r\n0\r\nNF kq Oabc\r\nNF\r\n'
         + b'MN\r\n')
exchange('ma C',
         b'ms n 1 c\r\n5\r\n', b'HD c<casa>\r\n',
         b'ma n C<casa> c\r\n', b'HD c<casb>\r\n',
         b'ma n C<casa> v c\r\nma nope C<casa> v\r\nma n Cabc\r\nget n\r\n',
         b'EX\r\nNF\r\n' + EITHER + b'VALUE n 0 1\r\n6\r\nEND\r\n')
exchange('ma E',
         b'ms n 1\r\n5\r\nma n E123456789012 c\r\nmg n c v\r\nma m N0 E22345678901 c\r\n'
         + b'mg m c v\r\n',
         b'HD\r\nHD c123456789012\r\nVA 1 c123456789012\r\n6\r\nHD c22345678901\r\n'
         + b'VA 1 c22345678901\r\n0\r\n')
exchange('ma T and t',
         b'ms n 1\r\n5\r\nma n t\r\nma n T100 t v\r\nmg n t\r\nma n T0 t\r\nma n Tabc\r\n'
         + b'ma n T\r\n',
         b'HD\r\nHD t-1\r\nVA 1 t<sec100>\r\n7\r\nHD t<sec100>\r\nHD t-1\r\n' + EITHER * 2)
exchange('ma c',
         b'ms n 1 c\r\n5\r\n', b'HD c<casa>\r\n',
         b'ma n c\r\n', b'HD c<casb>\r\n',
         b'mg n c\r\n', b'HD c<casb>\r\n')
exchange('ma changes the CAS',
         b'ms n 1 c\r\n5\r\n', b'HD c<casa>\r\n',
         b'ma n\r\nms n 1 C<casa>\r\n1\r\n', b'HD\r\nEX\r\n')
# memcached forgets the base64 of an item that ma made.
exchange('ma b',
         b'ms Zm9v 1 b\r\n5\r\nma Zm9v b k v\r\nma foo k v\r\nma YmFy b N0 k v\r\nma YmF6 b k\r\n',
         b'HD\r\nVA 1 kZm9v b\r\n6\r\nVA 1 kfoo\r\n7\r\nVA 1 kYmFy b\r\n0\r\nNF kYmF6 b\r\n')
exchange('ma keeps flags and grows',
         b'ms n 2 F7 T100\r\n99\r\nma n v\r\nmg n f t v s\r\n',
         b'HD\r\nVA 3\r\n100\r\nVA 3 f7 t<sec100> s3\r\n100\r\n')
exchange('ma s', b'set n 0 0 1\r\n5\r\nma n P Lx v\r\n', b'STORED\r\nVA 1\r\n6\r\n')
exchange('ma of what is no number',
         b'set n 0 0 2\r\nhi\r\nma n v\r\nma n q\r\nma n N30\r\n',
         b'STORED\r\n' + NON_NUMERIC * 3)
exchange('ma mistakes',
         b'ma\r\nma \r\n' + b'ma %sk\r\n' % LONG
         + b'ma n O12345678901234567890123456789012\r\n',
         FORMAT * 2 + EITHER + OPAQUE)
exchange('ma ignores flags of other commands',
         b'set n 0 0 1\r\n5\r\nma n s\r\nma n f\r\nma n h\r\nma n I\r\nget n\r\n',
         b'STORED\r\nHD\r\nHD\r\nHD\r\nHD\r\nVALUE n 0 1\r\n9\r\nEND\r\n')

# --- Meta: With other commands --------------------------------------------------------------------
exchange('noreply is no flag of a meta command',
         b'mg a noreply\r\nms a 2 noreply\r\nhi\r\nmd a noreply\r\nma a noreply\r\n'
         + b'mn noreply\r\n',
         INVALID * 3 + EITHER + b'MN\r\n')
exchange('flush_all hides from meta',
         b'set a 0 0 1\r\n1\r\nflush_all\r\nmg a v\r\nma a\r\nmd a\r\nms a 1 MA\r\nx\r\n'
         + b'ms a 1 MR\r\nx\r\nms a 1 C1\r\nx\r\nms a 1 ME\r\nx\r\nmg a v\r\n',
         b'STORED\r\nOK\r\nEN\r\nNF\r\nNF\r\nNS\r\nNS\r\nNF\r\nHD\r\nVA 1\r\nx\r\n')

# --- Meta: large values ---------------------------------------------------------------------------
exchange('ms of a value that is too large drops the old one, q or not',
         b'ms a 1\r\nx\r\nms b 1\r\nx\r\n', b'HD\r\n' * 2,
         b'ms a 1048577\r\n' + b'y' * 1048577 + b'\r\nms b 1048577 q\r\n' + b'y' * 1048577
         + b'\r\nmg a\r\nmg b\r\nmn\r\n',
         TOO_LARGE * 2 + b'EN\r\nEN\r\nMN\r\n', fragments=(None, 10000))
for size in (4096, 16 * 1024, 100 * 1024):
    exchange('ms and mg of %d bytes' % size,
             b'ms a %d s\r\n' % size + b'v' * size + b'\r\n', b'HD s%d\r\n' % size,
             b'mg a v s\r\nmg a\r\n', b'VA %d s%d\r\n' % (size, size) + b'v' * size + b'\r\nHD\r\n',
             fragments=(None, 1000))
