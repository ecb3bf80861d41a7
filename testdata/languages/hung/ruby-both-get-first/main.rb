require 'socket'

here, there = UNIXSocket.pair
pid = fork do
  here.close
  File.write(ENV['CASE_ROLES'], "child #{Process.pid}\n", mode: 'a')
  hello = there.gets
  there.puts "child got #{hello}"
end
there.close
ready = here.gets
here.puts "hello after #{ready}"
Process.wait pid
