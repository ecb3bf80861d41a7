#!/bin/bash
coproc BC { while read -r a; do echo "$((a))"; done; }
while read -r -p '> ' line; do
  echo "$line" >&"${BC[1]}"
  read -r answer <&"${BC[0]}"
  echo "$answer"
done
