#!/bin/dash
# all output of this script to a log as well
echo "script $$" >> "$CASE_ROLES"
trap 'exit 143' TERM
cd "$TMPDIR"
mkfifo log.fifo
sh -c 'echo "tee $$" >> "$CASE_ROLES"; exec tee -a all.log' < log.fifo &
tee_pid=$!
exec > log.fifo 2>&1
echo step 1
seq 1 100
wait $tee_pid
rm -f log.fifo
