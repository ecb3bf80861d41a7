#!/bin/dash
echo "script $$" >> "$CASE_ROLES"
cd "$TMPDIR"
: > accounts; : > journal
cat > job <<'E'
echo "$1 $$" >> "$CASE_ROLES"
exec 8>> "$2"
flock 8
sleep 0.3
exec 9>> "$3"
exec flock 9 
E
sh job one accounts journal &
sh job two journal accounts &
wait
