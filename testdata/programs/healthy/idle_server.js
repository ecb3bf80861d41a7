// healthy: a server without clients, a timer, and a worker that waits for messages
const http = require('http');
const { Worker, isMainThread, parentPort } = require('worker_threads');

if (isMainThread) {
  const worker = new Worker(__filename);
  setInterval(() => worker.postMessage(1), 1000);
  http.createServer((request, response) => response.end()).listen(0, '127.0.0.1', () => {
    console.log('READY');
  });
} else {
  parentPort.on('message', () => {});
}
