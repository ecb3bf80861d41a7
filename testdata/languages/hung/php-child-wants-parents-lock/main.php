<?php
function with_lock(callable $do)
{
    $f = fopen(getenv('TMPDIR') . '/lock', 'c');
    flock($f, LOCK_EX);
    $do();
    fclose($f);
}

with_lock(function () {
    $pid = pcntl_fork();
    if ($pid === 0) {
        file_put_contents(getenv('CASE_ROLES'), 'child ' . getmypid() . "\n", FILE_APPEND);
        with_lock(function () { echo "child\n"; });
        exit(0);
    }
    pcntl_waitpid($pid, $status);
});
