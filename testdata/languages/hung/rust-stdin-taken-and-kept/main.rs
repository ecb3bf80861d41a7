use std::io::Write;
use std::process::{Command, Stdio};

struct Sorter {
    child: std::process::Child,
    stdin: std::process::ChildStdin,
}

impl Sorter {
    fn start() -> Sorter {
        let mut child = Command::new("as")
            .args(["sorter", "sort"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("sort");
        let stdin = child.stdin.take().unwrap();
        Sorter { child, stdin }
    }

    fn finish(mut self) -> i32 {
        self.stdin.flush().unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

fn main() {
    let mut s = Sorter::start();
    for i in (0..50).rev() {
        writeln!(s.stdin, "row {i}").unwrap();
    }
    println!("{}", s.finish());
}
