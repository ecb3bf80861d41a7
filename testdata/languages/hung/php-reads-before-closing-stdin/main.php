<?php
$process = proc_open(['as', 'sorter', 'sort'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
foreach (['b', 'c', 'a'] as $row) {
    fwrite($pipes[0], "$row\n");
}
$sorted = stream_get_contents($pipes[1]);
fclose($pipes[0]);
echo $sorted, proc_close($process), "\n";
