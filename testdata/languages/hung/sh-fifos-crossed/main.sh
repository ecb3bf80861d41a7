#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
cd "$TMPDIR" || exit
mkfifo names sizes
{
  role writer
  exec 3>sizes 4>names
  ls / >&4
  du -s /etc >&3
} &
exec 3<names
exec 4<sizes
cat <&3
cat <&4
wait
