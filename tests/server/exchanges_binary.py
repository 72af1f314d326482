"""The exchanges of the binary protocol; transcript.py tells how they are read."""
import struct

from exchanges import (LONG, UNASKED, exchange)


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


(GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK,
 GETKQ) = range(14)
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
             5: b'Not stored.', 6: b'Non-numeric server-side value for incr or decr', 0x81: b'Unknown command'}
    return reply(opcode, status, texts[status], **fields)


exchange('binary get miss', request(GET, b'a'), error(GET, 1))
exchange('binary set and get',
         request(SET, b'a', FOREVER, b'value') + request(GET, b'a', opaque=b'abcd'),
         stored() + found(b'value', opaque=b'abcd'))
exchange('binary getk, hit and miss',
         request(SET, b'a', FOREVER, b'value') + request(GETK, b'a') + request(GETK, b'none'),
         stored() + found(b'value', GETK, key=b'a') + reply(GETK, 1, key=b'none'))
exchange('binary quiet gets say hits alone',
         request(SET, b'a', FOREVER, b'1') + request(GETQ, b'none')
         + request(GETQ, b'a', opaque=b'0001')
         + request(GETKQ, b'none') + request(GETKQ, b'a', opaque=b'0002')
         + request(NOOP, opaque=b'0003'),
         stored() + found(b'1', GETQ, opaque=b'0001') + found(b'1', GETKQ, key=b'a', opaque=b'0002')
         + reply(NOOP, opaque=b'0003'))
exchange('binary setq and deleteq say errors alone',
         request(SETQ, b'a', FOREVER, b'1') + request(DELETEQ, b'a') + request(DELETEQ, b'a')
         + request(GET, b'a') + request(SETQ, b'a', FOREVER, b'2', cas=b'\0\0\0\0\0\0\0\7')
         + request(NOOP),
         error(DELETEQ, 1) + error(GET, 1) + error(SETQ, 1) + reply(NOOP))
exchange('binary add and replace',
         request(REPLACE, b'a', FOREVER, b'1') + request(ADD, b'a', FOREVER, b'2')
         + request(ADD, b'a', FOREVER, b'3') + request(REPLACE, b'a', bytes(8), b'4')
         + request(GET, b'a'),
         error(REPLACE, 1) + stored(ADD) + error(ADD, 2) + stored(REPLACE, b'<CAS..2>')
         + found(b'4', cas=b'<CAS..2>', extras=bytes(4)))
exchange('binary set with a CAS',
         request(SET, b'a', FOREVER, b'1', cas=b'\0\0\0\0\0\0\0\1')
         + request(SET, b'a', FOREVER, b'2'),
         error(SET, 1) + stored(),
         request(SET, b'a', FOREVER, b'3', cas=b'<CAS..1>')
         + request(SET, b'a', FOREVER, b'4', cas=b'<CAS..1>') + request(GET, b'a'),
         stored(cas=b'<CAS..2>') + error(SET, 2) + found(b'3', cas=b'<CAS..2>'))
exchange('binary append to a missing key, with and without a CAS',
         request(0x0e, b'a', b'', b'1') + request(0x0f, b'a', b'', b'1', cas=b'\0\0\0\0\0\0\0\1'),
         error(0x0e, 5) + error(0x0f, 5))
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
exchange('binary incr with expiry 0xffffffff does not create',
         request(INCR, b'n', number(5, 100, 0xffffffff)) + request(GET, b'n'),
         error(INCR, 1) + error(GET, 1))
exchange('binary incr of what is no number',
         request(SET, b'n', FOREVER, b'hi') + request(INCR, b'n', number(1)),
         stored() + error(INCR, 6))
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
exchange('binary unknown opcode', request(0x7e) + request(NOOP), error(0x7e, 0x81) + reply(NOOP))
# memcached swallows the body twice, a fault not to copy; so it is not asked.
exchange('binary unknown opcode with a body',
         request(0x7e, b'key', b'1234', b'value') + request(NOOP),
         error(0x7e, 0x81) + reply(NOOP), old=UNASKED)
exchange('binary unknown statistics', request(STAT, b'nosuch'), error(STAT, 1))
exchange('binary get with extras closes', request(GET, b'a', b'1234'), error(GET, 4), closes=True)
exchange('binary set without extras closes', request(SET, b'a', b'', b'1'), error(SET, 4),
         closes=True)
exchange('binary incr without extras closes', request(INCR, b'a'), error(INCR, 4), closes=True)
exchange('binary get without a key closes', request(GET), error(GET, 4), closes=True)
exchange('binary key of 251 bytes closes', request(GET, LONG + b'k'), error(GET, 4), closes=True)
exchange('binary wrong magic closes', request(NOOP) + b'\x42' * 24, reply(NOOP), closes=True)
exchange('binary value that is too large is swallowed and drops the old one',
         request(SET, b'a', FOREVER, b'1') + request(SET, b'a', FOREVER, b'x' * 1048577)
         + request(GET, b'a'),
         stored() + error(SET, 3) + error(GET, 1), fragments=(None, 10000))
for size in (16 * 1024, 100 * 1024):
    exchange('binary value of %d bytes' % size,
             request(SET, b'a', FOREVER, b'v' * size) + request(GET, b'a') + request(GETK, b'a'),
             stored() + found(b'v' * size) + found(b'v' * size, GETK, key=b'a'),
             fragments=(None, 1000))
exchange('binary input ends in a header', request(NOOP) + request(NOOP)[:10], reply(NOOP),
         open_end=True)
exchange('binary input ends in a value',
         request(NOOP) + request(SET, b'a', FOREVER, b'value')[:-1], reply(NOOP), open_end=True)
