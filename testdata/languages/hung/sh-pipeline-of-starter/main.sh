#!/bin/bash
role() { echo "$1 $BASHPID" >> "$CASE_ROLES"; }
role script
touch "$TMPDIR/agent.log"
start() {
  echo "starting"
  ( role agent; exec tail -f "$TMPDIR/agent.log" ) 3>&- &
  disown
}
( start ) | ( role tee; exec tee "$TMPDIR/out" )
echo "started"
