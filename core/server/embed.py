"""Makes a C file of the live page: its bytes, and a policy that names its style and script by their hashes."""
import base64
import hashlib
import re
import sys


def hashes(page, tag):
    """The sources of Content-Security-Policy for what stands between <tag> and </tag>."""
    found = re.findall('<%s>(.*?)</%s>' % (tag, tag), page, re.DOTALL)
    if not found:
        sys.exit('the page has no <%s>' % tag)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
    return ' '.join("'sha256-%s'" % digest for digest in digests)


def main():
    with open(sys.argv[1], encoding='utf-8') as source:
        page = source.read()
    policy = ("default-src 'none'; style-src %s; script-src %s; connect-src 'self'; img-src data:; base-uri 'none'; "
              "form-action 'none'; frame-ancestors 'none'" % (hashes(page, 'style'), hashes(page, 'script')))
    data = page.encode()
    lines = [', '.join('%d' % byte if byte < 128 else '(char)%d' % byte for byte in data[i:i + 24])
             for i in range(0, len(data), 24)]
    with open(sys.argv[2], 'w', encoding='ascii') as target:
        target.write('#include "core/server/page.h"\n\n')
        target.write('const char page_html[] = {\n%s};\n' % ''.join(line + ',\n' for line in lines))
        target.write('const size_t page_html_length = sizeof(page_html);\n')
        target.write('const char page_policy[] = "%s";\n' % policy)


if __name__ == '__main__':
    main()
