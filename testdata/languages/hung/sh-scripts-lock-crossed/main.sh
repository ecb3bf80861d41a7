#!/bin/bash
echo "main $$" >> "$CASE_ROLES"
./backup.sh &
./rotate.sh &
wait
