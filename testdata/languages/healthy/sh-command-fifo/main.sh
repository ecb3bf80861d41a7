#!/bin/bash
mkfifo "$TMPDIR/commands"
exec 3<>"$TMPDIR/commands"
while read -r word rest <&3; do
  case $word in
    stop) break ;;
    *) echo "$word $rest" ;;
  esac
done
