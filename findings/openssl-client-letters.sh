#!/bin/sh
# s_client of openssl 3.0.22-1~deb12u2 (Debian 12): input that begins with the letter of a command (K: new keys) is that
# command, and whatever came in the same read is dropped, without a word, though the manual speaks of lines. Who types, or
# writes line by line with time between, never sees it; a pipe does. Seen, by a server that prints what it gets:
#   together: no line; apart: hello
# The first should be hello, too. Fails when that has changed. Needs python3 beside.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q openssl=3.0.22-1~deb12u2 libssl3=3.0.22-1~deb12u2 > apt.log 2>&1 || { cat apt.log; exit 1; }
for package in *.deb; do
    dpkg-deb -x "$package" unpacked
done
cat > ask.py <<'END'
import os
import subprocess
import sys

openssl = './unpacked/usr/bin/openssl'
libraries = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(sys.argv[1]))


def run(*words, stderr=subprocess.STDOUT):
    return subprocess.Popen([openssl, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=libraries)


def until(process, end):
    while line := process.stdout.readline():
        if line.endswith(end):
            return True
    return False


def write(process, data):
    os.write(process.stdin.fileno(), data)


def seen(together):
    """Whether a server gets the line."""
    server = run('s_server', '-accept', '0', '-key', 'key.pem', '-cert', 'cert.pem', '-naccept', '1',
                 stderr=subprocess.DEVNULL)
    while not (line := server.stdout.readline().decode()).startswith('ACCEPT'):
        assert line, 'no server'
    client = run('s_client', '-connect', '127.0.0.1:' + line.rpartition(':')[2].strip(), '-tls1_3')
    until(client, b'Verify return code: 18 (self-signed certificate)\n')
    if together:
        write(client, b'K\nhello\n')
        until(client, b'KEYUPDATE\n')
    else:
        write(client, b'K\n')
        until(client, b'KEYUPDATE\n')
        write(client, b'hello\n')
    client.communicate()
    lines = server.communicate()[0].decode().split('\n')
    return 'hello' if any(line.endswith('hello') for line in lines) else 'no line'


subprocess.run([openssl, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem',
                '-subj', '/CN=localhost', '-config', '/dev/null'], env=libraries, stderr=subprocess.DEVNULL)
print('together: %s; apart: %s' % (seen(True), seen(False)))
END
seen=$(python3 ask.py "$(find unpacked -name libssl.so.3)")
echo "$seen"
test "$seen" = 'together: no line; apart: hello'
