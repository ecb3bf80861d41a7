use strict;
use warnings;
use IPC::Open2;

if (@ARGV) {
    while (my $line = <STDIN>) {
        print uc $line;
    }
    exit;
}
my $pid = open2(my $from, my $to, 'as', 'server', $^X, $0, 'serve');
for my $word (qw(one two three)) {
    print $to "$word\n";
    $to->flush;
    my $answer = <$from>;
    print $answer;
}
close $to;
waitpid $pid, 0;
