"""The names of system calls, for C: call_names.py OUTPUT COMPILER…, which is asked for those of its processor."""
import re
import subprocess
import sys

macros = subprocess.run(sys.argv[2:] + ['-E', '-dM', '-x', 'c', '-'], input='#include <asm/unistd.h>\n', text=True,
                        stdout=subprocess.PIPE, check=True).stdout
values = dict(re.findall(r'^#define __NR(\w+) (\w+)$', macros, re.MULTILINE))
# Some stand for another name: __NR_mmap for __NR3264_mmap.
names = [(name[1:], values.get(value.removeprefix('__NR'), value)) for name, value in values.items() if name[0] == '_']
names = [pair for pair in names if pair[1].isdigit()]
if not names:
    sys.exit('the compiler knows no system call')
with open(sys.argv[1], 'w', encoding='ascii') as output:
    output.write('#include "core/server/sandbox_calls.h"\n\nconst char *const sandbox_call_names[] = {\n')
    for name, number in sorted(names, key=lambda pair: int(pair[1])):
        output.write('    [%s] = "%s",\n' % (number, name))
    output.write('};\n\nconst unsigned sandbox_call_count = sizeof(sandbox_call_names) / '
                 'sizeof(*sandbox_call_names);\n')
