"""The live page in the real Chromium (Debian: chromium, chromium-driver): it shows what `stats` tells, moves, loads
nothing from elsewhere, shows keys as text, and says so when the server is gone."""
import os
import re
import struct
import tempfile
import time
import zlib

import browser
import server
from metrics_prometheus import Load
from metrics_server import MetricsTest

FIGURE = "return document.querySelector('[data-figure=%s]').getAttribute('data-raw')"
LIVE = "return document.querySelector('#state').className === 'live'"
KEYS = "return [...document.querySelectorAll('td.key')].map(cell => cell.textContent)"
NOTES = "return [...document.querySelectorAll('p.soft')].map(note => note.textContent).join(' ')"

# Bytes of a key, and how the page shows it.
ODD_KEYS = ((b'<script>window.odd=1</script>', '<script>window.odd=1</script>'), (b'"><img/src=x>&amp;', '"><img/src=x>&amp;'),
            ('größe'.encode(), 'größe'), (b'bad\xff\xfe\xc0\xaf', r'bad\xff\xfe\xc0\xaf'), (b"';--\\u0041", "';--\\u0041"),
            (b'cut\xe6\x97', r'cut\xe6\x97'), (b'\xed\xa0\x80half', r'\xed\xa0\x80half'), (b'</script>', '</script>'),
            (b'esc\x1b[31m\x7f', r'esc\x1b[31m\x7f'))


def png_facts(data):
    """Width, height, and the first pixel."""
    width, height = struct.unpack('>II', data[16:24])
    at, packed = 8, b''
    while at < len(data):
        length, = struct.unpack('>I', data[at:at + 4])
        if data[at + 4:at + 8] == b'IDAT':
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    return width, height, zlib.decompress(packed)[1:4]


class PageTest(MetricsTest):
    chromium = None  # of all tests, since its start takes seconds

    def browse(self, under_test):
        """The browser, which shows the server's page."""
        PageTest.chromium = PageTest.chromium or browser.Browser()
        self.chromium.open('about:blank')
        self.chromium.console()
        self.chromium.look('light', 1280)
        self.chromium.open('http://127.0.0.1:%d/' % under_test.http_port)
        self.chromium.wait(LIVE)
        return self.chromium

    def open(self, *flags, **options):
        """A server and the browser."""
        under_test = self.begin(*flags, **options)
        return under_test, self.browse(under_test)

    def hot(self, under_test):
        """Asks for the odd keys until the sample knows them."""
        with under_test.connect() as client:
            for key, _ in ODD_KEYS:
                client.send(b'set %s 0 0 1\r\nx\r\n' % key)
                self.assertEqual(client.read_line(), b'STORED\r\n')
            for _ in range(300):
                client.send(b''.join(b'get %s\r\n' % key for key, _ in ODD_KEYS) * 10 + b'mn\r\n')
                while client.read_line() != b'MN\r\n':
                    pass


class Figures(PageTest):
    def test_under_load(self):
        """Numbers move, and are those of `stats` when the load has ended; nothing is said on the console; every theme
        and width is drawn and fits."""
        under_test, chromium = self.open(cores=2)
        load = Load(under_test)
        try:
            seen = {name: set() for name in ('operations', 'items', 'ratio', 'p99')}

            def moving():
                for name, values in seen.items():
                    values.add(chromium.run(FIGURE % name))
                # A sample may begin and end in the midst of a round.
                shares = [float(share) for share in seen['ratio'] if share and re.fullmatch(r'[\d.]+', share)]
                return (all(len(seen[name]) > 2 for name in ('operations', 'items')) and
                        any(0.7 < share < 0.8 for share in shares))
            deadline = time.monotonic() + browser.START_S
            while not moving():
                self.assertLess(time.monotonic(), deadline, seen)
            pictures = {}
            for theme in 'light', 'dark':
                for width in 1280, 400:
                    chromium.look(theme, width)
                    chromium.wait('return document.documentElement.clientWidth === arguments[0]', width)
                    wide = chromium.run("return [document.documentElement.scrollWidth, "
                                        "document.querySelectorAll('polyline').length]")
                    self.assertEqual(wide[0], width)
                    self.assertGreater(wide[1], 5)
                    pictures[theme, width] = chromium.screenshot()
        finally:
            load.stop()
        for (theme, width), picture in pictures.items():
            found_width, height, pixel = png_facts(picture)
            self.assertEqual(found_width, width)
            self.assertGreater(height, 600)
            self.assertEqual(max(pixel) > 128, theme == 'light', (theme, pixel))
        stats = under_test.stats()
        for figure, name in ('items', 'curr_items'), ('memory', 'store_bytes'), ('cores', 'threads'):
            chromium.wait("return document.querySelector('[data-figure=%s]').getAttribute('data-raw') === arguments[0]"
                          % figure, stats[name])
        memory = chromium.run("return Object.fromEntries([...document.querySelectorAll('[data-use]')]"
                              ".map(use => [use.dataset.use, Number(use.dataset.raw)]))")
        self.assertEqual(memory['small_items'] + memory['main_items'], int(stats['bytes']))
        self.assertEqual(sum(memory.values()) - memory['free'] - memory['copies'], int(stats['store_bytes']))
        chromium.run("document.querySelectorAll('details').forEach(details => details.open = true)")
        shown = chromium.wait("const shown = Object.fromEntries([...document.querySelectorAll('#settings div')]"
                              ".map(row => [...row.children].map(cell => cell.textContent))); "
                              "return Object.keys(shown).length && shown")
        self.assertEqual(shown, under_test.stats('settings'))
        self.assertEqual(chromium.console(), [])

    def test_history(self):
        """A page that is opened later shows what was before."""
        under_test = self.begin()
        load = Load(under_test)
        try:
            deadline = time.monotonic() + browser.START_S
            while len(under_test.get('/history.json').json()['rows']) < 3:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
        finally:
            load.stop()
        chromium = self.browse(under_test)
        points = chromium.wait("const curve = document.querySelector('polyline'); return curve && "
                               "curve.getAttribute('points').split(' ').length")
        self.assertGreaterEqual(points, 3)

    def test_keyboard(self):
        """Every curve, table and list is reached by Tab; arrows tell of samples."""
        under_test, chromium = self.open()
        chromium.wait("return document.querySelector('polyline')")
        chromium.run("document.querySelector('figure').focus()")
        chromium.press('ArrowLeft')
        tip = chromium.wait("const tip = document.querySelector('.tip'); return !tip.hidden && tip.textContent")
        self.assertIn('hits', tip)
        chromium.press('Escape')
        chromium.wait("return document.querySelector('.tip').hidden")
        focused = chromium.run("return [...document.querySelectorAll('figure, .scroll, summary, a, input')]"
                               ".filter(element => element.tabIndex < 0).length")
        self.assertEqual(focused, 0)
        self.assertEqual(under_test.get('/readyz').status, 200)

    def test_gone(self):
        """It says so, and goes on when there is a server again."""
        under_test, chromium = self.open()
        under_test.stop()
        chromium.wait("return document.querySelector('#state').className === 'gone'")
        self.assertIn('has not answered since', chromium.run("return document.querySelector('#gone').innerText"))
        again = server.Server(flags=['--metrics', str(under_test.http_port)])
        self.addCleanup(again.stop)
        chromium.wait(LIVE)
        self.assertTrue(chromium.run("return document.querySelector('#gone').hidden"))


class Keys(PageTest):
    def test_as_text(self):
        """Whatever is in them, in JSON and on the page."""
        under_test, chromium = self.open(cores=2)
        self.hot(under_test)
        told = [key['key'] for key in under_test.get('/stats.json').json()['hot_keys']]
        self.assertEqual(set(told), {shown for _, shown in ODD_KEYS})
        self.assertNotIn(b'<script', under_test.get('/stats.json').body)
        chromium.wait(KEYS + '.length === arguments[0]', len(ODD_KEYS))
        self.assertEqual(set(chromium.run(KEYS)), {shown for _, shown in ODD_KEYS})
        self.assertEqual(chromium.run("return [typeof window.odd, document.querySelectorAll('img').length]"), ['undefined', 0])
        self.assertEqual(chromium.console(), [])

    def test_policy(self):
        """Nothing comes from elsewhere, and no script but the page's own is run."""
        under_test, chromium = self.open()
        other = self.begin()
        loaded = chromium.run("return performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)")
        self.assertEqual(set(loaded), {'http://127.0.0.1:%d' % under_test.http_port})
        self.assertEqual(chromium.run("const script = document.createElement('script'); script.textContent = 'window.odd = 1'; "
                                      "document.body.append(script); return typeof window.odd"), 'undefined')
        refused = chromium.run("return fetch('http://127.0.0.1:%d/stats.json').then(() => 'read', () => 'refused')"
                               % other.http_port)
        self.assertEqual(refused, 'refused')

    def test_hidden(self):
        """With -X always, with logins unless HTTP has some too."""
        with tempfile.NamedTemporaryFile('w', suffix='.users') as users:
            users.write('a:b\n')
            users.flush()
            for flags, login, why in ((['-X'], None, '-X forbids it'), (['-Y', users.name], None, '-o metrics_auth is needed'),
                                      (['-Y', users.name, '-o', 'metrics_auth=' + users.name], 'a:b', None)):
                under_test = self.begin(*flags, wait='-Y' not in flags)
                under_test.wait_http()
                if '-Y' not in flags:
                    self.hot(under_test)
                told = under_test.get('/stats.json', login=login).json()
                self.assertEqual(told['hot_keys'] is None, why is not None)
                self.assertIn(why or '', told.get('hot_keys_hidden', ''))
            under_test, chromium = self.open('-X')
            self.hot(under_test)
            self.assertIn('Keys are not shown: -X forbids it.', chromium.wait(NOTES))
            self.assertEqual(chromium.run(KEYS), [])


def tearDownModule():
    if PageTest.chromium:
        PageTest.chromium.close()


if __name__ == '__main__':
    os.environ.pop('DISPLAY', None)
    server.main()
