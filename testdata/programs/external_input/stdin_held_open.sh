# IPC403 waiting or stuck: it reads from an input that somebody outside keeps open
echo "stuck $$"
echo READY
read -r line
echo "$line"
