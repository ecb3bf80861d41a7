#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
mkfifo control
exec 3<>control
serve() { role server; while read -r line; do echo "got $line"; done; }
coproc SERVER { serve; }
while read -r verb rest <&3; do
  echo "$verb $rest" >&"${SERVER[1]}"
  read -r answer <&"${SERVER[0]}"
  echo "$answer"
done
