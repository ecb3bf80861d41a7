# healthy: the output of a child that takes its time is read to its end
use strict;
use warnings;

$| = 1;
local $SIG{ALRM} = sub { die "too late\n" };
alarm 1000;
open my $from, '-|', 'sleep', '1000' or die;
print "READY\n";
my @lines = <$from>;
close $from;
