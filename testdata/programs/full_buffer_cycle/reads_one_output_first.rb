# IPC105 deadlock: one output of a child is read to its end while the other one is full
require 'open3'

def run(*command)
  Open3.popen3(*command) do |input, output, error, _waiter|
    input.close
    puts 'READY'
    return output.read, error.read
  end
end

$stdout.sync = true
run('sh', '-c', 'head -c 300000 /dev/zero >&2; echo done')
