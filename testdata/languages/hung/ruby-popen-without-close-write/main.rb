IO.popen(%w[as sorter sort], 'r+') do |io|
  %w[pear apple fig].each { |word| io.puts word }
  while (line = io.gets)
    puts line
  end
end
