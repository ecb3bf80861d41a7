<?php
touch('agent.log');
exec('as agent tail -f agent.log &', $output, $code);
echo $code, "\n";
