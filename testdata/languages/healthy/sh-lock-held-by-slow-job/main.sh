#!/bin/bash
exec 9>"$TMPDIR/lock"
( flock 9; sleep 280 ) &
sleep 0.3
flock 9 true
wait
