"""The house rules as functions. Each takes what it looks at and returns complaints, (subject, text): the
subject is what an exception would name, a file or `file:function`."""
import os
import re

from source import after_group, circles

COLUMNS, FUNCTION_LINES, FILE_LINES = 100, 70, 500

# Who may include whom in core, from the lowest floor up; each may include proto and store beside.
BASE, SHARD = {'base'}, {'base', 'mesh', 'stats'}
PIPELINE = SHARD | {'shard'}
NET = PIPELINE | {'pipeline', 'io'}
CORE = {'base': set(), 'io': BASE, 'mesh': BASE, 'stats': BASE, 'shard': SHARD, 'pipeline': PIPELINE, 'net': NET,
        'server': NET | {'net'}}
# Of proto's folders: the leaves know none of the protocols; text's table of commands names those of meta.
PROTO = {'proto/text': {'proto', 'proto/meta'}, 'proto/meta': {'proto'}, 'proto/binary': {'proto'}}
# Headers of libraries, and the one folder that may know each.
LIBRARIES = {'liburing.h': 'core/io', 'systemd/': 'core/server', 'sasl/': 'core/server',
             'curl/': 'core/server', 'jansson.h': 'core/server', 'openssl/': 'core/net', 'sys/sdt.h': 'core/base'}
# What the build makes.
GENERATED = {'core/server/version.h'}
LIBC = re.compile(r'(?:std\w+|string|strings|limits|errno|ctype|assert|math|time|inttypes|unistd|fcntl|'
                  r'sys/(?:mman|stat|types|uio|random)|linux/mman|endian|byteswap|emmintrin|immintrin)\.h$')


def may_include(folder, other):
    """May a file of this folder include one of that?"""
    if folder == other:
        return True
    if folder.startswith('core'):
        if not other.startswith('core'):
            return other.split('/')[0] in ('proto', 'store')
        return other[len('core/'):] in CORE.get(folder[len('core/'):], ())
    if folder.startswith('proto'):
        return other in PROTO.get(folder, ())
    return False


def arrows(files):
    """{folder: folders that its files include}."""
    result = {}
    for file in files:
        others = result.setdefault(file.folder, set())
        others |= {os.path.dirname(name) for bracket, name in file.includes() if bracket == '"'}
        others.discard(file.folder)
    return result


def check_arrows(files):
    """An include that the table of folders doesn't have."""
    known = {file.path for file in files} | GENERATED
    for file in files:
        for bracket, name in file.includes():
            if bracket == '"' and name not in known:
                yield file.path, 'includes "%s", which is no file of core, proto or store' % name
            elif bracket == '"' and not allowed(file, os.path.dirname(name)):
                yield file.path, 'includes "%s": %s may not know %s' % (
                    name, file.folder, os.path.dirname(name))


def allowed(file, other):
    # The two functions between bytes and requests choose a protocol, so they know all of them.
    if file.path in ('proto/parser.c', 'proto/reply.c', 'proto/name.c'):
        return other.startswith('proto')
    return may_include(file.folder, other)


def check_libraries(files):
    """A header of a library outside of the one folder that may know it; in proto and store any but libc's."""
    for file in files:
        for bracket, name in file.includes():
            if bracket == '"':
                continue
            home = next((home for start, home in LIBRARIES.items() if name.startswith(start)), None)
            if home and file.folder != home:
                yield file.path, 'includes <%s>, which is for %s alone' % (name, home)
            elif not home and not file.folder.startswith('core') and not LIBC.match(name):
                yield file.path, 'includes <%s>: %s knows libc alone' % (name, file.folder)


def check_include_circles(files):
    """Files that include each other, directly or by way of others."""
    graph = {file.path: {name for bracket, name in file.includes() if bracket == '"'} for file in files}
    for circle in circles(graph):
        yield ' '.join(circle), 'include each other'


def check_call_circles(symbols):
    """Object files that need each other's functions."""
    home = {name: file for file, section, letters, name in symbols
            if section != '*UND*' and letters[0] in 'gu!'}
    graph = {}
    for file, section, _, name in symbols:
        others = graph.setdefault(file, set())
        if section == '*UND*' and home.get(name, file) != file:
            others.add(home[name])
    for circle in circles(graph):
        yield ' '.join(circle), 'call each other'


def check_statics(symbols):
    """Variables that live as long as the program and can change."""
    for file, section, letters, name in symbols:
        is_object = letters[6] == 'O' or section == '*COM*' or (
            section in ('.tdata', '.tbss') and letters[5] != 'd')
        mutable = section.startswith(('.data', '.bss', '.tdata', '.tbss')) or section == '*COM*'
        if is_object and mutable and not section.startswith('.data.rel.ro'):
            yield '%s:%s' % (file, name), 'is a variable in %s' % section


def check_thread_locals(files):
    for file in files:
        for match in re.finditer(r'\b(?:__thread|_Thread_local|thread_local)\b\s*([^;=]*)', file.code):
            name = (re.findall(r'\w+', match.group(1)) or ['?'])[-1]
            yield '%s:%s' % (file.path, name), 'is thread-local'


def check_columns(files):
    for file in files:
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMNS:
                yield file.path, 'line %d has %d columns' % (number, len(line))


def check_function_lengths(files):
    for file in files:
        for name, first, last, _ in file.functions():
            if last - first + 1 > FUNCTION_LINES:
                yield '%s:%s' % (file.path, name), 'has %d lines' % (last - first + 1)


def check_file_lengths(files):
    for file in files:
        if len(file.lines) > FILE_LINES:
            yield file.path, 'has %d lines' % len(file.lines)


def check_names(files):
    """Static functions of one word say nothing in a backtrace: their module's name belongs in front."""
    for file in files:
        for name, first, _, static in file.functions():
            if static and '_' not in name:
                yield '%s:%s' % (file.path, name), 'line %d: a static function of one word' % first


def complaints_at(file, pattern, text):
    for match in re.finditer(pattern, file.code):
        yield file.path, 'line %d: %s' % (file.line_of(match.start()), text)


def check_sizeof(files):
    for file in files:
        yield from complaints_at(file, r'\bsizeof\b(?!\()', 'sizeof without parentheses right behind')


def check_null(files):
    for file in files:
        yield from complaints_at(file, r'[=!]=\s*NULL\b|\bNULL\s*[=!]=', 'a comparison with NULL')


def check_greater(files):
    """criterion's gt() is true of equal numbers (findings/criterion-gt.sh)."""
    for file in files:
        yield from complaints_at(file, r'(?<!define )\bgt\(', 'gt() is true of equal numbers: use lt()')


def check_braces(files):
    for file in files:
        for match in re.finditer(r'\b(if|for|while|switch|else|do)\b', file.code):
            word, behind = match.group(1), match.end()
            if word not in ('else', 'do'):
                opening = file.code.find('(', behind)
                behind = after_group(file.code, opening, '()') if opening >= 0 else behind
            rest = file.code[behind:].lstrip()
            is_end = word == 'while' and rest.startswith(';') and \
                file.code[:match.start()].rstrip().endswith('}')
            is_chain = word == 'else' and re.match(r'if\b', rest)
            if not rest.startswith('{') and not is_end and not is_chain:
                yield file.path, 'line %d: %s without braces' % (file.line_of(match.start()), word)
