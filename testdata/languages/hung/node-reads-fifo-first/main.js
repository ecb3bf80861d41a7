const fs = require('fs');
const { execSync, spawn } = require('child_process');

process.chdir(process.env.TMPDIR);
execSync('mkfifo requests replies');
spawn('as', ['peer', 'bash', '-c', 'read -r q <requests; echo "$q?" >replies'], { stdio: 'inherit' });
const reply = fs.readFileSync('replies', 'utf8');
fs.writeFileSync('requests', 'what\n');
console.log(reply);
