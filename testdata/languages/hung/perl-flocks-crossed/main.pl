use strict;
use warnings;
use Fcntl ':flock';

sub role { open my $f, '>>', $ENV{CASE_ROLES}; print $f "$_[0] $$\n"; close $f }

sub lock_file {
    open my $f, '>', "$ENV{TMPDIR}/$_[0]" or die;
    flock $f, LOCK_EX or die;
    return $f;
}

for my $job (['first', 'index', 'journal'], ['second', 'journal', 'index']) {
    my ($name, @files) = @$job;
    next if fork;
    role $name;
    my $one = lock_file $files[0];
    select undef, undef, undef, 0.2;
    my $two = lock_file $files[1];
    print "$name has both\n";
    exit;
}
1 while wait > 0;
