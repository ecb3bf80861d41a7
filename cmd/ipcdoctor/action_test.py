#!/usr/bin/env python3
"""Runs the action of recipes/github as GitHub's runner does: the expressions filled in, the step's script by bash -eo
pipefail, the files of the job in the environment. usage: action_test.py IPCDOCTOR; exit code 77 without PyYAML."""
import os
import re
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
HUNG = ": | { exec 3>/proc/self/fd/0; exec cat; }"


def run_step(ipcdoctor, command, folder):
    """(exit code, output, summary, {report: size})"""
    with open(os.path.join(HERE, "recipes/github/action.yml"), encoding="utf-8") as file:
        action = yaml.safe_load(file)
    inputs = {name: given.get("default", "") for name, given in action["inputs"].items()}
    inputs.update(run=command, binary=ipcdoctor)
    step = action["runs"]["steps"][0]
    files = {name: os.path.join(folder, name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = dict(os.environ, GITHUB_ACTIONS="true", RUNNER_TEMP=folder, **files)
    for name, value in step["env"].items():
        environment[name] = re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda match: inputs[match[1]], value)
    script = os.path.join(folder, "step.sh")
    with open(script, "w", encoding="utf-8") as file:
        file.write(step["run"])
    done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", script], env=environment, cwd=folder, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    with open(files["GITHUB_OUTPUT"], encoding="utf-8") as file:
        reports = dict(line.rstrip("\n").split("=", 1) for line in file)["reports"]
    summary = ""
    if os.path.exists(files["GITHUB_STEP_SUMMARY"]):
        with open(files["GITHUB_STEP_SUMMARY"], encoding="utf-8") as file:
            summary = file.read()
    return done.returncode, done.stdout, summary, {name: os.path.getsize(os.path.join(reports, name)) for name in os.listdir(reports)}


def main(ipcdoctor):
    with tempfile.TemporaryDirectory() as folder:
        code, output, summary, reports = run_step(ipcdoctor, HUNG, folder)
        assert code == 124, (code, output)
        assert re.search(r"^::error title=IPC101 [^:]*::", output, re.MULTILINE), output
        assert "IPC101" in summary and "```mermaid" in summary, summary
        assert set(reports) == {"hang.html", "hang.json", "hang.xml", "hang.snapshot"} and all(reports.values()), reports
    with tempfile.TemporaryDirectory() as folder:
        code, output, summary, reports = run_step(ipcdoctor, "echo 'it is fine'; exit 3", folder)
        assert (code, output, summary, reports) == (3, "it is fine\n", "", {}), (code, output, summary, reports)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
