# healthy: a service that opens its FIFO for each client, started by a launcher that waits for its end
use strict;
use warnings;
use File::Temp 'tempdir';
use POSIX 'mkfifo';

my $folder = tempdir(CLEANUP => 1);
mkfifo("$folder/control", 0600) or die;
my $service = fork // die;
if ($service == 0) {
  syscall(157, 1, 9);  # prctl(PR_SET_PDEATHSIG, SIGKILL)
  while (open(my $commands, '<', "$folder/control")) {
    while (my $line = <$commands>) { exit 0 if $line eq "quit\n" }
  }
  exit 1;
}
$| = 1;
print "READY\n";
waitpid($service, 0);
