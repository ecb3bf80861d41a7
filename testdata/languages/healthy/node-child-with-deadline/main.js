const { spawn } = require('child_process');

const child = spawn('as', ['sorter', 'sort']);
const timer = setTimeout(() => child.kill(), 180000);
child.on('close', (code, signal) => { clearTimeout(timer); console.log(code, signal); });
child.stdin.write('row\n');
