#!/usr/bin/env python3
"""Runs the template of recipes/gitlab.yml as GitLab's runner does: variables expanded and exported, the job's lines below bash's
eval in a pipeline, in a subshell if the variable that says so is set (gitlab-runner, shells/bash.go).
usage: gitlab_test.py IPCDOCTOR; exit code 77 without PyYAML."""
import os
import re
import shlex
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
HUNG = "bash -c ': | { exec 3>/proc/self/fd/0; exec cat; }'"


def run_job(template, ipcdoctor, command, folder):
    """(exit code, output, {artifact: size}, the names of all artifacts)"""
    variables = dict(template["variables"], IPCDOCTOR_BINARY=ipcdoctor)
    for _ in variables:  # they name each other
        for name, value in variables.items():
            variables[name] = re.sub(r"\$(\w+)", lambda match: variables.get(match[1], match[0]), value)
    lines = "".join("export %s=%s\n" % (name, shlex.quote(value)) for name, value in variables.items())
    lines += "echo %s\n%s\n" % (shlex.quote("$ " + command), command)
    whole = "(eval %s)" if variables.get("FF_USE_NEW_BASH_EVAL_STRATEGY") == "true" else "eval %s"
    script = "set -eo pipefail\nset +o noclobber\n: | " + whole % shlex.quote(lines) + "\nexit 0\n"
    done = subprocess.run(["bash"], input=script, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False, env=dict(os.environ, CI="true", GITLAB_CI="true"))
    kept = template["artifacts"]["paths"] + [template["artifacts"]["reports"]["junit"]]
    sizes = {name: os.path.getsize(os.path.join(folder, name)) for name in kept if os.path.exists(os.path.join(folder, name))}
    return done.returncode, done.stdout, sizes, set(kept)


def main(ipcdoctor):
    with open(os.path.join(HERE, "recipes/gitlab.yml"), encoding="utf-8") as file:
        template = yaml.safe_load(file)[".ipcdoctor"]
    with tempfile.TemporaryDirectory() as folder:
        code, output, sizes, kept = run_job(template, ipcdoctor, "$IPCDOCTOR " + HUNG, folder)
        assert code == 124, (code, output)
        assert re.search("^DEADLOCK ", output, re.MULTILINE), output
        assert set(sizes) == kept and all(sizes.values()), sizes
    with tempfile.TemporaryDirectory() as folder:
        code, output, sizes, _ = run_job(template, ipcdoctor, "$IPCDOCTOR sh -c 'echo it is fine; exit 3'", folder)
        assert (code, sizes) == (3, {}) and output.endswith("\nit is fine\n"), (code, output, sizes)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
