require 'open3'

out, status = Open3.capture2e('as', 'build', 'sleep', '222')
puts out, status
