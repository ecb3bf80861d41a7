# IPC204 deadlock: two threads take two locks in different orders
# Ruby itself would see it, but for the third thread, which waits for a child that waits for input.
first = Mutex.new
second = Mutex.new
arrived = Queue.new
input, output = IO.pipe
Thread.new { system('cat', in: input) }

one = Thread.new do
  first.synchronize do
    arrived << 1
    sleep 0.1 until arrived.empty?
    second.synchronize { puts 'one' }
  end
end
two = Thread.new do
  second.synchronize do
    arrived.pop
    first.synchronize { puts 'two' }
  end
end

$stdout.sync = true
puts 'READY'
[one, two].each(&:join)
output.close
