#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
cd "$TMPDIR" || exit
mkfifo odd even
( role splitter; exec awk '{ print > (NR % 2 ? "odd" : "even") }' <(seq 1 200000) ) &
exec 3<odd 4<even
cat <&4 | wc -l
cat <&3 | wc -l
wait
