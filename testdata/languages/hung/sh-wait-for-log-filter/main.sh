#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
exec 3> >(role filter; sed 's/^/log: /' >"$TMPDIR/log")
filter=$!
for step in fetch build pack; do
  echo "$step" >&3
done
wait "$filter"
cat "$TMPDIR/log"
