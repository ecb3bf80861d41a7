<?php
$key = ftok(__FILE__, 'a');
$a = sem_get($key);
$b = sem_get($key + 1);

function work(string $name, $first, $second)
{
    file_put_contents(getenv('CASE_ROLES'), $name . ' ' . getmypid() . "\n", FILE_APPEND);
    sem_acquire($first);
    usleep(200000);
    sem_acquire($second);
    echo "$name\n";
    sem_release($second);
    sem_release($first);
    exit(0);
}

if (pcntl_fork() === 0) {
    work('one', $a, $b);
}
if (pcntl_fork() === 0) {
    work('two', $b, $a);
}
while (pcntl_wait($status) > 0) {
}
