"""C sources as text: without comments and literals, and where their functions begin and end."""
import os
import re
import subprocess

COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
CRITERION = 'Test', 'ParameterizedTest', 'ParameterizedTestParameters'
ATTRIBUTE = re.compile(r'\b(?:__attribute__|_Alignas|alignas)\b\s*(?=\()')


class Source:
    """One file. `path` is relative to the tree's root, with slashes."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding='utf-8') as file:
            self.text = file.read()
        self.code = DIRECTIVE.sub(spaces, COMMENT_OR_LITERAL.sub(spaces, self.text))
        self.lines = self.text.splitlines()
        self.folder = os.path.dirname(path)

    def includes(self):
        """(the bracket, the file) of each #include."""
        return INCLUDE.findall(COMMENT_OR_LITERAL.sub(spaces_but_literals, self.text))

    def functions(self):
        """(name, first line, last line, static or not) of each function that is defined here."""
        return [self.function(head, opening) for head, opening in heads(self.code)]

    def function(self, head, opening):
        end = after_group(self.code, opening, '{}')
        words = without_groups(without_attributes(head))
        name = words[:words.index('(')].split()[-1].lstrip('*')
        if name in CRITERION:
            name = '_'.join(re.findall(r'\w+', head[head.index('('):])[:2])
        first = self.code.rindex(head, 0, opening) + len(head) - len(head.lstrip())
        return (name, self.line_of(first), self.line_of(end - 1),
                re.search(r'\bstatic\b', words) is not None)

    def line_of(self, index):
        return self.code.count('\n', 0, index) + 1


def spaces(match):
    return re.sub(r'[^\n]', ' ', match.group())


def spaces_but_literals(match):
    return match.group() if match.group()[0] in '"\'' else spaces(match)


def after_group(code, opening, brackets):
    """The index behind the bracket that closes the one at `opening`; the end where none does."""
    depth = 0
    for index in range(opening, len(code)):
        depth += (code[index] == brackets[0]) - (code[index] == brackets[1])
        if not depth:
            return index + 1
    return len(code)


def without_groups(text):
    """Each group of parentheses becomes a mere ()."""
    before = None
    while before != text:
        before, text = text, re.sub(r'\((?:[^()]|\(\))+\)', '()', text)
    return text


def without_attributes(text):
    while match := ATTRIBUTE.search(text):
        text = text[:match.start()] + ' ' + text[after_group(text, match.end(), '()'):]
    return text


def heads(code):
    """(text before, index of the opening brace) of each block at the top level that is a function's."""
    start = index = 0
    while index < len(code):
        if code[index] == ';':
            start = index + 1
        elif code[index] == '(':
            index = after_group(code, index, '()') - 1
        elif code[index] == '{':
            head = code[start:index]
            if is_function(head):
                yield head, index
            index = after_group(code, index, '{}') - 1
            start = index + 1
        index += 1


def is_function(head):
    """Neither a type nor an array's values."""
    words = without_groups(without_attributes(head))
    return '(' in words and '=' not in words


def sources(root, folders):
    """All C files below these folders, sorted by path."""
    paths = []
    for folder in folders:
        for where, below, names in os.walk(os.path.join(root, folder)):
            below.sort()
            paths += [os.path.relpath(os.path.join(where, name), root)
                      for name in sorted(names) if name.endswith(('.c', '.h'))]
    return [Source(root, path) for path in paths]


def circles(arrows):
    """The circles of a graph, {node: nodes it points to}: each the sorted nodes that reach each other."""
    reach = {node: reachable(arrows, node) for node in arrows}
    return sorted({tuple(sorted(other for other in reach[node] if node in reach.get(other, ())))
                   for node in arrows if node in reach[node]})


def reachable(arrows, node):
    found, todo = set(), list(arrows.get(node, ()))
    while todo:
        other = todo.pop()
        if other not in found:
            found.add(other)
            todo += arrows.get(other, ())
    return found


def symbols(build, folders):
    """The symbol tables of all object files in the static libraries of a build folder: (object, section,
    type letters, name) of each symbol. An object is named by its folder and source, `core/net/udp.c`."""
    libraries = [os.path.relpath(os.path.join(where, name), build)
                 for folder in folders for where, _, names in os.walk(os.path.join(build, folder))
                 for name in sorted(names) if name.endswith('.a')]
    if not libraries:
        return []
    listing = subprocess.run(['objdump', '-t'] + libraries, cwd=build, check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    return list(table(listing))


def table(listing):
    """What objdump -t says, as symbols() returns it."""
    folder = member = None
    for line in listing.splitlines():
        if line.startswith('In archive '):
            folder = os.path.dirname(line[len('In archive '):-1])
        elif ': ' in line and 'file format' in line:
            member = os.path.basename(line.split(':')[0])[:-len('.o')]
        elif match := re.match(r'[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+\s+(?:\.\w+ )?(\S+)$', line):
            yield '%s/%s' % (folder, member), match.group(2), match.group(1), match.group(3)
