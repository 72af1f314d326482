# Everyday calls of Cache::Memcached::Fast; clients_perl.py runs it with a port. Each line says ok or
# not ok and what.
use strict;
use warnings;
use Cache::Memcached::Fast;

my ($port) = @ARGV;
my $server = "127.0.0.1:$port";
my $memd = Cache::Memcached::Fast->new({servers => [$server], compress_threshold => 10_000, connect_timeout => 60,
                                         io_timeout => 60});

# Prototypes give arguments scalar context, where a miss is undef and not nothing.
sub same($$$) {
    my ($found, $wanted, $what) = @_;
    $_ = defined $_ ? $_ : 'undef' for $found, $wanted;
    print $found eq $wanted ? "ok $what\n"
        : "not ok $what: " . substr($found, 0, 200) . ' instead of ' . substr($wanted, 0, 200) . "\n";
}

sub shown($) { my ($hash) = @_; return join ',', map { "$_=$hash->{$_}" } sort keys %$hash }

same($memd->flush_all->{$server}, 1, 'flush_all');
same($memd->set('key', 'value'), 1, 'set');
same($memd->get('key'), 'value', 'get');
same($memd->get('none'), undef, 'miss');
same($memd->set('empty', ''), 1, 'set of nothing');
same($memd->get('empty'), '', 'get of nothing');
same($memd->set('bytes', "\0\xff\r\nEND\r\n"), 1, 'set of bytes');
same($memd->get('bytes'), "\0\xff\r\nEND\r\n", 'get of bytes');
$memd->set('hash', {a => [1, 2, 3]});
same($memd->get('hash')->{a}[2], 3, 'a structure');

my @pairs = map { ["multi$_", "value $_", 1000] } 1 .. 500;
same(scalar(grep { $_ } $memd->set_multi(@pairs)), 500, 'set_multi');
my $all = $memd->get_multi(map { $_->[0] } @pairs);
same(scalar(grep { $all->{$_->[0]} eq $_->[1] } @pairs), 500, 'get_multi');
same(shown($memd->get_multi('multi1', 'none', 'multi2')), 'multi1=value 1,multi2=value 2',
     'get_multi with a miss');
same(scalar(grep { $_ } $memd->delete_multi('multi1', 'none', 'multi2')), 2, 'delete_multi');
same(shown($memd->get_multi('multi1', 'multi3')), 'multi3=value 3', 'after delete_multi');

same($memd->add('add', 'first'), 1, 'add');
same($memd->add('add', 'second'), '', 'add again');
same($memd->replace('add', 'third'), 1, 'replace');
same($memd->replace('none', 'x'), '', 'replace of a missing key');
same($memd->get('add'), 'third', 'after replace');
same($memd->append('add', '-end'), 1, 'append');
same($memd->prepend('add', 'beg-'), 1, 'prepend');
same($memd->get('add'), 'beg-third-end', 'after append and prepend');
same($memd->append('none', 'x'), '', 'append to a missing key');
same($memd->delete('add'), 1, 'delete');
same($memd->delete('add'), '', 'delete again');

my $pair = $memd->gets('key');
same($pair->[1], 'value', 'gets');
same($memd->cas('key', $pair->[0], 'new'), 1, 'cas');
same($memd->cas('key', $pair->[0], 'newer'), '', 'cas again');
same($memd->cas('none', $pair->[0], 'x'), '', 'cas of a missing key');
my $tokens = $memd->gets_multi('key', 'multi3', 'none');
same(scalar(keys %$tokens), 2, 'gets_multi');
same(scalar(grep { $_ } $memd->cas_multi(map { [$_, $tokens->{$_}[0], 'cas'] } keys %$tokens)), 2,
     'cas_multi');
same($memd->get('key'), 'cas', 'after cas_multi');

$memd->set('n', 5);
same($memd->incr('n', 10), 15, 'incr');
same($memd->decr('n', 3), 12, 'decr');
same($memd->decr('n', 100), '0E0', 'decr to 0');
same($memd->incr('none'), '', 'incr of a missing key');
$memd->set('n', 5);
same(shown($memd->incr_multi(['n', 2], ['none', 1])), 'n=7,none=', 'incr_multi');

same($memd->set('touched', 'x', 1000), 1, 'set with a time');
same($memd->touch('touched', 2000), 1, 'touch');
same($memd->touch('none', 2000), '', 'touch of a missing key');
same(shown($memd->gat_multi(1000, 'touched', 'none')), 'touched=x', 'gat_multi');
same($memd->gat(1000, 'touched'), 'x', 'gat');
same($memd->set('past', 'x', -1), 1, 'set in the past');
same($memd->get('past'), undef, 'get of the past');

my $large = 'compressible ' x 200_000;
same($memd->set('large', $large), 1, 'set of a compressed value');
same($memd->get('large') eq $large ? 1 : 0, 1, 'get of a compressed value');
my $plain = Cache::Memcached::Fast->new({servers => [$server], max_size => 4 << 20, connect_timeout => 60, io_timeout => 60});
srand 1;
for my $size (1 << 10, 16 << 10, 100 << 10, 900 << 10) {
    my $bytes = join '', map { pack 'N', rand 2**32 } 1 .. $size / 4;
    same($plain->set('bytes', $bytes), 1, "set of $size bytes");
    same($plain->get('bytes') eq $bytes ? 1 : 0, 1, "get of $size bytes");
}
same($plain->set('bytes', 'x' x (2 << 20)) ? 1 : 0, 0, 'set of too much');
same($plain->get('bytes'), undef, 'too much drops the old value');

# In void context it sends noreply.
$memd->set("quiet$_", "v$_") for 1 .. 200;
$memd->delete('quiet5');
$memd->incr('n', 1);
$memd->nowait_push;
same($memd->get('quiet200'), 'v200', 'noreply');
same($memd->get('quiet5'), undef, 'noreply delete');
same($memd->get('n'), 8, 'noreply incr');

my $prefixed = Cache::Memcached::Fast->new({servers => [$server], namespace => 'app:', connect_timeout => 60,
                                             io_timeout => 60});
$prefixed->set('key', 'prefixed');
same($memd->get('app:key'), 'prefixed', 'namespace');
same($memd->server_versions->{$server} =~ /^[1-9]/ ? 1 : 0, 1, 'server_versions');
same($memd->flush_all->{$server}, 1, 'flush_all at the end');
same($memd->get('n'), undef, 'after flush_all');
print "done\n";
