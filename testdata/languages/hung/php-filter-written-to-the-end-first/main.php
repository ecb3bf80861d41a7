<?php
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () { fwrite(STDERR, "stopping\n"); exit(1); });
pcntl_signal(SIGHUP, function () { fwrite(STDERR, "reload\n"); });

function through(string $command, string $input): string {
    $p = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
    fwrite($pipes[0], $input);
    fclose($pipes[0]);
    $out = stream_get_contents($pipes[1]);
    fclose($pipes[1]);
    proc_close($p);
    return $out;
}

$text = str_repeat("some words of a long text\n", 40000);
echo strlen(through('exec as filter tr a-z A-Z', $text)), "\n";
