"""The exchanges of the binary protocol; transcript.py tells how they are read."""
import struct

from binary import (DECR, DELETE, FLAGS, FLUSH, FOREVER, GET, GETK, INCR, NOOP, QUIT, SET, STAT,
                    error, found, number, reply, request, stored)
from exchanges import LONG, UNASKED, exchange

exchange('binary get miss', request(GET, b'a'), error(GET, 1))
exchange('binary set and get',
         request(SET, b'a', FOREVER, b'value') + request(GET, b'a', opaque=b'abcd'),
         stored() + found(b'value', opaque=b'abcd'))
exchange('binary set with a CAS',
         request(SET, b'a', FOREVER, b'1', cas=b'\0\0\0\0\0\0\0\1')
         + request(SET, b'a', FOREVER, b'2'),
         error(SET, 1) + stored(),
         request(SET, b'a', FOREVER, b'3', cas=b'<CAS..1>')
         + request(SET, b'a', FOREVER, b'4', cas=b'<CAS..1>') + request(GET, b'a'),
         stored(cas=b'<CAS..2>') + error(SET, 2) + found(b'3', cas=b'<CAS..2>'))
exchange('binary delete',
         request(DELETE, b'a') + request(SET, b'a', FOREVER, b'1') + request(DELETE, b'a')
         + request(GET, b'a'),
         error(DELETE, 1) + stored() + reply(DELETE) + error(GET, 1))
exchange('binary delete with a CAS',
         request(SET, b'a', FOREVER, b'1'), stored(),
         request(SET, b'a', FOREVER, b'2'), stored(cas=b'<CAS..2>'),
         request(DELETE, b'a', cas=b'<CAS..1>') + request(DELETE, b'a', cas=b'<CAS..2>'),
         error(DELETE, 2) + reply(DELETE))
exchange('binary incr and decr create',
         request(INCR, b'n', number(5, 100)) + request(INCR, b'n', number(5, 100))
         + request(DECR, b'n', number(6, 100)) + request(DECR, b'n', number(1000))
         + request(DECR, b'm', number(1, 7)),
         reply(INCR, value=struct.pack('>Q', 100), cas=b'<CAS..1>')
         + reply(INCR, value=struct.pack('>Q', 105), cas=b'<CAS..2>')
         + reply(DECR, value=struct.pack('>Q', 99), cas=b'<CAS..3>')
         + reply(DECR, value=struct.pack('>Q', 0), cas=b'<CAS..4>')
         + reply(DECR, value=struct.pack('>Q', 7), cas=b'<CAS..5>'))
exchange('binary key with spaces and newlines',
         request(SET, b'a b\r\n\0', FOREVER, b'1') + request(GETK, b'a b\r\n\0'),
         stored() + found(b'1', GETK, key=b'a b\r\n\0'))
exchange('binary longest key',
         request(SET, LONG, FOREVER, b'1') + request(GETK, LONG),
         stored() + found(b'1', GETK, key=LONG))
exchange('binary empty value', request(SET, b'a', FOREVER) + request(GET, b'a'),
         stored() + found(b''))
exchange('binary exptime in the past',
         request(SET, b'a', FLAGS + struct.pack('>I', 2592001), b'1') + request(GET, b'a'),
         stored() + error(GET, 1))
exchange('binary flush', request(SET, b'a', FOREVER, b'1') + request(FLUSH) + request(GET, b'a'),
         stored() + reply(FLUSH) + error(GET, 1))
exchange('binary flush with a time of 0',
         request(SET, b'a', FOREVER, b'1') + request(FLUSH, extras=bytes(4)) + request(GET, b'a'),
         stored() + reply(FLUSH) + error(GET, 1))
exchange('binary flush in the future',
         request(SET, b'a', FOREVER, b'1') + request(FLUSH, extras=b'\0\0\0\x64')
         + request(GET, b'a'),
         stored() + reply(FLUSH) + found(b'1'))
exchange('binary noop', request(NOOP), reply(NOOP))
exchange('binary quit', request(NOOP) + request(QUIT) + request(NOOP), reply(NOOP) + reply(QUIT),
         closes=True)
# memcached swallows the body twice, a fault not to copy; so it is not asked.
exchange('binary unknown opcode with a body',
         request(0x7e, b'key', b'1234', b'value') + request(NOOP),
         error(0x7e, 0x81) + reply(NOOP), memcached=UNASKED)
exchange('binary opcodes that are not here',
         b''.join(request(opcode) for opcode in (0x1b, 0x1f, 0x20, 0x30, 0x3c, 0x41, 0xff)),
         b''.join(error(opcode, 0x81) for opcode in (0x1b, 0x1f, 0x20, 0x30, 0x3c, 0x41, 0xff)))
exchange('binary logins where nobody has to',
         request(0x21, b'PLAIN', value=b'\0a\0b') + request(0x22, b'PLAIN', value=b'\0a\0b'),
         error(0x21, 0x81) + error(0x22, 0x81))
exchange('binary unknown statistics', request(STAT, b'nosuch'), error(STAT, 1))
exchange('binary get with extras closes', request(GET, b'a', b'1234'), error(GET, 4), closes=True)
exchange('binary set without extras closes', request(SET, b'a', b'', b'1'), error(SET, 4),
         closes=True)
exchange('binary incr without extras closes', request(INCR, b'a'), error(INCR, 4), closes=True)
exchange('binary get without a key closes', request(GET), error(GET, 4), closes=True)
exchange('binary key of 251 bytes closes', request(GET, LONG + b'k'), error(GET, 4), closes=True)
exchange('binary wrong magic closes', request(NOOP) + b'\x42' * 24, reply(NOOP), closes=True)
for size in (16 * 1024, 100 * 1024):
    exchange('binary value of %d bytes' % size,
             request(SET, b'a', FOREVER, b'v' * size) + request(GET, b'a') + request(GETK, b'a'),
             stored() + found(b'v' * size) + found(b'v' * size, GETK, key=b'a'),
             fragments=(None, 1000))
exchange('binary input ends in a header', request(NOOP) + request(NOOP)[:10], reply(NOOP),
         open_end=True)
exchange('binary input ends in a value',
         request(NOOP) + request(SET, b'a', FOREVER, b'value')[:-1], reply(NOOP), open_end=True)
