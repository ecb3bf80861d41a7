use strict;
use warnings;

my $out = `as build sleep 260; echo built`;
print $out;
