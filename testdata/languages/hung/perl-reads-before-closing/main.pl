use strict;
use warnings;
use IPC::Open2;

my $pid = open2(my $from, my $to, 'as', 'sorter', 'sort', '-n');
print $to "$_\n" for 3, 1, 2;
$to->flush;
my @sorted = <$from>;
close $to;
print @sorted;
waitpid $pid, 0;
