"""Protocols of shell scripts, each with the mistakes that can be planted in it; see python_programs.py."""
from program import MARK, SLOW, Names, Protocols, Truth, finish, indent

PROTOCOLS = Protocols()
protocol = PROTOCOLS.protocol

ROLE = ['role() { echo "$1 $BASHPID ${2:--1}" >>"$CENSUS_ROLES"; }']


class Sh:
    def __init__(self, rng, slip):
        self.rng, self.slip, self.names = rng, slip, Names(rng)
        self.functions, self.body = [], []
        self.truth = Truth("healthy", [], [], [])

    def blame(self, *accept, stuck=("main", "w0"), culprits=("main",), verdict="deadlock", fd_of=""):
        self.truth = Truth(verdict, list(accept), list(stuck), list(culprits), fd_of=fd_of)

    def act(self, *lines):
        self.body += lines

    def function(self, body):
        name = self.names.verb()
        self.functions += [f"{name}() {{"] + indent(body) + ["}", ""]
        return name

    def background(self, body):
        """Starts it, in one of the ways that people write it."""
        if self.rng.often():
            self.act(f"{self.function(['role w0'] + body)} &")
        else:
            self.act("(", *indent(["role w0"] + body), ") &")

    def noise(self):
        kinds = [["trap 'exit 143' TERM"], ["echo up"], ["trap ': $((hits++))' USR1"], ["set -u"]]
        return [line for kind in self.rng.sample(kinds, self.rng.choice([0, 0, 1, 2])) for line in kind]

    def wait(self):
        """For the job that began last, or for all."""
        return self.rng.choice(["wait", 'wait "$!"']) + MARK

    def compose(self, nap):
        lines = ["#!/bin/bash"] + ROLE + [""] + self.functions + ["role main"] + self.noise() + self.body
        pieces = [f"sleep {nap}"] if nap else []
        return finish(lines, self.rng, pieces)


@protocol(opposite="peerless_open")
def fifos(p):
    """Two shells open two named pipes."""
    a, b = p.names.place(), p.names.place()
    p.act(f"mkfifo {a} {b}")
    p.background([f"exec 3<{a}" + MARK, f"exec 4>{b}", "while read -r line <&3; do", "    " + SLOW, '    echo "$line" >&4', "done"])
    mine = [f"exec 5>{a}", f"exec 6<{b}"]
    if p.slip:
        mine = [mine[1] + MARK, mine[0]]
    p.act(*mine, "echo hello >&5", "read -r answer <&6", "exec 5>&-", "wait")
    if p.slip:
        p.blame("peerless-open", culprits=["main", "w0"], verdict="stuck")


@protocol(keeps_open="unclosed_write_end")
def feeding(p):
    """A reader takes from a named pipe until its end."""
    name, fd = p.names.place(), p.rng.randint(5, 9)
    p.act(f"mkfifo {name}")
    loop = p.rng.choice([[f"while read -r line; do" + MARK, "    " + SLOW, "    : \"$line\"", f"done <{name}"],
                         [SLOW, f"exec <{name}", "while read -r line; do" + MARK, "    echo \"$line\"", "done"]])
    p.background(loop)
    p.act(f"exec {fd}>{name}", "for i in 1 2 3; do", f'    echo "line $i" >&{fd}', "done")
    if p.slip:
        p.act(f"role main {fd}", p.wait(), f"exec {fd}>&-")
        p.blame("unclosed-write-end", fd_of="main")
    else:
        p.act(f"exec {fd}>&-", p.wait())


@protocol(hears_first="mutual_receive")
def dialogue(p):
    """A coprocess answers each line."""
    name = p.names.thing().upper()
    p.act(f"coproc {name} {{", "    role w0", "    while read -r line; do" + MARK, "        " + SLOW, '        echo "got $line"', "    done", "}",
          f'exec 7<&"${{{name}[0]}}" 8>&"${{{name}[1]}}"', f'eval "exec ${{{name}[1]}}>&- ${{{name}[0]}}<&-"')
    say, hear = "echo question >&8", "read -r answer <&7" + MARK
    p.act("for i in 1 2 3; do", *indent([hear, say] if p.slip else [say, hear]), "done", "exec 8>&-", "wait")
    if p.slip:
        p.blame("mutual-receive", culprits=["main", "w0"])


@protocol(held="lock_held_while_waiting")
def locked(p):
    """Who has a lock file starts a job that wants it."""
    name = p.names.place() + ".lock"
    p.act(f"exec 9>{name}", "flock 9")
    if not p.slip:
        p.act("flock -u 9")
    p.background(["exec 9>&-", f"exec 8>{name}", "flock 8" + MARK, SLOW, "echo mine"])
    p.act(p.wait())
    if p.slip:
        p.blame("lock-held-while-waiting")


@protocol(stopped="stopped_process")
def jobs(p):
    """The shell waits for a job."""
    stop = ["kill -STOP $BASHPID" + MARK] if p.slip else []
    p.background(stop + [SLOW, "echo done"])
    p.act(p.wait())
    if p.slip:
        p.blame("stopped-process", culprits=["w0"], verdict="stuck")


def write(rng, function, slip, nap):
    p = Sh(rng, slip)
    function(p)
    text, lines = p.compose(nap)
    p.truth.lines = lines
    return text, p.truth
