#!/bin/bash
echo "rotate $$" >> "$CASE_ROLES"
exec 8>"$TMPDIR/db.lock" 9>"$TMPDIR/log.lock"
flock 9
sleep 0.3
flock 8
echo rotate
