# sourced
start_log() {
  exec 3> >(role logger; exec sed -u "s/^/$(date +%F) /" > "$1")
  LOGGER=$!
}

finish_log() {
  echo "== end" >&3
  wait "$LOGGER"
}
