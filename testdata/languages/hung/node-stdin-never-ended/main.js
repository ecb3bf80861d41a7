const { spawn } = require('child_process');

function sort(lines) {
  return new Promise((resolve, reject) => {
    const child = spawn('as', ['sorter', 'sort']);
    let out = '';
    child.stdout.on('data', d => { out += d; });
    child.on('error', reject);
    child.on('close', () => resolve(out));
    for (const line of lines) child.stdin.write(line + '\n');
  });
}

sort(['c', 'a', 'b']).then(console.log);
