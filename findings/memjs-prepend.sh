#!/bin/sh
# memjs 1.3.2 of npm, the newest: client.prepend(key, value) puts the value behind the old one, not in front of it, and
# says true. It sends opcode 0x0e, append, instead of 0x0f. Its documentation: "Prepend the given value to the value
# associated with the given key". Seen with Debian's memcached 1.6.18 and Node.js 20:
#   prepend true, then get: middlefront-
# where front-middle was wanted. Fails when that has changed.
# Needs node, npm, and memcached (Debian: nodejs, npm, memcached). Installs memjs in a temporary folder.
set -eu
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
cat > package.json <<'END'
{"name": "finding", "private": true, "dependencies": {"memjs": "1.3.2"}}
END
cat > package-lock.json <<'END'
{"name": "finding", "lockfileVersion": 3, "requires": true, "packages": {
  "": {"name": "finding", "dependencies": {"memjs": "1.3.2"}},
  "node_modules/memjs": {"version": "1.3.2",
    "integrity": "sha512-qUEg2g8vxPe+zPn09KidjIStHPtoBO8Cttm8bgJFWWabbsjQ9Av9Ky+6UcvKx6ue0LLb/LEhtcyQpRyKfzeXcg=="}}}
END
npm ci --ignore-scripts --no-audit --no-fund > npm.log 2>&1 || { cat npm.log; exit 1; }
MEMCACHED_PORT_FILENAME=$folder/port memcached -u "$(id -un)" -l 127.0.0.1 -p -1 2> memcached.log &
server=$!
cat > prepend.js <<'END'
const memjs = require('memjs');

async function prepend(client) {
    await client.set('key', 'middle', {});
    const said = await client.prepend('key', 'front-');
    console.log(`prepend ${said}, then get: ${(await client.get('key')).value}`);
    client.close();
}
prepend(memjs.Client.create(`127.0.0.1:${process.argv[2]}`));
END
for _ in $(seq 100); do
    test -s port && break
    sleep 0.1
done
port=$(sed -n 's/^TCP INET: //p' port)
seen=$(node prepend.js "$port")
echo "$seen"
test "$seen" = 'prepend true, then get: middlefront-'
