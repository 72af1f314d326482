"""The recipe of an image and the example for Kubernetes: packages, files, numbers that belong together; and a server
with exactly what the example says."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import server
from readme import ROOT, section, text_of

RECIPE = 'core/dist/Containerfile'
EXAMPLE = 'core/dist/simplecache-kubernetes.yml'

# What is no library: the certificates by which etcd's is judged.
BESIDE_LIBRARIES = {'ca-certificates'}
# Libraries that a server may be built without.
OPTIONAL = 'libcurl', 'libjansson', 'libmicrohttpd', 'libsasl2', 'libseccomp', 'libssl', 'libsystemd'


def instructions():
    """The recipe's: (word, the rest), with what goes on behind a backslash."""
    text = re.sub(r'\\\n\s*', '', re.sub(r'^#.*\n', '', text_of(RECIPE), flags=re.M))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line]


def only(word):
    """What the one instruction with this word says."""
    found, = (rest for name, rest in instructions() if name == word)
    return found


def installed(text):
    """The packages that a command installs."""
    return set(re.search(r'apt-get install -y --no-install-recommends ([a-z0-9 .+-]+?)(?: &&|$|\')', text, re.M)[1].split())


class Recipe(unittest.TestCase):
    """core/dist/Containerfile, as far as it can be looked at without a container."""

    def setUp(self):
        self.build, self.run = (installed(rest) for word, rest in instructions()
                                if word == 'RUN' and 'apt-get' in rest)

    def test_it_builds_with_what_the_readme_says(self):
        self.assertEqual(self.build, installed(section('Start it')))

    @unittest.skipIf(server.SANITIZED, 'a sanitizer is one more library')
    def test_it_runs_with_the_libraries_that_the_server_needs(self):
        """Those of the server under test, which may have been built without some."""
        server.need('readelf', 'binutils')
        needs = re.findall(r'\(NEEDED\).*\[(.*)\]', subprocess.run(
            ['readelf', '-d', *server.program()], stdout=subprocess.PIPE, text=True, check=True).stdout)
        self.assertGreater(len(needs), 1)
        owners = {self.owner(name) for name in needs}
        self.assertEqual(owners - self.run - {'libc6'}, set())
        if all(any(name.startswith(library) for name in needs) for library in OPTIONAL):
            self.assertEqual(self.run - owners, BESIDE_LIBRARIES)

    @staticmethod
    def owner(library):
        """Debian's package of a library."""
        told = subprocess.run(['dpkg', '-S', '*/*-linux-gnu/' + library], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        return re.match(r'[a-z0-9.+-]+', told)[0]

    def test_every_package_exists(self):
        known = subprocess.run(['apt-cache', 'show', '--no-all-versions', *sorted(self.build | self.run)],
                               stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertEqual(set(re.findall(r'^Package: (.*)', known, re.M)), self.build | self.run)

    @unittest.skipIf(server.SANITIZED or server.SANDBOX, 'the same for each server')
    def test_what_is_copied_is_enough(self):
        """meson is content with it, in a folder where nothing else is, and installs what the image takes."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        for word, rest in instructions():
            if word == 'COPY' and not rest.startswith('--from') and not rest.startswith('LICENSE'):
                *names, to = rest.split()
                for name in names:
                    path, target = os.path.join(ROOT, name), os.path.join(folder, to)
                    if os.path.isdir(path):
                        shutil.copytree(path, target)
                    else:
                        shutil.copy(path, target)
        setup, = re.findall(r'meson setup build [^&]*', ' '.join(rest for word, rest in instructions() if word == 'RUN'))
        done = subprocess.run(setup.split(), cwd=folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        taken, = (rest.split()[1] for word, rest in instructions() if word == 'COPY' and rest.startswith('--from'))
        told = subprocess.run(['meson', 'introspect', '--installed', 'build'], cwd=folder, stdout=subprocess.PIPE,
                              check=True).stdout
        self.assertIn(taken.removeprefix('/image'), json.loads(told).values())

    def test_other_files_are_there(self):
        *names, _ = [rest for word, rest in instructions() if word == 'COPY' and 'LICENSE' in rest][0].split()
        for name in names:
            self.assertTrue(os.path.isfile(os.path.join(ROOT, name)), name)

    def test_commands(self):
        """Those in its head are the README's."""
        told = re.findall(r'^#   (podman \S+ .*?)(?:   .*)?$', text_of(RECIPE), re.M)
        self.assertEqual(len(told), 2)
        for command in told:
            self.assertIn(command, section('In a container'))


class Example(server.ServerTest):
    """core/dist/simplecache-kubernetes.yml."""

    def setUp(self):
        self.parts = self.read(text_of(EXAMPLE))
        self.set = self.parts['StatefulSet']['spec']
        self.pod = self.set['template']['spec']
        self.container, = self.pod['containers']
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    @staticmethod
    def read(text):
        """The documents, by their kinds."""
        server.need('ruby', 'ruby')
        done = subprocess.run(['ruby', '-ryaml', '-rjson', '-e', 'puts YAML.load_stream(STDIN.read).to_json'],
                              input=text, stdout=subprocess.PIPE, text=True, check=True)
        return {part['kind']: part for part in json.loads(done.stdout)}

    def flag(self, name):
        value, = (flag.partition('=')[2] for flag in self.container['args'] if flag.startswith('--%s=' % name))
        return value

    def test_its_parts_find_each_other(self):
        labels = self.set['template']['metadata']['labels']
        self.assertEqual(self.set['selector']['matchLabels'], labels)
        self.assertEqual(self.parts['Service']['spec']['selector'], labels)
        self.assertEqual(self.parts['Service']['spec']['clusterIP'], 'None')
        self.assertEqual(self.parts['PodDisruptionBudget']['spec']['selector']['matchLabels'], labels)
        self.assertEqual(self.parts['NetworkPolicy']['spec']['podSelector']['matchLabels'], labels)
        self.assertEqual(self.set['serviceName'], self.parts['Service']['metadata']['name'])
        volume, = self.pod['volumes']
        mount, = self.container['volumeMounts']
        self.assertEqual(mount['name'], volume['name'])
        self.assertEqual(self.flag('memory-file').rpartition('/')[0], mount['mountPath'])

    def test_it_fits_the_image(self):
        ports = {port['containerPort'] for port in self.container['ports']}
        self.assertEqual(ports, set(map(int, only('EXPOSE').split())))
        self.assertEqual({port['port'] for port in self.parts['Service']['spec']['ports']}, ports)
        names = {port['name'] for port in self.container['ports']}
        for probe in 'startupProbe', 'readinessProbe', 'livenessProbe':
            self.assertIn(self.container[probe]['httpGet']['port'], names)
        user = '%d:%d' % (self.pod['securityContext']['runAsUser'], self.pod['securityContext']['runAsGroup'])
        self.assertEqual(user, only('USER'))
        annotations = self.set['template']['metadata']['annotations']
        self.assertEqual(annotations['prometheus.io/port'], self.flag('metrics').rpartition(':')[2])

    def test_numbers_that_belong_together(self):
        def mib(text):
            return int(re.fullmatch(r'(\d+)Mi', text)[1])
        volume, = self.pod['volumes']
        limit = mib(self.container['resources']['limits']['memory'])
        self.assertGreaterEqual(mib(volume['emptyDir']['sizeLimit']), 1.1 * int(self.flag('memory-limit')))
        self.assertGreaterEqual(limit, mib(volume['emptyDir']['sizeLimit']) + 6 * int(self.flag('cores')) +
                                int(self.flag('conn-limit')) * 16 / 1024)
        self.assertEqual(self.container['resources']['requests']['cpu'], self.flag('cores'))
        wait = int(self.container['lifecycle']['preStop']['exec']['command'][1])
        drain = int(re.search(r'drain=(\d+)', text_of(EXAMPLE))[1])
        self.assertGreater(self.pod['terminationGracePeriodSeconds'], wait + drain + 2)
        self.assertGreater(self.container['livenessProbe']['timeoutSeconds'], 2)

    def begin(self, container):
        """A server as in the container, but for its user, its ports and the folder of the file."""
        self.port, self.http_port = server.free_port(), server.free_port()
        self.assertEqual({one['name']: one['valueFrom']['fieldRef']['fieldPath'] for one in container['env']},
                         {'POD_NAME': 'metadata.name', 'POD_IP': 'status.podIP'})
        command = [*server.program(), *json.loads(only('ENTRYPOINT'))[1:]]
        for flag in container['args']:
            flag = flag.replace('$(POD_NAME)', 'simplecache-0').replace('$(POD_IP)', '127.0.0.1')
            flag = re.sub('^--metrics=.*:9150$', '--metrics=127.0.0.1:%d' % self.http_port, flag)
            command.append(flag.replace('=/cache/', '=%s/' % self.folder))
        self.assertNotIn('$(', ' '.join(command))
        return self.start(command=command + server.user_flags(), port=self.port)

    def probe(self, name):
        """The status that it gets."""
        client = http.client.HTTPConnection('127.0.0.1', self.http_port, timeout=server.TIMEOUT_S)
        try:
            client.request('GET', self.container[name]['httpGet']['path'])
            return client.getresponse().status
        finally:
            client.close()

    def settings(self, under_test):
        with under_test.connect() as client:
            client.send(b'stats settings\r\nquit\r\n')
            return dict(line.split(None, 2)[1:] for line in client.read_all().decode().splitlines() if ' ' in line)

    def test_a_server_with_these_flags(self):
        under_test = self.begin(self.container)
        for name in 'startupProbe', 'readinessProbe', 'livenessProbe':
            self.assertEqual(self.probe(name), 200)
        settings = self.settings(under_test)
        self.assertEqual(settings['num_threads'], self.flag('cores'))
        self.assertEqual(settings['maxconns'], self.flag('conn-limit'))
        self.assertEqual(settings['memory_file'], self.folder + '/items')
        self.assertNotIn('127.0.0.1:%d ' % self.port, under_test.output())  # but 0.0.0.0
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'set key 0 0 5\r\nvalue\r\n'), b'STORED\r\n')
        under_test.stop()
        with self.begin(self.container).connect() as client:
            self.assertEqual(client.ask(b'get key\r\n'), b'VALUE key 0 5\r\n')

    def test_with_etcd(self):
        """What is a comment there; and etcd is away."""
        text = re.sub(r'^( +)# (- --extended=.*)$', r'\1\2', text_of(EXAMPLE), flags=re.M)
        self.assertNotEqual(text, text_of(EXAMPLE))
        container, = self.read(text)['StatefulSet']['spec']['template']['spec']['containers']
        container['args'] = [flag.replace('//etcd:2379', '//127.0.0.1:9') for flag in container['args']]
        under_test = self.begin(container)
        with under_test.connect() as client:
            self.assertEqual(client.ask(b'config get cluster\r\n'), b'ERROR\r\n')
        under_test.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + server.TIMEOUT_S
        while self.probe('readinessProbe') != 503 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.probe('readinessProbe'), 503)
        self.assertEqual(self.probe('livenessProbe'), 200)


if __name__ == '__main__':
    server.main()
