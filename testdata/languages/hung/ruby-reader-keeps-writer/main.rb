r, w = IO.pipe
pid = fork do
  File.write(ENV['CASE_ROLES'], "reader #{Process.pid}\n", mode: 'a')
  total = 0
  r.each_line { |line| total += line.to_i }
  puts total
end
r.close
10.times { |i| w.puts i }
w.close
Process.wait pid
