#!/bin/sh
# hashring 3.2.0 of npm, the newest, which npm's memcached places keys with, and libmemcached 1.1.4 are one ketama ring
# with most numbers of servers, and two with 25, 47, 50, 55 and others: libmemcached computes how many points each server
# gets, floor(1 / 25 * 40 * 25) * 4, in single precision, and comes to 156, hashring in double precision to 160. Then one key
# in 40 is at another server for the one than for the other. Seen with Debian's php-memcached 3.2.0 and Node.js 20, of
# 2,000 keys the same server:
#   24: 2000 25: 1956 26: 2000 47: 1948 50: 1947
# Fails when that has changed.
# Needs node, npm, and PHP (Debian: nodejs, npm, php-cli, php-memcached). Installs hashring in a temporary folder. Nothing is
# connected to.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > package.json <<'END'
{"name": "finding", "private": true, "dependencies": {"hashring": "3.2.0"}}
END
cat > package-lock.json <<'END'
{"name": "finding", "lockfileVersion": 3, "requires": true, "packages": {
  "": {"name": "finding", "dependencies": {"hashring": "3.2.0"}},
  "node_modules/hashring": {"version": "3.2.0",
    "integrity": "sha512-xCMovURClsQZ+TR30icCZj+34Fq1hs0y6YCASD6ZqdRfYRybb5Iadws2WS+w09mGM/kf9xyA5FCdJQGcgcraSA==",
    "dependencies": {"connection-parse": "0.0.x", "simple-lru-cache": "0.0.x"}},
  "node_modules/connection-parse": {"version": "0.0.7",
    "integrity": "sha512-bTTG28diWg7R7/+qE5NZumwPbCiJOT8uPdZYu674brDjBWQctbaQbYlDKhalS+4i5HxIx+G8dZsnBHKzWpp01A=="},
  "node_modules/simple-lru-cache": {"version": "0.0.2",
    "integrity": "sha512-uEv/AFO0ADI7d99OHDmh1QfYzQk/izT1vCmu/riQfh7qjBVUUgRT87E5s5h7CxWCA/+YoZerykpEthzVrW3LIw=="}}}
END
npm ci --ignore-scripts --no-audit --no-fund > npm.log 2>&1 || { cat npm.log; exit 1; }
cat > place.js <<'END'
const HashRing = require('hashring');
const servers = process.argv[2].split(',');
const ring = new HashRing(servers, 'md5');
for (let i = 0; i < 2000; i++) {
    console.log(`key:${i} ${ring.get('key:' + i)}`);
}
END
cat > place.php <<'END'
<?php
$client = new Memcached();
$client->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, true);
foreach (explode(",", $argv[1]) as $server) {
    [$host, $port] = explode(":", $server);
    $client->addServer($host, (int)$port);
}
for ($i = 0; $i < 2000; $i++) {
    $place = $client->getServerByKey("key:$i");
    echo "key:$i ", $place["host"], ":", $place["port"], "\n";
}
END
seen=
for count in 24 25 26 47 50; do
    servers=$(seq -s, -f 10.0.0.%.0f:11300 "$count")
    node place.js "$servers" > npm.txt
    php place.php "$servers" > php.txt
    seen="$seen$count: $(grep -cxFf npm.txt php.txt) "
done
seen=${seen% }
echo "$seen"
test "$seen" = '24: 2000 25: 1956 26: 2000 47: 1948 50: 1947'
