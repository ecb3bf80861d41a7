// IPC104 deadlock: a program asks its own server, and waits for the answer before it serves
const http = require('http');
const { spawnSync } = require('child_process');

const CLIENT = `
import sys, urllib.request
urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/").read()
`;

function ask(port) {
  console.log('READY');
  return spawnSync('python3', ['-c', CLIENT, String(port)]).status;
}

const server = http.createServer((request, response) => response.end('here'));
server.listen(0, '127.0.0.1', () => {
  console.log(ask(server.address().port));
});
