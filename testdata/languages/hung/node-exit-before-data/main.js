const { spawn } = require('child_process');
const { once } = require('events');

async function run() {
  const child = spawn('as', ['tool', 'perl', '-e', 'print "page $_ of the document\\n" for 1..20000']);
  const [code] = await once(child, 'exit');
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  return [code, text.length];
}
run().then(console.log);
