path = "#{ENV['TMPDIR']}/state.lock"

def locked(path)
  File.open(path, File::RDWR | File::CREAT) do |f|
    f.flock(File::LOCK_EX)
    yield
  end
end

locked(path) do
  pid = fork do
    File.write(ENV['CASE_ROLES'], "child #{Process.pid}\n", mode: 'a')
    locked(path) { puts 'child has it' }
  end
  Process.wait(pid)
end
