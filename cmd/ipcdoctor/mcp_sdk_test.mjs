// The Model Context Protocol's own client (npm: @modelcontextprotocol/sdk) talks to `ipcdoctor mcp` about a
// program that hangs.
//
//     mcp_sdk_test.mjs IPCDOCTOR PROGRAM FOLDER_OF_NODE_MODULES
//
// PROGRAM says READY and hangs. Exit code 77: no SDK there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";

const [ipcdoctor, program, modules] = process.argv.slice(2);
const sdk = modules + "/node_modules/@modelcontextprotocol/sdk/";
if (!existsSync(sdk)) {
  console.log(`skipped: no ${sdk} (npm install --prefix ${modules} @modelcontextprotocol/sdk)`);
  process.exit(77);
}
const load = createRequire(sdk);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");

const hung = spawn(program, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
try {
  await once(hung.stdout, "data");
  await setTimeout(300);
  const client = new Client({ name: "test", version: "1" });
  await client.connect(new StdioClientTransport({ command: ipcdoctor, args: ["mcp"] }));
  assert.equal(client.getServerVersion().name, "ipcdoctor");

  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["attach", "stacks", "tree", "analyze", "explain"]);
  assert.ok(tools.every((tool) => tool.annotations.readOnlyHint && tool.description));

  const ask = async (name, args) => {
    const answer = await client.callTool({ name, arguments: args });
    return { failed: answer.isError === true, text: answer.content[0].text };
  };
  const pids = [hung.pid];
  assert.match((await ask("attach", { pids })).text, /^## DEADLOCK: unclosed-write-end/m);
  assert.equal(JSON.parse((await ask("attach", { pids, format: "json" })).text).verdict, "deadlock");
  assert.match((await ask("stacks", { pids })).text, /parent_keeps_end\.c:\d+/);
  assert.match((await ask("tree", { pids })).text, /<- to blame/);
  assert.match((await ask("explain", { class: "unclosed-write-end" })).text, /EOF/);
  const wrong = await ask("explain", { class: "unclosed-writ-end" });
  assert.ok(wrong.failed && wrong.text.includes("unclosed-write-end"), wrong.text);
  assert.ok((await ask("attach", { pids: [1 << 22] })).failed);
  await client.ping();
  await client.close();
  assert.match(readFileSync(`/proc/${hung.pid}/status`, "utf8"), /^TracerPid:\t0$/m);
} finally {
  process.kill(-hung.pid, "SIGKILL");
}
