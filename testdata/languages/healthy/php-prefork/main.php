<?php
$server = stream_socket_server('unix://' . getenv('TMPDIR') . '/s');
for ($i = 0; $i < 3; $i++) {
    if (pcntl_fork() === 0) {
        while ($c = stream_socket_accept($server, -1)) {
            fwrite($c, fgets($c));
            fclose($c);
        }
        exit(0);
    }
}
while (pcntl_wait($status) > 0) {
}
