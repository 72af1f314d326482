<?php
/* php-memcache, with the port; calls.php tells how it is driven. */

require __DIR__ . '/calls.php';

/* Of itself it leaves a server alone for 15 s after an error. */
$client = new Memcache();
$client->addServer('127.0.0.1', (int)$argv[1], false, 1, 10, 1);
$tokens = [];

function told($answer)
{
    return var_export($answer, true);
}

serve([
    'get' => function ($key) use ($client) {
        $value = @$client->get($key);
        return $value === false ? 'miss' : $value;
    },
    'set' => fn ($key, $value, $expires) => told(@$client->set($key, $value, 0, (int)$expires)),
    'add' => fn ($key, $value, $expires) => told(@$client->add($key, $value, 0, (int)$expires)),
    'replace' => fn ($key, $value, $expires) => told(@$client->replace($key, $value, 0, (int)$expires)),
    'append' => fn ($key, $value) => told(@$client->append($key, $value)),
    'prepend' => fn ($key, $value) => told(@$client->prepend($key, $value)),
    'delete' => fn ($key) => told(@$client->delete($key)),
    'incr' => fn ($key, $amount) => told(@$client->increment($key, (int)$amount)),
    'decr' => fn ($key, $amount) => told(@$client->decrement($key, (int)$amount)),
    'gets' => function ($key) use ($client, &$tokens) {
        $flags = $token = null;
        $value = @$client->get($key, $flags, $token);
        $tokens[$key] = $token;
        return $value === false ? 'miss' : $value;
    },
    'cas' => function ($key, $value, $expires) use ($client, &$tokens) {
        return told(@$client->cas($key, $value, 0, (int)$expires, $tokens[$key]));
    },
    'get_many' => function (...$keys) use ($client) {
        $found = @$client->get($keys);
        return $found === false ? told(false) : found_many($found);
    },
    'set_many' => fn ($expires, ...$words) => told(@$client->set(pairs($words), null, 0, (int)$expires)),
    'delete_many' => fn (...$keys) => told(@$client->delete($keys)),
    'flush' => fn () => told(@$client->flush()),
    'version' => fn () => preg_match('/^[1-9]/', $client->getVersion()) ? 'true' : 'false',
    'stats' => function () use ($client) {
        $said = $client->getStats();
        return "curr_items {$said['curr_items']}, pid " . ($said['pid'] > 0 ? 'true' : 'false');
    },
    'compressed' => function () use ($client) {
        $value = str_repeat('compressible ', 20000);
        return told([$client->set('compressed', $value, MEMCACHE_COMPRESSED), $client->get('compressed') === $value]);
    },
]);
