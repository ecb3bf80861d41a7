# IPC101 unclosed-write-end: `cat` waits for the end of a pipe whose write end it has inherited itself.
trap '' INT # a shell's own handler could end the wait, and not every shell's can be read
: | {
  exec 3>/proc/self/fd/0 # the mistake: the pipe can be written to as long as this is open
  echo READY
  exec cat >/dev/null
}
