const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync } = require('child_process');

if (isMainThread) {
  const done = new Int32Array(new SharedArrayBuffer(4));
  const w = new Worker(__filename, { workerData: done });
  w.on('message', name => w.postMessage(String(execFileSync('wc', ['-c', name]))));
  Atomics.wait(done, 0, 0);
  console.log('sizes known');
} else {
  parentPort.on('message', text => {
    console.log(text);
    Atomics.store(workerData, 0, 1);
    Atomics.notify(workerData, 0);
  });
  parentPort.postMessage('/etc/passwd');
}
