"""The command line: each flag's effect on the running server, and the three kinds of answer: done,
accepted with a warning, refused with a reason."""
import os
import socket
import subprocess
import time
import unittest

import server

WRONG = 64  # EX_USAGE of sysexits.h

# What memcached takes and means nothing here, each with a value that memcached takes.
IGNORED = (('-f', '1.5'), ('--slab-growth-factor=1.5',), ('-n', '100'), ('--slab-min-size=100',),
           ('-L',), ('--enable-largepages',), ('-N', '1'), ('--napi-ids=1',))
IGNORED_WORDS = ('hashpower=20', 'no_hashexpand', 'hash_algorithm=jenkins', 'tail_repair_time=60',
                 'slab_reassign', 'no_slab_reassign', 'slab_automove', 'slab_automove=1',
                 'no_slab_automove', 'slab_automove_ratio=0.8', 'slab_automove_window=30',
                 'slab_automove_freeratio=0.01', 'slab_sizes=100-200', 'slab_chunk_max=512',
                 'no_chunked_items', 'lru_maintainer', 'no_lru_maintainer', 'hot_lru_pct=20',
                 'warm_lru_pct=40', 'hot_max_factor=0.2', 'warm_max_factor=2', 'temporary_ttl=61',
                 'read_buf_mem_limit=10', 'resp_obj_mem_limit=10', 'resp_obj_mem_limit',
                 'inline_ascii_resp', 'no_inline_ascii_resp', 'relaxed_privileges')

# What promises something that isn't kept, and a part of the reason.
REFUSED = ((('-o', 'ext_path=/tmp/x:1G'), 'memory'),
           (('-o', 'ext_threads'), 'memory'), (('-o', 'proxy_config=x.lua'), 'proxy'),
           (('-U', '11211', '-Y', '/tmp/x'), 'log in'),
           (('-I', '1025m'), '1024m'), (('-I', '1048577k'), '1024m'), (('--max-item-size=1073741825',), '1024m'),
           (('-I', '17592186044417m'), '1024m'),
           (('-o', 'no_maxconns_fast'), '-c'), (('-o', 'sock_cookie_id=1'), 'Linux'), (('-l', 'notls:127.0.0.1'), 'TLS'),
           (('-l', 'proto[binary]:127.0.0.1'), 'protocol'),
           (('-l', '127.0.0.1,tag[a]:127.0.0.1'), 'tags'), (('-l', 'tag_a_:127.0.0.1'), 'tags'))

if os.environ.get('TLS', '1') == '0':
    REFUSED += ((('-Z', '-o', 'ssl_chain_cert=a.pem,ssl_key=b.pem'), 'built without TLS'),)
else:
    REFUSED += ((('-Z', '-p', '0'), 'TCP port'),)

# Mistakes, and the line they earn.
MISTAKES = (
    (('-q',), 'there is no option -q; see simplecache --help'),
    (('-vq',), 'there is no option -q; see simplecache --help'),
    (('--quiet',), 'there is no option --quiet; see simplecache --help'),
    (('--disable',), 'there is no option --disable; see simplecache --help'),
    (('-m',), '-m needs a value; see simplecache --help'),
    (('-vm',), '-m needs a value; see simplecache --help'),
    (('--port',), '-p needs a value; see simplecache --help'),
    (('--daemon=1',), '-d takes no value; see simplecache --help'),
    (('-p', '65536'), '-p (--port) takes a number from -1 to 65535, not "65536"'),
    (('-p', '-2'), '-p (--port) takes a number from -1 to 65535, not "-2"'),
    (('-p', '0x10'), '-p (--port) takes a number from -1 to 65535, not "0x10"'),
    (('-p', '-'), '-p (--port) takes a number from -1 to 65535, not "-"'),
    (('-U', ''), '-U (--udp-port) takes a number from -1 to 65535, not ""'),
    (('--udp-port=65536',), '-U (--udp-port) takes a number from -1 to 65535, not "65536"'),
    (('-o', 'hits=most'), '-o hits takes objects or bytes, not "most"'),
    (('-m', '64m'), '-m (--memory-limit) takes a number from 1 to 1073741824, not "64m"'),
    (('-m', '0'), '-m (--memory-limit) takes a number from 1 to 1073741824, not "0"'),
    (('-c', '+5'), '-c (--conn-limit) takes a number from 1 to 2147483647, not "+5"'),
    (('-t', '257'), '-t (--cores) takes a number from 1 to 256, not "257"'),
    (('-b', '0'), '-b (--listen-backlog) takes a number from 1 to 2147483647, not "0"'),
    (('-I', '1023'), '-I (--max-item-size) takes a size from 1k to 1024m, not "1023"'),
    (('-I', '1g'), '-I (--max-item-size) takes a size from 1k to 1024m, not "1g"'),
    (('-I', '-1k'), '-I (--max-item-size) takes a size from 1k to 1024m, not "-1k"'),
    (('-I', '512kb'), '-I (--max-item-size) takes a size from 1k to 1024m, not "512kb"'),
    (('-I', 'k'), '-I (--max-item-size) takes a size from 1k to 1024m, not "k"'),
    (('-I', '65m', '-m', '128', '-t', '2'), '-I is more than half of -m: give -m 260 or more'),
    (('-I', ''), '-I (--max-item-size) takes a size from 1k to 1024m, not ""'),
    (('-a', '888'), '-a (--unix-mask) takes permissions from 0 to 777 in octal, not "888"'),
    (('-a', '1777'), '-a (--unix-mask) takes permissions from 0 to 777 in octal, not "1777"'),
    (('-B', 'ASCII'), '-B (--protocol) takes auto, ascii or binary, not "ASCII"'),
    (('-D', ''), '-D takes the character that ends a prefix'),
    (('-o', 'no_such'), '-o does not know "no_such"; see simplecache --help'),
    (('-o', 'slab_'), '-o does not know "slab_"; see simplecache --help'),
    (('-o', 'no_hashpower'), '-o does not know "no_hashpower"; see simplecache --help'),
    (('-o', 'modern,=5'), '-o does not know ""; see simplecache --help'),
    (('-o', 'spin'), '-o spin takes a value: spin=N'),
    (('-o', 'idle_timeout='), '-o idle_timeout takes a value: idle_timeout=N'),
    (('-o', 'hashpower'), '-o hashpower takes a value: hashpower=N'),
    (('-o', 'idle_timeout=soon'),
     '-o idle_timeout takes a number from 0 to 2147483647, not "soon"'),
    (('-o', 'lru_crawler_sleep=1000001'),
     '-o lru_crawler_sleep takes a number from 0 to 1000000, not "1000001"'),
    (('-o', 'ring_capacity=3'), '-o ring_capacity takes a power of two, not 3'),
    (('-l', '[::1'), '-l [::1: an address in brackets is [ADDRESS] or [ADDRESS]:PORT'),
    (('-l', '[::1]5'), '-l [::1]5: an address in brackets is [ADDRESS] or [ADDRESS]:PORT'),
    (('-l', '127.0.0.1:http'), '-l 127.0.0.1:http: there is no such port'),
    (('-l', '127.0.0.1:65536'), '-l 127.0.0.1:65536: there is no such port'),
    (('-l', '127.0.0.1:'), '-l 127.0.0.1:: there is no such port'),
    (('-l', ':11211'), '-l takes addresses: there is none before ":11211"'),
    (('-l', ''), '-l takes an address'),
    (('-l', ',;'), '-l takes an address'),
    (('-l', ','.join(['127.0.0.1'] * 17)), '-l takes at most 16 addresses'),
    (('-S', '-B', 'auto'), '-S beside -B ascii or auto is refused: text has no SASL: leave -B out, '
                           'or give a file of user:password lines with -Y'),
    (('-S', '-U', '11211'), '-U beside -Y or -S is refused: nobody can log in over UDP, so it would '
                            'let everybody in: leave one of them out'),
    (('-o', 'metrics_auth=x'), '-o metrics_auth is refused without --metrics: there is no HTTP: give a port, or '
                               'leave it out'),
    (('-o', 'sasl_timeout=0'), '-o sasl_timeout takes a number from 1 to 3600, not "0"'),
)


def run(*flags):
    """The end of a server that isn't meant to stay: status, stdout, stderr."""
    environment = {name: value for name, value in os.environ.items()
                   if name != 'MEMCACHED_SASL_PWDB'}
    done = subprocess.run(server.program() + list(flags), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                          timeout=server.TIMEOUT_S, check=False, text=True)
    return done.returncode, done.stdout, done.stderr


class FlagsTest(server.ServerTest):
    """Servers with flags, and what they say."""

    def start(self, *flags, cores=1, talks=False):
        under_test = server.Server(cores=cores, flags=flags)
        under_test.may_talk |= talks
        self.addCleanup(under_test.stop)
        return under_test

    @staticmethod
    def settings(under_test):
        """The lines of `stats settings`."""
        with under_test.connect() as client:
            client.send(b'stats settings\r\n')
            lines = iter(lambda: client.read_line().decode().split(), ['END'])
            return {line[1]: line[2] for line in lines if len(line) > 2}

    def answers(self, under_test, question, answer):
        with under_test.connect() as client:
            self.assertEqual(client.ask(question + b'\r\n'), answer + b'\r\n')


@unittest.skipIf(server.ORIGINAL, 'these lines are ours')
class Answers(FlagsTest):
    """Warnings, refusals and mistakes: the line and the exit status."""

    def warned(self, names, *flags):
        under_test = self.start(*flags, talks=True)
        self.answers(under_test, b'mn', b'MN')
        self.assertEqual(under_test.errors(),
                         'simplecache: ignored, for it means nothing here: %s\n' % names)

    def test_ignored(self):
        self.warned('-f (--slab-growth-factor), -n (--slab-min-size), -L (--enable-largepages), '
                    '-N (--napi-ids)', *(part for flag in IGNORED for part in flag))

    def test_stray_word(self):
        under_test = self.start('127.0.0.1', talks=True)
        self.answers(under_test, b'mn', b'MN')
        self.assertEqual(under_test.errors(),
                         'simplecache: ignored, for it is no option: "127.0.0.1"\n')

    def test_ignored_words(self):
        names = list(dict.fromkeys('-o ' + word.split('=')[0] for word in IGNORED_WORDS))
        self.warned(', '.join(names), '-o', ','.join(IGNORED_WORDS))

    def test_ignored_beside_done(self):
        """In a list, in a list with empty places, combined with other letters."""
        for names, flags in (('-o slab_reassign',
                              ('-o', 'lru_crawler,slab_reassign,track_sizes')),
                             ('-o slab_reassign', ('-o', ',slab_reassign,', '-o', 'lru_crawler')),
                             ('-L (--enable-largepages), -o slab_reassign',
                              ('-FLX', '-oslab_reassign')),
                             ('-L (--enable-largepages)', ('-LA', '--enable-largepages'))):
            with self.subTest(flags=flags):
                self.warned(names, *flags)

    def test_refused(self):
        for flags, reason in REFUSED:
            with self.subTest(flags=flags):
                status, stdout, stderr = run('-o', 'slab_reassign', *flags)
                self.assertEqual((status, stdout), (WRONG, ''))
                self.assertRegex(stderr, r'\Asimplecache: [^\n]+ is refused: [^\n]+\n\Z')
                self.assertIn(reason, stderr.partition('is refused:')[2])

    def test_mistakes(self):
        for flags, line in MISTAKES:
            with self.subTest(flags=flags):
                self.assertEqual(run(*flags), (WRONG, '', 'simplecache: %s\n' % line))


class Questions(unittest.TestCase):
    """What prints and exits with 0, also behind other flags and combined with them."""

    def test_version(self):
        for flags in (('-V',), ('--version',), ('--vers',), ('-vvV',), ('-p', '1', '-V')):
            with self.subTest(flags=flags):
                status, stdout, stderr = run(*flags)
                self.assertEqual((status, stderr), (0, ''))
                self.assertRegex(stdout, r'^(simplecache|memcached) [1-9][0-9.]*[^\n]*\n$')

    def test_license(self):
        for flag in ('-i', '--license'):
            status, stdout, stderr = run(flag)
            self.assertEqual((status, stderr), (0, ''))
            self.assertIn('Copyright', stdout)

    def test_help(self):
        """Only what works; every line fits, and no flag is told twice."""
        for flag in ('-h', '--help'):
            status, stdout, stderr = run(flag)
            self.assertEqual((status, stderr), (0, ''))
        if server.ORIGINAL:
            return
        lines = stdout.splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        names = [line.split()[0] for line in lines[2:] if line[:5].strip()]
        self.assertEqual(len(names), len(set(names)))
        for missing in ('slab', 'ext_', 'proxy'):
            self.assertNotIn(missing, stdout)


class Effects(FlagsTest):
    """What a flag does to the running server. Addresses, the process and what ends connections have
    tests of their own, as have logins."""

    def test_defaults(self):
        under_test = self.start()
        settings = self.settings(under_test)
        for name, value in (('maxbytes', 64 << 20), ('maxconns', 1024), ('item_size_max', 1 << 20),
                            ('evictions', 'on'), ('flush_enabled', 'yes'), ('dump_enabled', 'yes'),
                            ('shutdown_command', 'no'), ('detail_enabled', 'no'),
                            ('lru_crawler', 'yes'), ('lru_crawler_sleep', 100),
                            ('lru_crawler_tocrawl', 0), ('verbosity', 0), ('idle_timeout', 0)):
            self.assertEqual(settings[name], str(value), name)

    def test_port(self):
        """In all its forms; the last one counts."""
        for form in (('-p%d',), ('-p', '%d'), ('--port=%d',), ('--port', '%d'), ('-p', ' %d'),
                     ('-p', '1', '-p%d')):
            with self.subTest(form=form):
                port = server.free_port()
                command = server.program() + server.user_flags() + ['-l', '127.0.0.1']
                command += [part % port if '%d' in part else part for part in form]
                under_test = server.Server(port=port, command=command, wait=False)
                self.addCleanup(under_test.stop)
                under_test.wait_ready()

    def test_threads(self):
        for flags in (('-t', '3'), ('-t3',), ('--threads=3',), ('--cores=3',)):
            if server.ORIGINAL and '--cores=3' in flags:
                continue
            with self.subTest(flags=flags):
                under_test = self.start(*flags)
                self.assertEqual(under_test.stat('threads'), '3')
                if not server.ORIGINAL:
                    self.assertEqual([name for name in under_test.threads() if 'reactor' in name],
                                     ['reactor 0', 'reactor 1', 'reactor 2'])

    def test_memory(self):
        for flags in (('-m', '100'), ('-m100',), ('--memory-limit=100',), ('-m', ' 100')):
            with self.subTest(flags=flags):
                self.assertEqual(self.start(*flags).stat('limit_maxbytes'), str(100 << 20))

    @unittest.skipIf(server.ORIGINAL, 'memcached keeps the little it was given')
    def test_too_little_memory(self):
        """For values of 1 MiB in each shard: it is told."""
        for cores, given, least in ((1, '7', '8 MB, the least for a core'),
                                    (2, '8', '16 MB, the least for 2 cores: -t 1 keeps it at 8')):
            under_test = self.start('-m', given, cores=cores, talks=True)
            self.assertEqual(under_test.errors(), 'simplecache: -m raised to %s\n' % least)
            self.assertEqual(under_test.stat('limit_maxbytes'), str(cores << 23))

    @unittest.skipIf(server.ORIGINAL, 'it needs some of them for itself')
    def test_connections(self):
        under_test = self.start('--conn-limit=5')
        clients = [under_test.connect_alone()] + [under_test.connect() for _ in range(4)]
        for client in clients:
            self.assertEqual(client.ask(b'mn\r\n'), b'MN\r\n')
        with under_test.connect() as one_more:
            self.assertEqual(one_more.read_all(), b'ERROR Too many open connections\r\n')
        for client in clients:
            client.close()

    def test_item_size(self):
        for size, limit in (('1k', 1024), ('512k', 512 << 10), ('512K', 512 << 10), ('1m', 1 << 20),
                            ('1M', 1 << 20), ('524288', 512 << 10), ('5m', 5 << 20)):
            if server.ORIGINAL and limit < 512 << 10:
                continue  # it wants multiples of its largest chunk
            with self.subTest(size=size):
                under_test = self.start('-I', size)
                self.assertEqual(self.settings(under_test)['item_size_max'], str(limit))
                for length, answer in ((limit - 200, b'STORED'),
                                       (limit + 1, b'SERVER_ERROR object too large for cache')):
                    stored = b'set a 0 0 %d\r\n%s' % (length, b'x' * length)
                    self.answers(under_test, stored, answer)

    def test_flush(self):
        for flag in ('-F', '--disable-flush-all'):
            self.answers(self.start(flag), b'flush_all', b'CLIENT_ERROR flush_all not allowed')

    def test_evictions(self):
        """Without -M everything is stored and something goes; with it, what is stored stays."""
        value = b'x' * 10000
        for flag in (None, '-M', '--disable-evictions'):
            under_test = self.start('-m', '8', *((flag,) if flag else ()))
            self.assertEqual(self.settings(under_test)['evictions'], 'off' if flag else 'on')
            with under_test.connect() as client:
                answers = [client.ask(b'set key-%d 0 0 %d\r\n%s\r\n' % (i, len(value), value))
                           for i in range(1000)]
                stored = answers.count(b'STORED\r\n')
                there = sum(client.ask(b'mg key-%d\r\n' % i) == b'HD\r\n' for i in range(1000))
            self.assertEqual(there == stored, flag is not None)
            self.assertGreater(there, 600)
            if flag:
                refused = b'SERVER_ERROR out of memory storing object\r\n'
                self.assertEqual(answers[stored:], [refused] * (1000 - stored))

    def test_dump(self):
        for flag in ('-X', '--disable-dumping'):
            under_test = self.start(flag)
            self.answers(under_test, b'lru_crawler metadump all', b'ERROR metadump not allowed')
            self.answers(under_test, b'stats cachedump 1 1',
                         b'CLIENT_ERROR stats cachedump not allowed')

    def test_shutdown(self):
        self.answers(self.start(), b'shutdown', b'SERVER_ERROR: shutdown not enabled')
        for flag in ('-A', '--enable-shutdown'):
            under_test = self.start(flag)
            with under_test.connect() as client:
                client.send(b'shutdown\r\n')
                self.assertEqual(under_test.process.wait(server.TIMEOUT_S), 0)

    def test_prefixes(self):
        under_test = self.start('-D', '/')
        self.answers(under_test, b'get a/b', b'END')
        self.answers(under_test, b'stats detail dump', b'PREFIX a get 1 hit 0 set 0 del 0')

    def test_combined_letters(self):
        """Ended by one that takes a value, which may hang on it."""
        under_test = self.start('-FXAm32')
        settings = self.settings(under_test)
        self.assertEqual([settings[name] for name in ('flush_enabled', 'dump_enabled',
                                                      'shutdown_command', 'maxbytes')],
                         ['no', 'no', 'yes', str(32 << 20)])

    def test_verbose(self):
        for flags, level in ((('-v',), 1), (('-vv',), 2), (('-vvv',), 3), (('-v', '--verbose'), 2),
                             (('--verbose=3',), 1)):
            with self.subTest(flags=flags):
                under_test = self.start(*flags, talks=True)
                self.assertEqual(self.settings(under_test)['verbosity'], str(level))
                if not server.ORIGINAL:
                    self.assertRegex(under_test.errors(), r'(?m)Z \d+ opened by ')
                    self.assertEqual(' version\n' in under_test.errors(), level > 1)

    def test_no_udp(self):
        for flags in (('-U', '0'), ('-U0',), ('--udp-port=0',)):
            under_test = self.start(*flags)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(('127.0.0.1', under_test.port))
                probe.settimeout(1)
                with self.assertRaises(ConnectionRefusedError):
                    probe.send(b'\0\1\0\0\0\1\0\0version\r\n')
                    probe.recv(100)

    def test_words(self):
        """Lists, given again, and the [no_] forms: the last one counts."""
        for words, wanted in (
                (('lru_crawler_sleep=200,lru_crawler_tocrawl=1000',),
                 {'lru_crawler_sleep': '200', 'lru_crawler_tocrawl': '1000'}),
                (('lru_crawler_sleep=200', 'lru_crawler_sleep=300,'), {'lru_crawler_sleep': '300'}),
                (('idle_timeout=77,maxconns_fast,track_sizes',), {'maxconns_fast': 'yes'}),
                (('no_lru_crawler',), {'lru_crawler': 'no'}),
                (('hits=bytes',), {'hits': 'bytes'}), (('hits=bytes,hits=objects',), {'hits': 'objects'}),
                (('lru_crawler',), {'lru_crawler': 'yes'}),
                (('modern',), {'lru_crawler': 'yes'}), (('no_modern',), {'lru_crawler': 'no'}),
                (('no_modern,lru_crawler',), {'lru_crawler': 'yes'}),
                (('no_lru_crawler,lru_crawler_sleep=1',), {'lru_crawler': 'no'})):
            with self.subTest(words=words):
                flags = [part for word in words for part in ('-o', word)]
                settings = self.settings(self.start(*flags))
                self.assertEqual({name: settings[name] for name in wanted}, wanted)

    @unittest.skipIf(server.ORIGINAL, 'its crawler comes by once in a while')
    def test_no_crawler(self):
        """What has expired stays until a client enables the crawler, which comes at once where memory is short."""
        for off, on in (('--extended=no_lru_crawler', '-olru_crawler'),
                        ('-ono_modern', '-omodern')):
            resting, working = self.start(off, '-m8', '-t1'), self.start(on, '-m8', '-t1')
            for under_test in (resting, working):
                with under_test.connect() as client:
                    client.send(b''.join(b'set full%d 0 0 1000 noreply\r\n%01000d\r\n' % (n, n) for n in range(9000)))
                    self.assertEqual(client.ask(b'set a 0 1 1\r\nx\r\n'), b'STORED\r\n')
            self.is_reclaimed(working)
            self.assertEqual(resting.stat('crawler_reclaimed'), '0')
            self.answers(resting, b'lru_crawler enable', b'OK')
            self.is_reclaimed(resting)

    def is_reclaimed(self, under_test):
        deadline = time.monotonic() + server.TIMEOUT_S
        while under_test.stat('crawler_reclaimed') != '1':
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_sizes_are_tracked(self):
        under_test = self.start('-o', 'track_sizes')
        self.answers(under_test, b'set a 0 0 1\r\nx', b'STORED')
        with under_test.connect() as client:
            self.assertRegex(client.ask(b'stats sizes\r\n'), rb'^STAT \d+ 1\r\n$')


class Completion(unittest.TestCase):
    """The bash completion, asked."""

    SCRIPT = os.path.join(os.path.dirname(__file__), '../../core/dist/simplecache.bash-completion')

    def offers(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _simplecache; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(['bash', '-c', script, 'bash', self.SCRIPT, 'simplecache', *words],
                              stdout=subprocess.PIPE, timeout=server.TIMEOUT_S, check=True,
                              text=True)
        return done.stdout.split()

    def test_completion(self):
        self.assertEqual(self.offers('--mem'), ['--memory-limit', '--memory-file'])
        self.assertEqual(self.offers('-v', '--th'), ['--threads'])
        self.assertEqual(self.offers('-B', ''), ['auto', 'ascii', 'binary'])
        self.assertEqual(self.offers('-o', 'id'), ['idle_timeout='])
        self.assertEqual(self.offers('-o', 'spin=0,ri'), ['spin=0,ring_capacity='])
        self.assertEqual(self.offers('-u', 'roo'), ['root'])
        self.assertIn('-D', self.offers('-'))


if __name__ == '__main__':
    server.main()
