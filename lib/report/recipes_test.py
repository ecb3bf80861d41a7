#!/usr/bin/python3
"""Runs the recipes of RECIPES.md on the reports of snapshots.

    recipes_test.py IPCDOCTOR RECIPES.md FOLDER_OF_SNAPSHOTS

Each must end well on every report, and say something about one of them at least. Exit code 77: no jq here.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
FALSE_OR_NULL = 1  # of jq -e


def main():
    program, recipes, folder = sys.argv[1:]
    if shutil.which("jq") is None:
        print("skipped: no jq")
        return SKIPPED
    commands = re.findall(r"^```sh\n(.*?)^```$", pathlib.Path(recipes).read_text(), re.M | re.S)
    # One of each class: what differs within a class is no matter of JSON.
    snapshots = list({path.parent: path for path in sorted(pathlib.Path(folder).rglob("*.json"))}.values())
    silent = set(commands)
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        for snapshot in snapshots:
            subprocess.run([program, "analyze", snapshot, "--format", f"json={work}/report.json"], check=False)
            for command in commands:
                ran = subprocess.run(["sh", "-ec", command], cwd=work, capture_output=True, text=True, check=False)
                allowed = (0, FALSE_OR_NULL) if command.startswith("jq -e") else (0,)
                if ran.returncode not in allowed or ran.stderr:
                    print(f"{snapshot}: exit {ran.returncode}\n{command}{ran.stderr}")
                    failed += 1
                if ran.stdout.strip():
                    silent.discard(command)
    for command in silent:
        print(f"says nothing about any of {len(snapshots)} reports:\n{command}")
    return 1 if failed or silent or not commands or not snapshots else 0


if __name__ == "__main__":
    sys.exit(main())
