const { execSync } = require('child_process');

console.log(String(execSync('as build sleep 230; echo built')));
