#!/bin/bash
mkfifo "$TMPDIR/log"
cat "$TMPDIR/log" >"$TMPDIR/log.txt" &
exec 3>"$TMPDIR/log"
trap 'exit 0' TERM
while true; do
  date >&3
  sleep 60
done
