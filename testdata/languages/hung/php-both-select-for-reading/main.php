<?php
$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$pid = pcntl_fork();
$me = $pid === 0 ? 1 : 0;
if ($pid === 0) {
    file_put_contents(getenv('CASE_ROLES'), 'child ' . getmypid() . "\n", FILE_APPEND);
}
fclose($pair[1 - $me]);
$peer = $pair[$me];
$turn = 0;
while ($turn < 10) {
    $read = [$peer];
    $write = $except = null;
    stream_select($read, $write, $except, null);
    $line = fgets($peer);
    fwrite($peer, 'turn ' . ++$turn . "\n");
}
