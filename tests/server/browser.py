"""The real Chromium, without a window, by chromedriver (Debian: chromium, chromium-driver) and W3C's protocol."""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

import server

START_S = 10 * server.TIMEOUT_S


class Browser:
    def __init__(self, width=1280, height=900):
        server.need('chromium', 'chromium')
        server.need('chromedriver', 'chromium-driver')
        self.folder = tempfile.mkdtemp()
        self.log = open(os.path.join(self.folder, 'log'), 'w+')
        self.driver = subprocess.Popen(['chromedriver', '--port=0'], stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=subprocess.STDOUT, env=dict(os.environ, HOME=self.folder, LC_ALL='C.UTF-8'))
        self.session = None
        try:
            self.port = self.wait_port()
            arguments = ['--headless=new', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars',
                         '--user-data-dir=' + os.path.join(self.folder, 'profile'), '--window-size=%d,%d' % (width, height)]
            if os.geteuid() == 0:
                arguments.append('--no-sandbox')
            options = {'browserName': 'chrome', 'goog:loggingPrefs': {'browser': 'ALL'},
                       'goog:chromeOptions': {'args': arguments, 'binary': shutil.which('chromium')}}
            self.session = self.call('session', {'capabilities': {'alwaysMatch': options}})['sessionId']
        except BaseException:
            self.close()
            raise

    def wait_port(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.driver.poll() is None:
            with open(self.log.name) as log:
                found = re.search(r'started successfully on port (\d+)', log.read())
            if found:
                return int(found.group(1))
            time.sleep(0.05)
        raise AssertionError('chromedriver does not start')

    def call(self, path, data=None, method='POST'):
        """One command of the protocol; path is behind the session's."""
        path = path if path == 'session' else 'session/%s%s%s' % (self.session, path and '/', path)
        request = urllib.request.Request('http://127.0.0.1:%d/%s' % (self.port, path), method=method,
                                         data=json.dumps(data or {}).encode() if method == 'POST' else None,
                                         headers={'Content-Type': 'application/json'})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=START_S) as answer:
                return json.loads(answer.read())['value']
        except urllib.error.HTTPError as error:
            raise AssertionError('%s: %s' % (path, error.read().decode()[:500])) from None

    def devtools(self, command, **parameters):
        return self.call('goog/cdp/execute', {'cmd': command, 'params': parameters})

    def open(self, url):
        self.call('url', {'url': url})

    def run(self, script, *arguments):
        """What a function body of JavaScript returns."""
        return self.call('execute/sync', {'script': script, 'args': list(arguments)})

    def wait(self, script, *arguments):
        """Until that is true, and returns it."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError('never true: %s' % script)

    def console(self):
        """What has been written to the console since the last call, errors of loading and of policy among it."""
        return [entry['level'] + ': ' + entry['message'] for entry in self.call('se/log', {'type': 'browser'})]

    def look(self, theme=None, width=None, height=900):
        """Light or dark, and how wide the window is."""
        if theme:
            self.devtools('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': theme}])
        if width:
            self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1,
                          mobile=False)

    def press(self, key):
        for kind in 'keyDown', 'keyUp':
            self.devtools('Input.dispatchKeyEvent', type=kind, key=key, code=key)

    def screenshot(self):
        """The whole page, as PNG."""
        return base64.b64decode(self.devtools('Page.captureScreenshot', captureBeyondViewport=True)['data'])

    def close(self):
        try:
            if self.session:
                self.call('', method='DELETE')
        finally:
            self.driver.terminate()
            self.driver.wait(START_S)
            self.log.close()
            shutil.rmtree(self.folder, ignore_errors=True)
