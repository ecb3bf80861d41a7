use strict;
use warnings;

my $said = `touch \$TMPDIR/log; as agent tail -f \$TMPDIR/log & echo up`;
print "said $said";
