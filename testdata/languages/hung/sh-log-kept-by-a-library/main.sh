#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
. "$(dirname "$0")/log.sh"
role build
start_log build.log
for step in configure compile install; do
  echo "== $step" >&3
done
finish_log
echo "all steps done"
