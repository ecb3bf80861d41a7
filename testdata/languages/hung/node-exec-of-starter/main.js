const { exec } = require('child_process');
const { promisify } = require('util');

async function main() {
  const { stdout } = await promisify(exec)('touch $TMPDIR/log; as agent tail -f $TMPDIR/log & echo started');
  console.log(stdout);
}
main();
