#!/usr/bin/python3
"""A session of the Model Context Protocol with `ipcdoctor mcp`, message by message as the specification prescribes for
stdio (2025-06-18, "Lifecycle", "Transports"): each answer is awaited before the next request.

    mcp_session_test.py IPCDOCTOR PROGRAM

PROGRAM says READY and hangs.
"""
import json
import subprocess
import sys
import time

VERSION = "2025-06-18"


class Session:
    def __init__(self, server):
        self.server = server
        self.last = 0

    def send(self, method, **message):
        self.server.stdin.write(json.dumps({"jsonrpc": "2.0", "method": method, **message}) + "\n")
        self.server.stdin.flush()

    def ask(self, method, **params):
        self.last += 1
        self.send(method, id=self.last, params=params)
        answer = json.loads(self.server.stdout.readline())
        assert answer["jsonrpc"] == "2.0" and answer["id"] == self.last, answer
        return answer["result"]

    def call(self, tool, **arguments):
        result = self.ask("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        return result["content"][0]["text"]


def talk(session, pid):
    agreed = session.ask("initialize", protocolVersion=VERSION, capabilities={},
                         clientInfo={"name": "test", "version": "1"})
    assert agreed["protocolVersion"] == VERSION and "tools" in agreed["capabilities"], agreed
    session.send("notifications/initialized")
    tools = {tool["name"] for tool in session.ask("tools/list")["tools"]}
    assert tools == {"attach", "stacks", "tree", "analyze", "explain"}, tools
    brief = session.call("attach", pids=[pid])
    assert brief.startswith("## DEADLOCK: unclosed-write-end") and len(brief.splitlines()) <= 40, brief
    assert "parent_keeps_end.c:" in session.call("stacks", pids=[pid])
    assert "read" in session.call("explain", **{"class": "unclosed-write-end"})
    assert session.ask("ping") == {}


def main():
    ipcdoctor, program = sys.argv[1:]
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, start_new_session=True) as hung:
        try:
            hung.stdout.readline()
            time.sleep(0.3)
            with subprocess.Popen([ipcdoctor, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
                talk(Session(server), hung.pid)
                server.stdin.close()  # "Shutdown": the client closes the server's input
                assert server.wait(10) == 0
        finally:
            subprocess.run(["kill", "-KILL", "--", f"-{hung.pid}"], check=True)


if __name__ == "__main__":
    main()
