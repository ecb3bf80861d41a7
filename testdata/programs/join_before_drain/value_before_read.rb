# IPC106 deadlock: the status of a child is asked for before its output is read
require 'open3'

$stdout.sync = true
_input, output, _error, waiter = Open3.popen3('head', '-c', '300000', '/dev/zero')
puts 'READY'
status = waiter.value
puts status, output.read.size
