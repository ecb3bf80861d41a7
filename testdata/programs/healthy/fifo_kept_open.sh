#!/bin/bash
# healthy: a script keeps a FIFO open for the service that it started, so that it meets no end between two clients
folder=$(mktemp -d)
mkfifo "$folder/control"
{
  while read -r command; do
    [ "$command" != quit ] || break
  done
} <"$folder/control" &
exec 3>"$folder/control"
echo first >&3
echo READY
wait
rm -r "$folder"
