# healthy: the handler of a signal closes the input of the child that is awaited
input, output = IO.pipe
child = spawn('cat', in: input, out: '/dev/null')
input.close
trap('USR1') { output.close }
$stdout.sync = true
puts 'READY'
Process.wait(child)
