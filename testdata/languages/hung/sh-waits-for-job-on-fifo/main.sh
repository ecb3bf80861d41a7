#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
mkfifo "$TMPDIR/go"
( role job; read -r word <"$TMPDIR/go"; echo "job: $word" ) &
if [ -s "$TMPDIR/list" ]; then
  echo start >"$TMPDIR/go"
fi
wait
echo done
