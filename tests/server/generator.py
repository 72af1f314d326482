"""Seeded commands for differential.py, valid and broken, of the three protocols.

Few keys, so that commands meet: some for anything, some for numbers alone. (memcached changes a
number in place or in a copy, depending on whether a reply still holds it, so its length and what the
copy loses can't be compared: numbers are compared without the spaces behind them, and nothing else
is asked of their keys.) <cas:KEY> stands for the CAS value that the server has last shown of a key.

Times are 0, far or past, never near, so that no second passing changes an answer.

Numbers with signs, blanks and zeros, and those that are too wide, are read as memcached 1.6.45 does.
Where the other server is older it is sent, in their place, what every version reads so.

What is not generated, since memcached is at odds with itself or with its later versions there:
  flags of 2^32 and over (cut silently); values made of blanks (incr reads on behind them)
  a cas without its token (its data is swallowed or not)
  a length that is none together with noreply (silenced or not)
  keys that are too long on a get line (an empty line too many)
  binary appends with a CAS to keys that are not there
  mg with b and N (the key comes back as it is), with T-1 and t (four billion seconds are left), with
  N, T and t (what is told isn't what is kept)
  ma with q and N (not quiet in 1.6.18), with T (lost when the number gets longer, and when there is
  an N too the last one counts)
  k of keys in base64 (an append, x or ma forgets that they were)
"""
import random
import struct

import binary

KEYS = [b'a', b'b', b'c', b'd']
NUMBERS = [b'n1', b'n2', b'n3']
LONG = b'k' * 250
EVERY_KEY = KEYS + NUMBERS + [LONG, b'noreply', b'\xc3\xbc', b'missing', b'foo']  # of text and meta
FAR = 1000  # seconds
VALUES = [b'', b'1', b'hi', b'END\r\n', b'get a\r\n', b'\x00\xff\x80', b'\r\nq', b'x' * 100, b'y' * 3000,
          b'z' * 20000]
NUMERALS = [b'0', b'5', b'10', b'99', b'100', b'007', b'18446744073709551615', b'18446744073709551614',
            b'12345678901234567890']
NO_NUMBERS = [b'abc', b'-1', b'1x', b'', b'18446744073709551616', b'5x', b'0x10']
EXPTIMES = [b'0', b'0', b'0', b'1000', b'-1', b'2592000', b'2592001', b'2147483647']
BLANKS = [b'\t', b'\v', b'\f', b'\t\t']
# Exptimes beyond 2038, and what a set reads: their lower 32 bits; other commands refuse them.
WIDE = [(b'2147483648', b'-1'), (b'4102444800', b'-1'), (b'4294967294', b'-1'), (b'4294967295', b'-1'),
        (b'4294967296', b'0'), (b'4294968296', b'1000'), (b'9223372036854775807', b'-1'),
        (b'-4294966296', b'1000'), (b'9223372036854775808', b'abc'), (b'-9223372036854775809', b'abc')]
SET_CAS = [b'4000000000001', b'4000000000002', b'4000000000003']  # for meta's E


class Other:
    """What the other server knows."""

    modern = True  # meta's E, mg C, md x, ms s and its N (1.6.45)
    refuses_delete_times = False  # 1.6.18, as we do; 1.6.45 deletes


class Command:
    """What is sent, whose item it asks for, and how the reply is to be read."""

    def __init__(self, sent, key=b'', closes=False, broken=False, older=None):
        self.sent, self.key = sent, key
        self.older = older or sent  # what memcached before 1.6.45 is sent in its place
        self.closes = closes  # the server ends the connection
        self.broken = broken  # its data isn't as long as it says, so the rest may be taken for anything


def chance(rng, percent):
    return rng.random() * 100 < percent


def text_key(rng):
    return rng.choice([LONG, b'noreply', b'\xc3\xbc', b'missing']) if chance(rng, 5) else rng.choice(KEYS)


def noreply(rng):
    return b' noreply' if chance(rng, 10) else b''


def newline(rng):
    return rng.choice([b'\n', b' \r\n', b'  \r\n']) if chance(rng, 4) else b'\r\n'


def text(rng):
    """A command of the text protocol."""
    kinds = (text_store,) * 8 + (text_get,) * 6 + (text_number,) * 6 + (text_touch, text_delete) * 2 + (
        text_mistake, text_mistake, text_bad_store, text_rare, odd_set, odd_set, odd_text, odd_text)
    return rng.choice(kinds)(rng)


def text_store(rng):
    verb = rng.choice([b'set'] * 4 + [b'add', b'replace', b'append', b'prepend', b'cas', b'cas'])
    key, value = text_key(rng), rng.choice(VALUES)
    flags = rng.choice([b'0', b'7', b'4294967295'])
    token = b' ' + rng.choice([b'<cas:%s>' % key] * 4 + [b'1', b'0']) if verb == b'cas' else b''
    return Command(b'%s %s %s %s %d%s%s%s%s\r\n' % (verb, key, flags, rng.choice(EXPTIMES), len(value),
                                                    token, noreply(rng), newline(rng), value), key)


def text_get(rng):
    keys = [text_key(rng) for _ in range(rng.choice([1, 1, 1, 2, 5, 20]))]
    verb = rng.choice([b'get', b'get', b'gets', b'gets', b'gat', b'gats'])
    if verb.startswith(b'gat'):
        keys.insert(0, rng.choice([b'0', b'1000', b'-1', b'abc']))
    return Command(verb + b' ' + rng.choice([b' ', b' ', b'  ']).join(keys) + newline(rng))


def text_number(rng):
    key = rng.choice(NUMBERS)
    if chance(rng, 25):
        value = rng.choice(NUMERALS + [b'hi', b'5 ', b''])
        return Command(b'set %s 0 0 %d\r\n%s\r\n' % (key, len(value), value), key)
    if chance(rng, 25):
        return Command(b'get %s\r\n' % key, key)
    delta = rng.choice(NUMERALS if chance(rng, 85) else NO_NUMBERS[:2] + NO_NUMBERS[4:])
    return Command(b'%s %s %s%s%s' % (rng.choice([b'incr', b'decr']), key, delta, noreply(rng),
                                      newline(rng)), key)


def text_touch(rng):
    key = text_key(rng)
    exptime = rng.choice(EXPTIMES + [b'abc', b'1x'])
    return Command(b'touch %s %s%s\r\n' % (key, exptime, noreply(rng)), key)


def text_delete(rng):
    key = rng.choice(KEYS + NUMBERS + [b'missing'])
    words = [b'', b'', b'', b' noreply', b' 0', b' 0 noreply'] + [b' 10'] * Other.refuses_delete_times
    return Command(b'delete %s%s\r\n' % (key, rng.choice(words)), key)


def text_mistake(rng):
    """Lines that are no command; none stores anything."""
    return Command(rng.choice([
        b'\r\n', b'\n', b' \n', b'ge\r\n', b'a\r\n', b'foo bar\r\n', b'foo noreply\r\n', b'GET a\r\n',
        b'  get a\r\n', b'get\r\n', b'gets \r\n', b'gat\r\n', b'gat 0\r\n', b'gats 0\r\n', b'touch\r\n',
        b'touch a\r\n', b'incr\r\n', b'incr a\r\n', b'delete\r\n', b'set\r\n', b'set a\r\n',
        b'set a 0 0\r\n', b'cas\r\n', b'verbosity\r\n', b'getx a\r\n', b'versionx\r\n', b'\xff\r\n',
        b'get\ta\r\n', b'GET / x\r\n', b'touch %s 0\r\n' % (LONG + b'k'), b'set a 0 0 abc\r\n',
        b'set a 0 0 -1\r\n', b'add a 0 0 4294967295\r\n', b'set a 0 0 2147483647\r\n',
        b'incr %s 1\r\n' % (LONG + b'k'), b'delete %s\r\n' % (LONG + b'k')]))


def odd_number(rng, digits, kind):
    """These digits, oddly written, and as every version reads it, abc if it is refused. Kinds: set (its
    flags and exptime), i32 (with a minus sign), u32, u64."""
    is_set, blank = kind == 'set', rng.choice(BLANKS)
    written, taken = rng.choice([
        (b'+' + digits, is_set), (blank + digits, is_set), (blank + b'+' + digits, is_set),
        (digits + blank, is_set), (digits + blank + b'x', is_set), (digits + b'\0x', is_set),
        (b'\r' + digits, is_set), (digits.rjust(11, b'0'), True),
        (digits.rjust(12, b'0'), kind in ('set', 'u64')),
        (digits.rjust(22, b'0'), kind in ('set', 'u64')), (digits.rjust(23, b'0'), is_set),
        (b'+', False), (b'+-1', False), (blank + b'x', False),
        (b'-', kind == 'i32'), (b'-0', kind in ('set', 'i32'))])
    return written, (b'0' if written[:1] == b'-' else digits) if taken else b'abc'


def odd_command(form, number, key=b'', data=b''):
    """A command with an odd number, and with the plain one for older servers. Data that a refused
    command leaves behind may be taken for commands."""
    written, plain = number
    return Command(form % written + data, key, broken=bool(data) and plain == b'abc',
                   older=form % plain + data)


def odd_set(rng):
    """A set with odd flags or an odd exptime; one of blanks alone is what the next word is."""
    key, value = rng.choice(KEYS), rng.choice([b'', b'y' * 3000])
    data = b'%d\r\n%s\r\n' % (len(value), value)
    verb = rng.choice([b'set', b'set', b'add', b'replace'])
    flags = odd_number(rng, rng.choice([b'0', b'7']), 'set')
    exptime = odd_number(rng, rng.choice([b'0', b'1000']), 'set')
    form, number = rng.choice([
        (b' %s 0 ', flags), (b' %s 0 ', (b'\t', b'0')), (b' 0 %s ', exptime), (b' 0 %s ', exptime),
        (b' 0 %s ', rng.choice(WIDE)), (b' 0 %s ', (rng.choice(BLANKS), b'%d' % len(value)))])
    return odd_command(verb + b' ' + key + form, number, key, data)


def odd_text(rng):
    """The other commands of text with an odd number."""
    key, time = rng.choice(KEYS), rng.choice([b'0', b'1000'])
    form, digits, kind = rng.choice([
        (b'incr %s %%s\r\n' % rng.choice(NUMBERS), b'5', 'u64'),
        (b'decr %s %%s\r\n' % rng.choice(NUMBERS), b'5', 'u64'), (b'touch %s %%s\r\n' % key, time, 'i32'),
        (b'gat %%s %s\r\n' % key, time, 'i32'), (b'gats %%s %s\r\n' % key, time, 'i32'),
        (b'flush_all %s\r\n', b'0', 'i32'), (b'verbosity %s\r\n', b'0', 'u32'),
        (b'cache_memlimit %s\r\n', b'64', 'u32'), (b'lru_crawler sleep %s\r\n', b'100', 'u32'),
        (b'set %s 0 0 %%s\r\n' % key, b'0', 'i32'), (b'cas %s 0 0 2 %%s\r\n' % key, b'1', 'u64')])
    number = odd_number(rng, digits, kind)
    if kind == 'i32' and not form.startswith(b'set') and chance(rng, 20):
        number = rng.choice(WIDE)[0], b'abc'
    if form.startswith(b'set'):
        return odd_command(form, number, key, b'' if number[1] == b'abc' else b'\r\n')
    return odd_command(form, number, key, b'hi\r\n' if form.startswith(b'cas') else b'')


def odd_meta(rng):
    """Meta commands with an odd number."""
    key, number_key, time = rng.choice(KEYS), rng.choice(NUMBERS), rng.choice([b'0', b'1000'])
    form, digits, kind, data = rng.choice([
        (b'mg %s v T%%s\r\n' % key, time, 'i32', b''), (b'mg %s v N%%s\r\n' % key, time, 'i32', b''),
        (b'mg %s v R%%s\r\n' % key, time, 'i32', b''), (b'md %s I T%%s\r\n' % key, time, 'i32', b''),
        (b'md %s C%%s\r\n' % key, b'1', 'u64', b''), (b'ma %s v D%%s\r\n' % number_key, b'5', 'u64', b''),
        (b'ma %s N0 v J%%s\r\n' % number_key, b'5', 'u64', b''),
        (b'ms %s 2 T%%s\r\n' % key, time, 'i32', b'hi\r\n'),
        (b'ms %s 2 F%%s\r\n' % key, b'7', 'u32', b'hi\r\n'), (b'ms %s %%s\r\n' % key, b'0', 'i32', None)])
    number = odd_number(rng, digits, kind)
    if kind == 'i32' and data is not None and chance(rng, 20):
        number = rng.choice(WIDE)[0], b'abc'
    if data is None:
        data = b'' if number[1] == b'abc' else b'\r\n'
    return odd_command(form, number, key, data)


def text_bad_store(rng):
    """A set whose data is not as it says, or that is refused with its data."""
    key = rng.choice(KEYS)
    if chance(rng, 40):
        words = rng.choice([b'%s abc 0', b'%s -1 0', b'%s 0 abc', LONG + b'k%.0s 0 0'])
        return Command(b'set ' + words % key + b' 2%s\r\nhi\r\n' % noreply(rng), key, broken=True)
    value = rng.choice([b'hi', b'hello', b'x' * 50])
    length = len(value) + rng.choice([-2, -1, 1, 2, 3])
    return Command(b'set %s 0 0 %d\r\n%s\r\n' % (key, length, value), key, broken=True)


def text_rare(rng):
    large = b'L' * 1100000
    return Command(*rng.choice([
        (b'flush_all\r\n',), (b'flush_all 0\r\n',), (b'flush_all 0 noreply\r\n',),
        (b'flush_all noreply\r\n',), (b'flush_all abc\r\n',), (b'verbosity 0\r\n',),
        (b'verbosity 0 noreply\r\n',), (b'set a 0 0 %d\r\n%s\r\n' % (len(large), large), b'a'),
        (b'set b 0 0 %d noreply\r\n%s\r\n' % (len(large), large), b'b'),
        (b'quit\r\n', b'', True), (b'GET / HTTP/1.1\r\n', b'', True)]))


def meta(rng):
    """A command of the meta protocol, or now and then of the text protocol."""
    kinds = (meta_get,) * 6 + (meta_set,) * 6 + (meta_delete,) * 3 + (meta_arithmetic,) * 5 + (
        meta_mistake, meta_other, odd_meta, odd_meta)
    return rng.choice(kinds)(rng)


def meta_key(rng, flags):
    """A key, at times in base64, and then the flag for it."""
    if chance(rng, 25):
        if b'k' in flags:
            flags.remove(b'k')
        if chance(rng, 30):
            return b'foo'
        flags.append(b'b')
        return rng.choice([b'Zm9v', b'YmFy', b'AAH/IA0K'])
    return rng.choice(KEYS + [LONG, b'missing'])


def meta_line(rng, verb, key, flags):
    rng.shuffle(flags)
    space = rng.choice([b' ', b' ', b' ', b'  '])
    return space.join([verb, key] + flags) + newline(rng)


def common_flags(rng):
    flags = [flag for flag in (b'k', b'q', b'Oabc', b'P', b'Lpath') if chance(rng, 12)]
    return flags


def numeric(rng, letter, values):
    """A flag with a number, seldom with something else."""
    return letter + (rng.choice(values) if chance(rng, 96) else rng.choice([b'abc', b'', b'1x']))


def token_flags(rng, key):
    flags = []
    if chance(rng, 15):
        flags.append(numeric(rng, b'C', [b'<cas:%s>' % key] * 3 + [b'1', b'0']))
    if Other.modern and chance(rng, 6):
        flags.append(numeric(rng, b'E', SET_CAS))
    return flags


def meta_get(rng):
    flags = common_flags(rng) + [flag for flag in (b'c', b'f', b'h', b's', b't', b'v', b'v') if chance(rng, 30)]
    key = meta_key(rng, flags)
    flags += [flag for flag in token_flags(rng, key) if Other.modern]
    for letter, values, percent in ((b'N', [b'0', b'1000'], 15), (b'R', [b'0', b'30', b'2000'], 10),
                                    (b'T', [b'0', b'1000', b'-1'], 10)):
        if chance(rng, percent) and not (letter == b'N' and b'b' in flags):
            flags.append(numeric(rng, letter, values))
    letters = {flag[:1] for flag in flags}
    if b't' in flags and (b'T-1' in flags or {b'N', b'T'} <= letters):
        flags.remove(b't')
    if len(set(flag[:1] for flag in flags)) == len(flags) and chance(rng, 10):
        flags.append(b'u')
    return Command(meta_line(rng, b'mg', key, flags), key)


def meta_set(rng):
    flags = common_flags(rng) + [flag for flag in (b'c', b's' if Other.modern else b'c') if chance(rng, 20)]
    key = meta_key(rng, flags)
    flags += token_flags(rng, key)
    mode = rng.choice([b'', b'', b'', b'ME', b'MA', b'MP', b'MR', b'MS', b'MX' if chance(rng, 20) else b'MS'])
    if mode:
        flags.append(mode)
        if Other.modern and mode in (b'MA', b'MP') and chance(rng, 30):
            flags.append(numeric(rng, b'N', [b'0', b'1000']))
    if chance(rng, 10) and not any(flag[:1] == b'E' for flag in flags):
        flags.append(b'I')
    if chance(rng, 25):
        flags.append(numeric(rng, b'F', [b'0', b'7', b'4294967295']))
    if chance(rng, 25):
        flags.append(numeric(rng, b'T', [b'0', b'1000', b'-1']))
    value = rng.choice(VALUES)
    line = meta_line(rng, b'ms', key + b' %d' % len(value), flags)
    return Command(line + value + b'\r\n', key)


def meta_delete(rng):
    flags = common_flags(rng)
    key = meta_key(rng, flags)
    flags += token_flags(rng, key)
    if chance(rng, 50):
        flags.append(b'I')
        if chance(rng, 50):
            flags.append(numeric(rng, b'T', [b'0', b'1000']))
    if Other.modern and chance(rng, 15):
        flags.append(b'x')
    return Command(meta_line(rng, b'md', key, flags), key)


def meta_arithmetic(rng):
    flags = common_flags(rng) + [flag for flag in (b'c', b't', b'v') if chance(rng, 30)]
    key = rng.choice(NUMBERS)
    if chance(rng, 20):
        value = rng.choice(NUMERALS)
        return Command(b'ms %s %d\r\n%s\r\n' % (key, len(value), value), key)
    flags += token_flags(rng, key)
    for letter, values, percent in ((b'N', [b'0', b'1000'], 30), (b'J', NUMERALS, 20),
                                    (b'D', NUMERALS, 40),
                                    (b'M', [b'I', b'D', b'+', b'-'], 40)):
        if chance(rng, percent) and (Other.modern or letter != b'N' or b'q' not in flags):
            flags.append(numeric(rng, letter, values))
    return Command(meta_line(rng, b'ma', key, flags), key)


def meta_mistake(rng):
    if chance(rng, 10):
        return Command(rng.choice([b'ms %s 2\r\nhi\r\n' % (LONG + b'k'), b'ms %%% 2 b\r\nhi\r\n']), broken=True)
    return Command(rng.choice([
        b'mg\r\n', b'md\r\n', b'ma\r\n', b'ms\r\n', b'mn\r\n', b'mn x\r\n', b'mx a\r\n', b'm\r\n', b'MG a\r\n',
        b'mg a v v\r\n', b'mg a Z\r\n', b'ma a m\r\n', b'ma a v v\r\n', b'md a m\r\n', b'ms a 2 c c\r\nhi\r\n',
        b'ms a 2 m\r\nhi\r\n', b'mg nope O%s\r\n' % (b'o' * 31), b'mg nope O%s\r\n' % (b'o' * 32), b'ms a\r\n',
        b'ms a -1\r\n', b'ms a abc\r\n', b'mg %%% b v\r\n', b'me nope\r\n',
        b'mg %s\r\n' % (LONG + b'k'), b'me\r\n', b'mnx\r\n']))


def meta_other(rng):
    """The other protocol on the same items."""
    key = rng.choice(KEYS + [b'foo'])
    return Command(rng.choice([b'get %s\r\n', b'gets %s\r\n', b'touch %s 1000\r\n', b'delete %s\r\n',
                               b'set %s 5 1000 2\r\nho\r\n']) % key, key)


def binary_command(rng):
    """A request of the binary protocol."""
    kinds = (binary_get,) * 5 + (binary_store,) * 7 + (binary_number,) * 4 + (
        binary_touch, binary_touch, binary_delete, binary_rare, binary_mistake)
    return rng.choice(kinds)(rng)


def packet(rng, opcode, key=b'', extras=b'', value=b'', cas=b'', closes=False):
    sent = binary.request(opcode, key, extras, value, struct.pack('>I', rng.getrandbits(31)))
    return Command(sent[:16] + cas + sent[24:] if cas else sent, key, closes)


def binary_key(rng):
    return rng.choice([LONG, b'with space', b'\r\n', b'\0']) if chance(rng, 8) else rng.choice(KEYS)


def binary_cas(rng, key):
    return rng.choice([b'<cas:%s>' % key, b'\0' * 7 + b'\1']) if chance(rng, 25) else b''


def binary_get(rng):
    return packet(rng, rng.choice([binary.GET, binary.GETQ, binary.GETK, binary.GETKQ]), binary_key(rng))


def binary_store(rng):
    opcode, key, value = rng.randrange(8), binary_key(rng), rng.choice(VALUES)
    if opcode >= 6:  # append, prepend
        opcode = rng.choice([binary.APPEND, binary.PREPEND, 0x19, 0x1a])
        return packet(rng, opcode, key, b'', value)
    extras = struct.pack('>II', rng.choice([0, 7, 0xffffffff]),
                         rng.choice([0, 0, 0, FAR, 2592001, 1 << 31, 0xffffffff]))
    return packet(rng, (1, 2, 3, 0x11, 0x12, 0x13)[opcode], key, extras, value, binary_cas(rng, key))


def binary_number(rng):
    key = rng.choice(NUMBERS)
    if chance(rng, 20):
        return packet(rng, binary.SET, key, bytes(8), rng.choice(NUMERALS + [b'hi', b'']))
    if chance(rng, 20):
        return packet(rng, binary.GET, key)
    values = [0, 1, 5, 100, 1 << 32, (1 << 64) - 1, (1 << 64) - 2]
    extras = binary.number(rng.choice(values), rng.choice(values),
                           rng.choice([0, 0, FAR, 1 << 31, 0xffffffff, 0xffffffff]))
    return packet(rng, rng.choice([5, 6, 0x15, 0x16]), key, extras)


def binary_touch(rng):
    extras = struct.pack('>I', rng.choice([0, FAR, 2592001, 1 << 31, 0xffffffff]))
    return packet(rng, rng.choice([0x1c, 0x1d, 0x1e, 0x23, 0x24]), binary_key(rng), extras)


def binary_delete(rng):
    key = binary_key(rng)
    return packet(rng, rng.choice([4, 0x14]), key, cas=binary_cas(rng, key))


def binary_rare(rng):
    if chance(rng, 70):
        opcode = rng.choice([binary.NOOP, 8, 0x18, 0x7e, 0x1b, 0x1f, 0x40, 0xff])
        return packet(rng, opcode, b'', rng.choice([b'', bytes(4)]) if opcode in (8, 0x18) else b'')
    if chance(rng, 50):
        return packet(rng, rng.choice([7, 0x17]), closes=True)
    key = rng.choice(KEYS)
    return packet(rng, rng.choice([1, 0x11]), key, bytes(8), b'L' * 1100000)


def binary_mistake(rng):
    """Requests that are malformed: an error, and the end of the connection."""
    key = rng.choice(KEYS)
    opcode, sent_key, extras = rng.choice([
        (binary.GET, b'', b''), (binary.GET, key, b'1234'), (binary.SET, key, b''), (binary.SET, b'', bytes(8)),
        (binary.INCR, key, b''), (binary.INCR, key, bytes(8)), (binary.DELETE, b'', b''),
        (binary.DELETE, key, bytes(4)), (binary.GETK, b'', b''), (binary.TOUCH, key, b''),
        (binary.GET, LONG + b'k', b''), (binary.NOOP, key, b''), (binary.VERSION, key, b'')])
    return packet(rng, opcode, sent_key, extras, closes=True)


def commands(protocol, seed, count):
    """The commands of a seed, in their order."""
    rng = random.Random('%s %s' % (protocol, seed))
    make = {'text': text, 'meta': meta, 'binary': binary_command}[protocol]
    return [make(rng) for _ in range(count)]
