# IPC101 deadlock: the answer of sort is awaited while its input is still open
use strict;
use warnings;
use IPC::Open3;

$| = 1;

sub sorted {
  my @words = @_;
  my $child = open3(my $in, my $out, undef, 'sort');
  print $in "$_\n" for @words;
  $in->flush;
  print "READY\n";
  my $first = <$out>;
  waitpid $child, 0;
  return $first;
}

print sorted('b', 'a');
