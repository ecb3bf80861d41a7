#!/usr/bin/python3
"""What a person reads about each class, as files that a person has read: testdata/reports/words-80.txt is a log, and
words-200.txt a wide terminal whose locale is not UTF-8, with NO_COLOR.

    words_test.py IPCDOCTOR TESTDATA

IPCDOCTOR_GOLDEN=write writes them anew (`make golden`).
"""
import difflib
import os
import pathlib
import pty
import re
import subprocess
import sys


def on_terminal(program, snapshot, **environment):
    """What stands on a terminal of 200 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([program, "analyze", snapshot], stdin=theirs, stdout=theirs, stderr=theirs,
                          env=dict(os.environ, COLUMNS="200", TERM="xterm", **environment)) as child:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 1 << 16):
                text += part
        except OSError:  # EIO: nobody has the other side any more, tty_ioctl and pty(7)
            pass
        os.close(ours)
        child.wait()
    return text.replace(b"\r\n", b"\n").decode()


def in_log(program, snapshot):
    done = subprocess.run([program, "analyze", snapshot], env=dict(os.environ, LC_ALL="C.UTF-8"), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout


def check(is_true, what):
    if not is_true:
        raise SystemExit(what)


def is_golden(path, text):
    if os.environ.get("IPCDOCTOR_GOLDEN") == "write":
        path.write_text(text)
    diff = difflib.unified_diff(path.read_text().splitlines(), text.splitlines(), str(path), "now", lineterm="")
    changed = "\n".join(diff)
    if changed:
        print(changed, "\nif it reads better: make golden", sep="\n")
    return not changed


def main():
    program, testdata = sys.argv[1], pathlib.Path(sys.argv[2])
    texts = {80: "", 200: ""}
    for folder in sorted((testdata / "snapshots").iterdir()):
        for snapshot in sorted(folder.glob("*.json")) if folder.name != "healthy" else ():
            name = f"### {folder.name}/{snapshot.stem}\n"
            log = in_log(program, snapshot)
            plain = on_terminal(program, snapshot, LC_ALL="C", NO_COLOR="1")
            coloured = on_terminal(program, snapshot, LC_ALL="C", NO_COLOR="")
            check("\033" not in log + plain, f"{name}colours where none may be")
            check(plain.isascii(), f"{name}not ASCII in the locale C")
            check("\033[" in coloured and re.sub(r"\033\[[0-9;]*m", "", coloured) == plain, f"{name}colours change the text")
            for text, width in ((log, 80), (plain, 200)):
                check(all(len(line) <= width for line in text.splitlines()), f"{name}wider than {width} columns")
                texts[width] += name + text + "\n"
    same = [is_golden(testdata / f"reports/words-{width}.txt", text) for width, text in texts.items()]
    sys.exit(not all(same))


if __name__ == "__main__":
    main()
