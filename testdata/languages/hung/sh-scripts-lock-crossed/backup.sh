#!/bin/bash
echo "backup $$" >> "$CASE_ROLES"
exec 8>"$TMPDIR/db.lock" 9>"$TMPDIR/log.lock"
flock 8
sleep 0.3
flock 9
echo backup
