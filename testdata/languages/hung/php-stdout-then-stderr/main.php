<?php
function execute(array $command): array
{
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
    $out = stream_get_contents($pipes[1]);
    $err = stream_get_contents($pipes[2]);
    fclose($pipes[1]);
    fclose($pipes[2]);
    return [proc_close($process), $out, $err];
}

print_r(execute(['as', 'tool', 'perl', '-e', 'print STDERR "profile not found, using default\n" x 5000; print "ok\n"']));
