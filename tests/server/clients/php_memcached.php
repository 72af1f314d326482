<?php
/* php-memcached, with the port and text or binary; calls.php tells how it is driven. */

require __DIR__ . '/calls.php';

$client = new Memcached();
$client->setOptions([Memcached::OPT_BINARY_PROTOCOL => $argv[2] === 'binary', Memcached::OPT_COMPRESSION => false,
                     Memcached::OPT_RETRY_TIMEOUT => 1, Memcached::OPT_POLL_TIMEOUT => 10000]);
$client->addServer('127.0.0.1', (int)$argv[1]);
$tokens = [];

/* What a call has answered, and how the client says that it went. */
function told($answer)
{
    global $client;
    return var_export($answer, true) . ' ' . $client->getResultMessage();
}

serve([
    'get' => function ($key) use ($client) {
        $value = $client->get($key);
        return $value === false ? ($client->getResultCode() === Memcached::RES_NOTFOUND ? 'miss' : told(false))
            : $value;
    },
    'set' => fn ($key, $value, $expires) => told($client->set($key, $value, (int)$expires)),
    'add' => fn ($key, $value, $expires) => told($client->add($key, $value, (int)$expires)),
    'replace' => fn ($key, $value, $expires) => told($client->replace($key, $value, (int)$expires)),
    'append' => fn ($key, $value) => told($client->append($key, $value)),
    'prepend' => fn ($key, $value) => told($client->prepend($key, $value)),
    'delete' => fn ($key) => told($client->delete($key)),
    'incr' => fn ($key, $amount) => told($client->increment($key, (int)$amount)),
    'decr' => fn ($key, $amount) => told($client->decrement($key, (int)$amount)),
    'incr_from' => $argv[2] === 'text' ? null : fn ($key, $amount, $initial) =>
        told($client->increment($key, (int)$amount, (int)$initial)),
    'touch' => fn ($key, $expires) => told($client->touch($key, (int)$expires)),
    'gets' => function ($key) use ($client, &$tokens) {
        $item = $client->get($key, null, Memcached::GET_EXTENDED);
        $tokens[$key] = $item['cas'] ?? 0;
        return $item['value'] ?? 'miss';
    },
    'cas' => function ($key, $value, $expires) use ($client, &$tokens) {
        return told($client->cas($tokens[$key], $key, $value, (int)$expires));
    },
    'get_many' => function (...$keys) use ($client) {
        $found = $client->getMulti($keys);
        return $found === false ? told(false) : found_many($found);
    },
    'set_many' => fn ($expires, ...$words) => told($client->setMulti(pairs($words), (int)$expires)),
    'delete_many' => fn (...$keys) => var_export($client->deleteMulti($keys), true),
    'flush' => fn () => told($client->flush()),
    'version' => fn () => preg_match('/^[1-9]/', current($client->getVersion())) ? 'true' : 'false',
    'stats' => function () use ($client) {
        $said = current($client->getStats());
        return "curr_items {$said['curr_items']}, pid " . ($said['pid'] > 0 ? 'true' : 'false');
    },
    'stats_settings' => fn () => (string)current($client->getStats('settings'))['maxbytes'],
]);
