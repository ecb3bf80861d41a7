#!/bin/bash
# Hosts on one machine: each its own network, host name, processes and mounts, on a bridge in a namespace of its own.
#   hosts.sh up FOLDER N      makes h1..hN with the addresses 10.77.0.1 ..; needs root
#   hosts.sh on FOLDER I CMD  runs CMD on host I
#   hosts.sh all FOLDER CMD   runs CMD on all at once; "hI: " stands before each line
#   hosts.sh sshd FOLDER        lets `ssh -F FOLDER/ssh_config hI` in, from each of them
#   hosts.sh down FOLDER
set -eu
verb=$1 folder=$2
shift 2
inside() {
  host=$1
  shift
  exec nsenter -t "$(cat "$folder/h$host")" -n -u -i -p -m --wd="$PWD" "$@"
}
case $verb in
  up)
    unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
    switch=$!
    echo $switch >"$folder/switch"
    until [ "$(readlink /proc/$switch/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    nsenter -t $switch -n ip link add br0 type bridge
    nsenter -t $switch -n ip link set br0 up
    for i in $(seq "$1"); do
      unshare --net --uts --ipc --pid --mount --fork --kill-child --mount-proc sh -c "
        hostname h$i
        ip link set lo up
        until ip link show eth0 >/dev/null 2>&1; do sleep 0.01; done
        ip addr add 10.77.0.$i/24 dev eth0
        ip link set eth0 up
        exec sleep infinity" </dev/null >/dev/null 2>&1 &
      outer=$!
      until init=$(cat /proc/$outer/task/$outer/children 2>/dev/null) && [ -n "$init" ]; do sleep 0.01; done
      init=${init%% *}
      echo "$init" >"$folder/h$i"
      ip link add "v$i-$switch" netns $switch type veth peer name eth0 netns "$init"
      nsenter -t $switch -n ip link set "v$i-$switch" master br0
      nsenter -t $switch -n ip link set "v$i-$switch" up
      until nsenter -t "$init" -n ip addr show eth0 2>/dev/null | grep -q 'state UP'; do sleep 0.01; done
    done
    ;;
  on) inside "$@" ;;
  all)
    for file in "$folder"/h*; do
      host=${file##*/h}
      # each to a file of its own: lines of several hosts would mix
      (inside "$host" "$@") | sed "s/^/h$host: /" >"$folder/out.$host" &
    done
    wait
    cat "$folder"/out.*
    ;;
  sshd)
    ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
    printf '%s\n' 'Host *' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' 'LogLevel ERROR' \
      "IdentityFile $folder/key" 'IdentitiesOnly yes' >"$folder/ssh_config"
    for file in "$folder"/h[0-9]*; do
      host=${file##*/h}
      printf '%s\n' "Host h$host" "HostName 10.77.0.$host" >>"$folder/ssh_config"
      # what it asks of the machine's own folders, each host has to itself
      (inside "$host" sh -c "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -f /dev/null -h '$folder/key' \
        -o AuthorizedKeysFile='$folder/key.pub' -o StrictModes=no -o PidFile=none -o PermitRootLogin=yes")
    done
    ;;
  down)
    for file in "$folder"/h* "$folder/switch"; do
      [ ! -e "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null || true
    done
    ;;
esac
