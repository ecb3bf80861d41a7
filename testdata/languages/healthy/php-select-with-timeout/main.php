<?php
$process = proc_open(['as', 'sorter', 'sort'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
fwrite($pipes[0], "row\n");
$read = [$pipes[1]];
$none = null;
if (stream_select($read, $none, $none, 300) === 0) {
    proc_terminate($process);
}
