IO.popen(%w[as filter gzip -c], 'r+b') do |io|
  random = Random.new(1)
  200.times { io.write random.bytes(4096) }
  io.close_write
  puts io.read.size
end
