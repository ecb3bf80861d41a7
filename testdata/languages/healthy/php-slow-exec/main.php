<?php
exec('as build sleep 210; echo built', $out);
print_r($out);
