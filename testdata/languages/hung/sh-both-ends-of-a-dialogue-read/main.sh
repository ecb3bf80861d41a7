#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
server() {
  role server
  while read -r line; do
    printf 'you said %s' "$line"
  done
}
coproc SRV { server; }
trap 'reload=1' HUP
echo hello >&"${SRV[1]}"
read -r answer <&"${SRV[0]}"
echo "$answer"
