use strict;
use warnings;
use POSIX 'pause';

sub role { open my $f, '>>', $ENV{CASE_ROLES}; print $f "$_[0] $$\n"; close $f }

my $go = 0;
$SIG{USR1} = sub { $go = 1 };
my $pid = fork // die;
if (!$pid) {
    role 'child';
    select undef, undef, undef, 0.3;
    pause;
    print "go $go\n";
    exit;
}
kill USR1 => $pid;
waitpid $pid, 0;
