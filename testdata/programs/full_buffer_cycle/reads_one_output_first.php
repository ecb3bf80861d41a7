<?php // IPC105 deadlock: one output of a child is read to its end while the other one is full
function run(array $command): array {
  $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
  fclose($pipes[0]);
  echo "READY\n";
  $output = stream_get_contents($pipes[1]);
  $errors = stream_get_contents($pipes[2]);
  return [$output, $errors, proc_close($process)];
}

print_r(run(['sh', '-c', 'head -c 300000 /dev/zero >&2; echo done']));
