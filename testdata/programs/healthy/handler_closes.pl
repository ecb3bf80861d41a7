# healthy: the handler of a signal closes the input of the child that is awaited
use strict;
use warnings;

$| = 1;
open my $to, '|-', 'cat' or die;
$SIG{USR1} = sub { close $to; exit };
print "READY\n";
wait;
