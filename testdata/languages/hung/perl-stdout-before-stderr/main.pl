use strict;
use warnings;
use IPC::Open3;
use Symbol 'gensym';

my $pid = open3(my $in, my $out, my $err = gensym, 'as', 'tool', 'perl', '-e', 'print STDERR "x.c:$_: note: declared here\n" for 1 .. 9000; print "done\n"');
close $in;
while (my $line = <$out>) {
    print $line;
}
my @notes = <$err>;
waitpid $pid, 0;
