<?php
/* Everyday calls of php-memcached; clients_php.py runs it: PORT, then text or binary. Each line says
 * ok or not ok and what. */

error_reporting(E_ALL);
$port = (int)$argv[1];
$binary = $argv[2] === 'binary';

function client(array $options = [])
{
    global $port, $binary;
    $client = new Memcached();
    $client->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
    $client->setOption(Memcached::OPT_POLL_TIMEOUT, 60000); // on a busy machine
    $client->setOptions($options);
    $client->addServer('127.0.0.1', $port);
    return $client;
}

function same($wanted, $found, string $what)
{
    if ($wanted === $found) {
        echo "ok $what\n";
    } else {
        echo "not ok $what: ", substr(var_export($found, true), 0, 300), " instead of ",
            substr(var_export($wanted, true), 0, 300), "\n";
    }
}

$m = client();
same(true, $m->flush(), 'flush');

/* Values of every type, whose kind travels in the client flags. */
foreach (['text', '', "bytes\0\xff\r\n", 42, -1, 1.5, true, false, null, ['a' => [1, 2]]] as $value) {
    same(true, $m->set('key', $value), 'set ' . gettype($value));
    same($value, $m->get('key'), 'get ' . gettype($value));
    same(Memcached::RES_SUCCESS, $m->getResultCode(), 'result code ' . gettype($value));
}
$object = new stdClass();
$object->name = 'value';
$m->set('object', $object);
same('value', $m->get('object')->name, 'object');
same(false, $m->get('none'), 'miss');
same(Memcached::RES_NOTFOUND, $m->getResultCode(), 'result code of a miss');
same('made', $m->get('made', function ($client, $key, &$value) {
    $value = 'made';
    return true;
}), 'read through');
same('made', $m->get('made'), 'read through stored');

/* Many at once. */
$values = [];
for ($n = 0; $n < 500; $n++) {
    $values["multi$n"] = "value $n";
}
same(true, $m->setMulti($values, 1000), 'setMulti');
same($values, $m->getMulti(array_keys($values), Memcached::GET_PRESERVE_ORDER), 'getMulti');
same(['multi2' => 'value 2', 'none' => null, 'multi1' => 'value 1'],
     $m->getMulti(['multi2', 'none', 'multi1'], Memcached::GET_PRESERVE_ORDER), 'getMulti in order');
same(true, $m->getDelayed(['multi1', 'multi2']), 'getDelayed');
same(2, count($m->fetchAll()), 'fetchAll');
same(['multi1' => true, 'multi2' => true, 'none' => Memcached::RES_NOTFOUND],
     $m->deleteMulti(['multi1', 'multi2', 'none']), 'deleteMulti');
same(['multi3' => 'value 3'], $m->getMulti(['multi1', 'multi3']), 'after deleteMulti');

/* CAS. */
$m->set('cas', 'old');
$extended = $m->get('cas', null, Memcached::GET_EXTENDED);
same('old', $extended['value'], 'get with a CAS');
same(true, $m->cas($extended['cas'], 'cas', 'new'), 'cas');
same(false, $m->cas($extended['cas'], 'cas', 'newer'), 'cas again');
same(Memcached::RES_DATA_EXISTS, $m->getResultCode(), 'result code of cas again');
same('new', $m->get('cas'), 'after cas');
same(2, count($m->getMulti(['cas', 'multi3'], Memcached::GET_EXTENDED)), 'getMulti with CAS');

/* Conditions. */
same(false, $m->replace('add', 'x'), 'replace of a missing key');
same(true, $m->add('add', 'first'), 'add');
same(false, $m->add('add', 'second'), 'add again');
same($binary ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED, $m->getResultCode(),
     'result code of add again');
same(true, $m->replace('add', 'third'), 'replace');
same('third', $m->get('add'), 'after replace');
same(true, $m->delete('add'), 'delete');
same(false, $m->delete('add'), 'delete again');

/* Numbers. */
$m->set('n', 5);
same(15, $m->increment('n', 10), 'increment');
same(12, $m->decrement('n', 3), 'decrement');
same(0, $m->decrement('n', 100), 'decrement to 0');
same(false, $m->increment('nosuch'), 'increment of a missing key');
if ($binary) {
    same(7, $m->increment('fresh', 1, 7, 1000), 'increment with an initial value');
    same(8, $m->increment('fresh', 1, 7, 1000), 'increment of it');
    same(3, $m->decrement('fresh2', 1, 3), 'decrement with an initial value');
}

/* Times. */
same(true, $m->set('touched', 'x', 1000), 'set with a time');
same(true, $m->touch('touched', 2000), 'touch');
same(false, $m->touch('none', 2000), 'touch of a missing key');
same('x', $m->get('touched'), 'after touch');
same(true, $m->set('past', 'x', time() - 100), 'set in the past');
same(false, $m->get('past'), 'get of the past');

/* Append, which the client allows without compression only. */
$plain = client([Memcached::OPT_COMPRESSION => false]);
$plain->set('text', 'mid');
same(true, $plain->append('text', '-end'), 'append');
same(true, $plain->prepend('text', 'beg-'), 'prepend');
same('beg-mid-end', $plain->get('text'), 'after append and prepend');
same(false, $plain->append('none', 'x'), 'append to a missing key');

/* Large values, compressed and not. */
$large = str_repeat('compressible ', 200000);
same(true, $m->set('large', $large), 'set of a compressed value');
same(true, $m->get('large') === $large, 'get of a compressed value');
mt_srand(1);
foreach ([1 << 10, 16 << 10, 100 << 10, 900 << 10] as $size) {
    $bytes = '';
    while (strlen($bytes) < $size) {
        $bytes .= pack('V', mt_rand());
    }
    same(true, $plain->set('bytes', $bytes), "set of $size bytes");
    same(true, $plain->get('bytes') === $bytes, "get of $size bytes");
}
same(false, $plain->set('bytes', str_repeat('x', 2 << 20)), 'set of too much');
same(Memcached::RES_E2BIG, $plain->getResultCode(), 'result code of too much');
same(false, $plain->get('bytes'), 'too much drops the old value');

/* Flags of the user, in all 32 bits' upper half. */
$flagged = client([Memcached::OPT_USER_FLAGS => 0xabcd]);
$flagged->set('flagged', 'x');
same(0xabcd, $flagged->get('flagged', null, Memcached::GET_EXTENDED)['flags'], 'user flags');

/* Serializers. */
foreach (['PHP' => Memcached::SERIALIZER_PHP, 'JSON' => Memcached::SERIALIZER_JSON_ARRAY,
          'igbinary' => Memcached::HAVE_IGBINARY ? Memcached::SERIALIZER_IGBINARY : null,
          'msgpack' => Memcached::HAVE_MSGPACK ? Memcached::SERIALIZER_MSGPACK : null] as $name => $kind) {
    if ($kind !== null) {
        $one = client([Memcached::OPT_SERIALIZER => $kind]);
        $one->set('serialized', ['a' => [1, 'two', null]]);
        same(['a' => [1, 'two', null]], $one->get('serialized'), "serializer $name");
    }
}

/* Without waiting for replies, and buffered. */
$quiet = client([Memcached::OPT_NOREPLY => true]);
for ($n = 0; $n < 100; $n++) {
    $quiet->set("quiet$n", "v$n");
}
$quiet->delete('quiet5');
$quiet->setOption(Memcached::OPT_NOREPLY, false);
same('v99', $quiet->get('quiet99'), 'noreply');
same(false, $quiet->get('quiet5'), 'noreply delete');
$buffered = client([Memcached::OPT_BUFFER_WRITES => true]);
for ($n = 0; $n < 100; $n++) {
    $buffered->set("buffered$n", "v$n");
}
same('v50', $buffered->get('buffered50'), 'buffered writes');

/* Prefixes and keys. */
$prefixed = client([Memcached::OPT_PREFIX_KEY => 'app:']);
$prefixed->set('key', 'prefixed');
same('prefixed', $m->get('app:key'), 'prefix');
same(false, $m->set(str_repeat('k', 251), 'x'), 'key that is too long');

/* The server. */
$stats = $m->getStats()["127.0.0.1:$port"];
same(true, $stats['pid'] > 0 && isset($stats['curr_items']), 'getStats');
same(true, isset($m->getStats('settings')["127.0.0.1:$port"]['maxbytes']), 'getStats of a kind');
same(1, preg_match('/^[1-9]/', $m->getVersion()["127.0.0.1:$port"]), 'getVersion');
same(true, $m->flush(), 'flush at the end');
same(false, $m->get('n'), 'after flush');
same(true, $m->quit(), 'quit');
echo "done\n";
