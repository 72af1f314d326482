#!/bin/sh
# dalli 3.0.6 of Debian 12 (ruby-dalli): client.replace of a key that isn't there answers 0, which is true in Ruby. Its
# documentation: "Conditionally add a key/value pair, only if the key already exists on the server. Returns truthy if the
# operation succeeded." add of a key that is there answers false, as documented. Seen with Ruby 3.1 and Debian's
# memcached 1.6.18:
#   replace of a missing key: 0, which is true; add of an old key: false; get: nil
# Fails when that has changed.
# Needs ruby and memcached (Debian: ruby, memcached). Unpacks the package of the client in a temporary folder.
set -eu
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q ruby-dalli=3.0.6-1.1 > apt.log 2>&1 || { cat apt.log; exit 1; }
dpkg-deb -x ruby-dalli_*.deb client
MEMCACHED_PORT_FILENAME=$folder/port memcached -u "$(id -un)" -l 127.0.0.1 -p -1 2> memcached.log &
server=$!
cat > replace.rb <<'END'
require 'logger'
require 'dalli'
Dalli.logger = Logger.new(File::NULL)
client = Dalli::Client.new("127.0.0.1:#{ARGV[0]}")
client.set('old', 'value')
said = client.replace('missing', 'value')
puts "replace of a missing key: #{said.inspect}, which is #{said ? true : false}; " \
     "add of an old key: #{client.add('old', 'x').inspect}; get: #{client.get('missing').inspect}"
END
for _ in $(seq 100); do
    test -s port && break
    sleep 0.1
done
port=$(sed -n 's/^TCP INET: //p' port)
seen=$(ruby -I "$folder/client/usr/share/rubygems-integration/all/gems/dalli-3.0.6/lib" replace.rb "$port")
echo "$seen"
test "$seen" = 'replace of a missing key: 0, which is true; add of an old key: false; get: nil'
