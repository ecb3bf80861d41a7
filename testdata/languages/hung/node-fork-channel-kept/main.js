const { fork } = require('child_process');
const fs = require('fs');

if (process.argv[2] === 'work') {
  fs.appendFileSync(process.env.CASE_ROLES, `worker ${process.pid}\n`);
  process.on('message', n => process.send(n * n));
} else {
  const child = fork(__filename, ['work']);
  let left = 3;
  child.on('message', n => { console.log(n); left--; });
  child.on('exit', code => console.log('worker ended', code, left));
  for (const n of [1, 2, 3]) child.send(n);
}
