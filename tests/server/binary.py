"""Requests and replies of the binary protocol, as the tables and generators write them."""
import struct

(GET, SET, ADD, REPLACE, DELETE, INCR, DECR, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK,
 GETKQ) = range(14)
APPEND, PREPEND, STAT, SETQ = range(0x0e, 0x12)
DELETEQ, TOUCH, GAT = 0x14, 0x1c, 0x1d
SASL_LIST, SASL_AUTH, SASL_STEP = 0x20, 0x21, 0x22
FLAGS = b'\xde\xad\xbe\xef'
FOREVER = FLAGS + bytes(4)


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


def number(delta, initial=0, expiry=0):
    """The extras of incr and decr."""
    return struct.pack('>QQI', delta, initial, expiry)


def stored(opcode=SET, cas=b'<CAS..1>', **fields):
    return reply(opcode, cas=cas, **fields)


def found(value, opcode=GET, cas=b'<CAS..1>', extras=FLAGS, **fields):
    return reply(opcode, value=value, extras=extras, cas=cas, **fields)


def error(opcode, status, **fields):
    texts = {1: b'Not found', 2: b'Data exists for key.', 3: b'Too large.', 4: b'Invalid arguments',
             5: b'Not stored.', 6: b'Non-numeric server-side value for incr or decr', 0x20: b'Auth failure.',
             0x81: b'Unknown command'}
    return reply(opcode, status, texts[status], **fields)
