<?php
/* Reads calls from the standard input, one a line, words between tabs, and prints a line for each: what the client has
 * answered. The caller's table has a function for each call that the client knows. */

error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stdout');
ini_set('memory_limit', '512M');

/* What get_many has found, by key, in the keys' order. */
function found_many(array $values)
{
    ksort($values, SORT_STRING);
    $shown = [];
    foreach ($values as $key => $value) {
        $shown[] = "$key=$value";
    }
    return implode(' ', $shown);
}

/* An array of key, value, key, value. */
function pairs(array $words)
{
    $values = [];
    foreach (array_chunk($words, 2) as [$key, $value]) {
        $values[$key] = $value;
    }
    return $values;
}

function serve(array $calls)
{
    while (($line = fgets(STDIN)) !== false) {
        $words = explode("\t", rtrim($line, "\n"));
        $name = array_shift($words);
        $answer = isset($calls[$name]) ? $calls[$name](...$words) : 'no such call';
        echo preg_replace('/\s*\n\s*/', ' ', $answer), "\n";
    }
}
