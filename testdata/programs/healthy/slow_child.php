<?php // healthy: the output of a child that takes its time is read to its end
$child = popen('sleep 1000', 'r');
echo "READY\n";
echo stream_get_contents($child);
pclose($child);
