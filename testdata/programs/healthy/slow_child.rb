# healthy: the output of a child that takes its time is read to its end
require 'open3'

Thread.new { loop { sleep 1 } }
$stdout.sync = true
Open3.popen3('sleep', '1000') do |input, output, error, waiter|
  input.close
  puts 'READY'
  reader = Thread.new { error.read }
  output.read
  reader.join
  waiter.value
end
