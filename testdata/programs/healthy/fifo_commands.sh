#!/bin/bash
# healthy: a service that takes commands from a FIFO has served one and waits for the next
folder=$(mktemp -d)
mkfifo "$folder/control"
echo first >"$folder/control" &
read -r command <"$folder/control"
wait
echo READY
while read -r command <"$folder/control"; do
  [ "$command" != quit ] || break
done
rm -r "$folder"
