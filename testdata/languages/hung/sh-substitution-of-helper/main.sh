#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
start_agent() {
  ( role helper; exec sleep infinity ) &
  echo "agent=$!"
}
trap 'exit 1' TERM INT
eval "$(start_agent)"
echo "$agent"
