use strict;
use warnings;
use IPC::Open2;

$| = 1;
my $pid = open2(my $from, my $to, 'as', 'upper', 'perl', '-pe', '$| = 1; $_ = uc');
print '> ';
while (my $line = <STDIN>) {
    print $to $line;
    $to->flush;
    print scalar(<$from>), '> ';
}
close $to;
waitpid $pid, 0;
