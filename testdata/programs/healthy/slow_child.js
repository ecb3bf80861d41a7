// healthy: the output of a child that takes its time is read to its end
const { spawnSync } = require('child_process');

console.log('READY');
spawnSync('sleep', ['1000']);
