#!/bin/sh
# php-memcache 8.0+4.0.5.2 of Debian 12 (pecl memcache): a cas of a key that has been deleted meanwhile is answered
# NOT_FOUND by the server, as the protocol has it, and the client takes the server for failed: it says so in a notice,
# and every call fails for retry_interval, of itself 15 s. Seen with PHP 8.2 and Debian's memcached 1.6.18:
#   cas false, set false, after 2 s: set true
# with a retry_interval of 1 s; the set beside it should have been true at once. Fails when that has changed.
# Needs PHP 8.2 and memcached (Debian: php8.2-cli, memcached). Unpacks the package of the client in a temporary folder.
set -eu
version='8.0+4.0.5.2+3.0.9~20170802.e702b5f9+-8'
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q "php8.2-memcache=$version" > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg-deb -x php8.2-memcache_*.deb client
MEMCACHED_PORT_FILENAME=$folder/port memcached -u "$(id -un)" -l 127.0.0.1 -p -1 2> memcached.log &
server=$!
cat > cas.php <<'END'
<?php
error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE);
$client = new Memcache();
$client->addServer('127.0.0.1', (int)$argv[1], false, 1, 1, 1);
$flags = $token = null;
$client->set('key', 'old');
$client->get('key', $flags, $token);
$client->delete('key');
$cas = $client->cas('key', 'new', 0, 0, $token);
$set = @$client->set('other', 'value');
sleep(2);
echo 'cas ', var_export($cas, true), ', set ', var_export($set, true),
    ', after 2 s: set ', var_export($client->set('other', 'value'), true), "\n";
END
for _ in $(seq 100); do
    test -s port && break
    sleep 0.1
done
port=$(sed -n 's/^TCP INET: //p' port)
seen=$(php -n -d "extension=$(find "$folder/client" -name memcache.so)" cas.php "$port")
echo "$seen"
test "$seen" = 'cas false, set false, after 2 s: set true'
