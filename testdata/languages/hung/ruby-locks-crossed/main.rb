sink = IO.popen(%w[as sink cat], 'r+')
reader = Thread.new { while (l = sink.gets) do puts l end }
log = Mutex.new
data = Mutex.new
a = Thread.new do
  log.synchronize do
    sleep 0.1
    data.synchronize { sink.puts 'a' }
  end
end
b = Thread.new do
  data.synchronize do
    sleep 0.1
    log.synchronize { sink.puts 'b' }
  end
end
[a, b].each(&:join)
sink.close_write
reader.join
