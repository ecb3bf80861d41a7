const net = require('net');
const { execFileSync } = require('child_process');

const path = process.env.TMPDIR + '/status';
if (process.argv[2] === 'ask') {
  net.connect(path).on('data', d => { process.stdout.write(d); process.exit(0); });
} else {
  const server = net.createServer(c => c.end('up\n'));
  server.listen(path, () => {
    const said = execFileSync('as', ['client', process.execPath, __filename, 'ask']);
    console.log(String(said));
    server.close();
  });
}
