#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
coproc SORT { role sorter; exec sort -u; }
for f in /etc/*.conf; do
  echo "${f##*.}" >&"${SORT[1]}"
done
while read -r line <&"${SORT[0]}"; do
  echo "$line"
done
