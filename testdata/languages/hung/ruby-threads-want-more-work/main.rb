jobs = Queue.new
sink = IO.popen(%w[as sink cat], 'r+')
echo = Thread.new { while (line = sink.gets) do puts line end }
workers = 3.times.map do
  Thread.new do
    while (job = jobs.pop)
      sink.puts job * 2
    end
  end
end
10.times { |i| jobs << i }
workers.each(&:join)
sink.close_write
echo.join
