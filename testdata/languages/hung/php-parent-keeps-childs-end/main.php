<?php
function role($name) { file_put_contents(getenv('CASE_ROLES'), "$name " . getmypid() . "\n", FILE_APPEND); }

[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () { exit(0); });
$pid = pcntl_fork();
if ($pid === 0) {
    role('child');
    fclose($a);
    fwrite($b, "result\n");
    exit(0);
}
$all = '';
while (!feof($a)) {
    $all .= fread($a, 100);
}
pcntl_waitpid($pid, $status);
echo $all;
