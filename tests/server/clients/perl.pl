# Clients of Perl, with the port and the module: Cache::Memcached or Cache::Memcached::Fast.
# Answers calls, one a line with words between tabs, with a line each.
use strict;
use warnings;

my ($port, $module) = @ARGV;
$| = 1;
eval "require $module" or die $@;
my $server = "127.0.0.1:$port";
my $client = $module eq 'Cache::Memcached::Fast'
    ? $module->new({servers => [$server], connect_timeout => 10, io_timeout => 10, failure_timeout => 1, max_failures => 0})
    : $module->new({servers => [$server], connect_timeout => 10, select_timeout => 10});
my %tokens;

sub shown { my ($answer) = @_; return defined $answer ? $answer eq '' ? 'empty' : $answer : 'undef' }
sub found { my ($value) = @_; return defined $value ? $value : 'miss' }
sub found_many { my ($values) = @_; return join ' ', map { "$_=$values->{$_}" } sort keys %$values }

# Cache::Memcached leaves a server alone for 20 to 30 s after an error, and has no setting for that.
sub forget_dead { $client->forget_dead_hosts if $module eq 'Cache::Memcached' }

my %calls = (
    get => sub { found(scalar $client->get($_[0])) },
    set => sub { forget_dead(); shown(scalar $client->set($_[0], $_[1], $_[2])) },
    add => sub { shown(scalar $client->add($_[0], $_[1], $_[2])) },
    replace => sub { shown(scalar $client->replace($_[0], $_[1], $_[2])) },
    append => sub { shown(scalar $client->append($_[0], $_[1])) },
    prepend => sub { shown(scalar $client->prepend($_[0], $_[1])) },
    delete => sub { shown(scalar $client->delete($_[0])) },
    incr => sub { shown(scalar $client->incr($_[0], $_[1])) },
    decr => sub { shown(scalar $client->decr($_[0], $_[1])) },
    get_many => sub { found_many($client->get_multi(@_)) },
    flush => sub { shown(ref $client->flush_all ? 'done' : 1) },
);
if ($module eq 'Cache::Memcached::Fast') {
    $calls{touch} = sub { shown(scalar $client->touch($_[0], $_[1])) };
    $calls{gets} = sub {
        my $pair = $client->gets($_[0]);
        $tokens{$_[0]} = $pair->[0] if $pair;
        return found($pair->[1]);
    };
    $calls{cas} = sub { shown(scalar $client->cas($_[0], $tokens{$_[0]}, $_[1], $_[2])) };
    $calls{set_many} = sub {
        my ($expires, @words) = @_;
        my @calls;
        push @calls, [splice(@words, 0, 2), $expires] while @words;
        return join ' ', map { shown($_) } $client->set_multi(@calls);
    };
    $calls{delete_many} = sub { join ' ', map { shown($_) } $client->delete_multi(@_) };
    $calls{version} = sub { $client->server_versions->{$server} =~ /^[1-9]/ ? 'true' : 'false' };
} else {
    $calls{stats} = sub {
        my $said = $client->stats('misc')->{hosts}{$server}{misc};
        return "curr_items $said->{curr_items}, pid " . ($said->{pid} > 0 ? 'true' : 'false');
    };
}

while (my $line = <STDIN>) {
    chomp $line;
    my ($name, @words) = split /\t/, $line, -1;
    my $answer = $calls{$name} ? eval { $calls{$name}->(@words) } : 'no such call';
    $answer = "error: $@" unless defined $answer;
    $answer =~ s/\s*\n\s*/ /g;
    print "$answer\n";
}
