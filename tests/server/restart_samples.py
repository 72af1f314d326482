"""Memory files (-e) of other versions: kept samples, as servers left them.

A sample is a file without its holes: its length, then offset, length and bytes of each part, compressed, in base64. It was
left, on SIGTERM, by a server with -t 1 -m 8 that had been asked for what check() looks for. When the format changes, so
must its version, and what the new version leaves becomes one more sample.
"""
import base64
import os
import re
import struct
import unittest
import zlib

import server
from restart import IMAGES_AT, SLOT_BYTES, FileTest, read_value

VERSION_AT = 8  # in a slot of the file's header, and in an image

# Version 1, of the file and of its image.
SAMPLE_1 = """
eNrt3U9o13Ucx/Hf/pn/Ci+RzlG7DCK0pjj8Cw7r4GEHQQhTof20XypNE8PQucO6eTASJBFdFF0qWCARVCok1KFCSqpDzYgdi4Qs
CkoNen99f3/683fwElqjxxN87KXfn/lr08P3N/2sUhlsrTTWnW/WP7qztvPZPftbYucD+svHjdYfWX5/Tl7d/9m7f451vNJSXuxb
vHhx79KtTy9ctrSvunDJkr7awurS5U8tXFRbVF1erW7p6122tXjc411rJj+MX/OD5yqdZ+PtuVff2v7LyYtzv+p5bPihJ+7/vCJJ
kiRJkm5bjff/LXfg/r+5Je/8PH7P3vfu85GQJEmSJOl21n3Tm/WP7thZ3VZbdP31gDn1x9VfF6jfxN/69YHxaXf3LPro+5eLh137
77Tf+BWL73858ttE9adv36j/2F3l247rjxq95bOeVb79ve/t0ZfGKy8+/8inn77+68N/+XhKkiRJkvTPq3/efyDu+p9qvfECQHk/
3lr/RwabR/IWvnh8243r/W2Nt/ej+XPbG663N11vK18TqF/vaLpePH5aw/VpTdc7ytcW6tfvarpePH56w/XpTdeLx89ouD6j6Xrx
+JkN12c2Xa//3Pr1+usWX8/LbzNvfj1jjd9hkiRJkqQ70mh/+TbvtOv33nnf3zGjuB/ePVTdsev56tDe2o17/7yvn9aya+/OLbU9
SxbX7/nzfr59XnEf/Extf2XLjl2VySPto7Mq9c/1d8woHjtU3bOt1hOj92j+lB/L53Hpgdhrc0+ujr0u9/knY2/I3VW82DCYe/ZY
sD331dPFs8198UKwL/d3VyrX/37Bufnxv3Yw95mVsQ/nHt8U+1jusQOxX8t96ETsN3OPnI59MvfQhdjvly9+XIl9tnyhZH68iz7J
vWpl7PO5F2yK/U35/A/Eniyf/4nYP5TP/1TsS+Xzn4j9R/n8L7de/5Cc64x33/TcZ1bEnpN7fGPsubnHhmN35z50PPaDuUdOxe7N
PTQRe1nuzZdj9+ce6IyPx9rcq1bEXpd7wcbYG3J3DccezB0f3PrrRLPK12aK3wXbnt1V29fw4/k6TNsLW6vP7fOHTpIkSZIkSZIk
SZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSdJU6Ehbfr32I4fv/aJnVn559+JbT/xY79FrX+q98mN/PvbSA7HX
5p5cHXtd7vNPxt6Qu2skGMw9eyzYnvvq6WB37osXgvKrwn93JRjNfW5+S6VyMPeZlbEP5x7fFPtY7rEDsV/LfehE7Ddzj5yOfTL3
0IXY7+fefCX22dwD81srlU9yr1oZ+3zuBZtif1M+/wOxJ8vnfyL2D+XzPxX7Uvn8J2L/UT7/y7GvfdX7eP6d8c6cnvvMithzco9v
jD0399hw7O7ch47HfjD3yKnYvbmHJmIvy735cuz+3AOd8fFYm3vVitjrci/YGHtD7q7h2IO5i4+jpn7Fn7uGP6MtQ9U922rdJEmS
JEmSJEmSJElyKtn8+X/vEZIkSZIkSZIkSZIkp57Nn//3HiFJkiRJkiRJkiRJcuo50OX8f5IkSZIkSZIkSZL+bTFJkiRJkiRJkiRJ
kv8Hmz//7z1CkiRJkiRJkiRJkuTUs/nz/94jJEmSJEmSJEmSJEk6/58kSZIkSZIkSZIkSTr/nyRJkiRJkiRJkiRJOv+fJEmSJEmS
JEmSJEnn/zv/nyRJkiRJkiRJkiRJ5/+TJEmSJEmSJEmSJEnn/5MkSZIkSZIkSZIkSef/kyRJkiRJkiRJkiTp/H/n/5MkSZIkSZIk
SZIk6fx/kiRJkiRJkiRJkiTp/H+SJEmSJEmSJEmSJOn8f5IkSZIkSZIkSZIknf/v/H+SJEmSJEmSJEmSJJ3/T5IkSZIkSZIkSZIk
nf9PkiRJkiRJkiRJkiSd/0+SJEmSJEmSJEmSpPP/nf9PkiRJkiRJkiRJkqTz/0mSJEmSJEmSJEmSpPP/SZIkSZIkSZIkSZKk8/9J
kiRJkiRJkiRJknT+v/P/SZIkSZIkSZIkSZJ0/j9JkiRJkiRJkiRJknT+P0mSJEmSJEmSJEmSdP4/SZIkSZIkSZIkSZLO/3f+P0mS
JEmSJEmSJEmSzv8nSZIkSZIkSZIkSZLO/ydJkiRJkiRJkiRJks7/J0mSJEmSJEmSJEnS+f/O/ydJkiRJkiRJkiRJ0vn/JEmSJEmS
JEmSJEny3/bjec7/J0mSJEmSJEmS/K9bkSRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiTd9v4GETz4Vw==
"""


class Samples(FileTest):
    cores = 1
    flags = ('-m', '8')

    def lay_out(self, sample):
        """Makes the file; returns its bytes."""
        data = zlib.decompress(base64.b64decode(sample))
        length, = struct.unpack_from('<Q', data)
        whole, at = bytearray(length), 8
        while at < len(data):
            offset, size = struct.unpack_from('<QQ', data, at)
            whole[offset:offset + size] = data[at + 16:at + 16 + size]
            at += 16 + size
        with open(self.file, 'wb') as file:
            file.write(whole)
        os.chmod(self.file, 0o600)
        return bytes(whole)

    @staticmethod
    def version(path, offset):
        with open(path, 'rb') as file:
            return struct.unpack('<I', os.pread(file.fileno(), 4, offset + VERSION_AT))[0]

    def current(self):
        """The versions that this server writes."""
        one = self.begin()
        one.stop()
        found = self.version(self.file, 0), self.version(self.file, IMAGES_AT)
        os.unlink(self.file)
        return found

    def check(self, one):
        """Whatever a sample holds."""
        with one.connect() as client:
            self.assertEqual(client.ask(b'get plain\r\n'), b'VALUE plain 7 5\r\n')
            self.assertEqual(client.read(12), b'value\r\nEND\r\n')
            self.assertEqual(read_value(client, b'get number\r\n'), b'42')
            self.assertEqual(client.ask(b'mg a2V5AA== b v f\r\n'), b'VA 3 f9\r\n')
            self.assertEqual(client.read(5), b'bin\r\n')
            self.assertEqual(client.ask(b'get large\r\n'), b'VALUE large 3 300000\r\n')
            self.assertEqual(client.read(300007), b'large ' * 50000 + b'\r\nEND\r\n')
            self.assertIsNone(read_value(client, b'get gone\r\n'))
            self.assertEqual(client.ask(b'gets cas\r\n'), b'VALUE cas 0 1 7\r\n')
            self.assertEqual(client.read(8), b'x\r\nEND\r\n')
            self.assertEqual(client.ask(b'set cas 0 0 1\r\ny\r\n'), b'STORED\r\n')
            self.assertGreater(int(client.ask(b'gets cas\r\n').split()[4]), 7)

    def check_refused(self, whole):
        """One line, and a start without items; the file is put aside as it was."""
        one = self.begin()
        self.assertRegex(one.errors(), r'\Asimplecache: -e %s: it is of another version[^\n]*: it is kept as %s, [^\n]*\n\Z'
                         % (re.escape(self.file), re.escape(self.aside)))
        with open(self.aside, 'rb') as aside:
            self.assertTrue(aside.read() == whole)
        with one.connect() as client:
            self.assertIsNone(read_value(client, b'get plain\r\n'))
            self.assertEqual(client.ask(b'set plain 0 0 3\r\nnew\r\n'), b'STORED\r\n')
        one.stop()
        two = self.begin()
        self.assertEqual(self.found(two, b'plain'), b'new')
        two.stop()
        os.unlink(self.file)

    def test_each(self):
        """What this server's version wrote is found; what another one did is put aside."""
        current = self.current()
        for sample in (SAMPLE_1,):
            whole = self.lay_out(sample)
            if (self.version(self.file, 0), self.version(self.file, IMAGES_AT)) == current:
                one = self.begin()
                self.check(one)
                one.stop()
                os.unlink(self.file)
            else:
                self.check_refused(whole)

    def test_older_and_newer(self):
        """Of the file's header, in both slots; of the image, which has the next version with prefixes that are flushed."""
        current = self.current()
        for version, newest, places in ((current[0], current[0], (0, SLOT_BYTES)),
                                        (current[1], current[1] + 1, (IMAGES_AT,))):
            for other in version - 1, newest + 1, 0xffffffff:
                with self.subTest(places=places, other=other):
                    self.lay_out(SAMPLE_1)
                    for slot in 0, SLOT_BYTES:
                        self.change(slot + VERSION_AT, struct.pack('<I', current[0]))
                    for place in places:
                        self.change(place + VERSION_AT, struct.pack('<I', other))
                    with open(self.file, 'rb') as file:
                        whole = file.read()
                    self.check_refused(whole)


if __name__ == '__main__':
    server.main()
