use strict;
use warnings;
use IPC::Open2;

my $pid = open2(my $from, my $to, 'as', 'sorter', 'sort');
print $to "row\n";
eval {
    local $SIG{ALRM} = sub { die "timeout\n" };
    alarm 300;
    my $line = <$from>;
    alarm 0;
};
kill TERM => $pid if $@;
waitpid $pid, 0;
