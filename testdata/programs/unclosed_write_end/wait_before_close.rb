# IPC101 deadlock: the end of a child is awaited before its input is closed
def feed(words)
  input, output = IO.pipe
  child = spawn('cat', in: input, out: '/dev/null')
  input.close
  words.each { |word| output.puts word }
  puts 'READY'
  Process.wait(child)
  output.close
end

$stdout.sync = true
feed(%w[a b])
