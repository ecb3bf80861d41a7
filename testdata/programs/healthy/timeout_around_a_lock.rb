# healthy: who waits for the lock gives up in time, and closes what its holder reads from
require 'timeout'

lock = Mutex.new
input, output = IO.pipe
locked = Queue.new
holder = Thread.new do
  lock.synchronize do
    locked << true
    input.read
  end
end
locked.pop
$stdout.sync = true
puts 'READY'
begin
  Timeout.timeout(1000) { lock.lock }
rescue Timeout::Error
  output.close
end
holder.join
