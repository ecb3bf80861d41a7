# IPC402 under a condition: a job opens a FIFO that nobody writes; its launcher only sleeps between two looks at it
use strict;
use warnings;
use File::Temp 'tempdir';
use POSIX qw(mkfifo WNOHANG);

my $fifo = tempdir() . '/answers';
mkfifo($fifo, 0600) or die $!;
$| = 1;
my $job = fork // die $!;
if (!$job) {
    print "stuck $$\nculprit $$\nREADY\n";
    open my $answers, '<', $fifo or die $!;
    exit;
}
sleep 30 until waitpid $job, WNOHANG;
