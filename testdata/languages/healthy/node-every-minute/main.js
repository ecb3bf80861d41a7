const { spawn } = require('child_process');

const sink = spawn('as', ['sink', 'cat'], { stdio: ['pipe', 'inherit', 'inherit'] });
setInterval(() => sink.stdin.write(new Date().toISOString() + '\n'), 60000);
