<?php
/* A set and a get of php-memcached with SASL; sasl.py runs it: PORT USER PASSWORD. */

error_reporting(E_ALL);
$client = new Memcached();
$client->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
$client->setOption(Memcached::OPT_POLL_TIMEOUT, 60000); // on a busy machine
$client->setSaslAuthData($argv[2], $argv[3]);
$client->addServer('127.0.0.1', (int)$argv[1]);
echo 'set ', var_export($client->set('key', 'value'), true), "\n";
$found = $client->get('key');
echo 'get ', is_string($found) ? $found : var_export($found, true), "\n";
