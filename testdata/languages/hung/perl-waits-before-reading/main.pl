use strict;
use warnings;
use IPC::Open3;
use Symbol 'gensym';

my $pid = open3(my $in, my $out, my $err = gensym, 'as', 'tool', 'perl', '-e', 'print "commit $_ of the history\n" for 1 .. 9000');
close $in;
waitpid $pid, 0;
my @lines = <$out>;
print scalar(@lines), " $?\n";
