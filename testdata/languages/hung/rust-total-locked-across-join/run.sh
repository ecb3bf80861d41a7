#!/bin/bash
# Builds main.* of a case, once, starts it in a session of its own, prints its pid and stays until TERM.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export PATH="$here/../common:$here/../../common:$PATH"  # as `score` lays it out, and as it is here
cd "$here" || exit 1
main=$(echo [mM]ain.*)

built=${CORPUS_BUILD:-${XDG_CACHE_HOME:-$HOME/.cache}/ipcdoctor-languages}/$(sha256sum <"$main" | cut -c 1-24)
build() {
  [ -d "$built" ] && return
  mkdir -p "${built%/*}"
  local new
  new=$(mktemp -d "$built.XXXXXX") && "$@" "$new" >&2 && mv -T "$new" "$built" 2>/dev/null
  [ -d "$built" ]
}
with_go() { GO111MODULE=off go build -o "$1/main" main.go; }
with_rust() { rustc -g --edition 2021 -o "$1/main" main.rs; }
with_java() { javac -g -d "$1" Main.java; }

case $main in
  main.go) build with_go && set -- "$built/main" ;;
  main.rs) build with_rust && set -- "$built/main" ;;
  Main.java) build with_java && set -- java -cp "$built" Main ;;
  main.js) set -- node main.js ;;
  main.rb) set -- ruby main.rb ;;
  main.php) set -- php main.php ;;
  main.pl) set -- perl main.pl ;;
esac || exit 1
setsid "$@" <&0 >log 2>&1 &
echo "root $!" >>"$CASE_ROLES"
sleep 1
kill -0 $! || { cat log >&2; exit 1; }
echo $!
exec sleep 900
