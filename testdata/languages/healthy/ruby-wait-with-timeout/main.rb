require 'timeout'

pid = spawn('as', 'job', 'sort', in: IO.pipe[0])
begin
  Timeout.timeout(200) { Process.wait pid }
rescue Timeout::Error
  Process.kill :KILL, pid
end
