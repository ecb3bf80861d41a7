# healthy: workers wait for what a client may bring
require 'socket'

jobs = Queue.new
done = SizedQueue.new(1)
3.times { Thread.new { loop { done << jobs.pop.size } } }
Thread.new { loop { done.pop } }
server = TCPServer.new('127.0.0.1', 0)
$stdout.sync = true
puts 'READY'
loop { jobs << server.accept.read }
