<?php
$queue = msg_get_queue(ftok(__FILE__, 'q'));
$pid = pcntl_fork();
if ($pid === 0) {
    file_put_contents(getenv('CASE_ROLES'), 'child ' . getmypid() . "\n", FILE_APPEND);
    msg_receive($queue, 2, $type, 1024, $task);
    msg_send($queue, 3, strtoupper($task));
    exit(0);
}
msg_send($queue, 1, 'task');
msg_receive($queue, 3, $type, 1024, $answer);
echo $answer, "\n";
pcntl_waitpid($pid, $status);
