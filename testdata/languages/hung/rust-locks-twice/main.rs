use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

struct Session {
    tool: Mutex<Child>,
}

impl Session {
    fn send(&self, text: &str) {
        let mut tool = self.tool.lock().unwrap();
        tool.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn close(&self) {
        let mut tool = self.tool.lock().unwrap();
        self.send("quit\n");
        tool.wait().unwrap();
    }
}

fn main() {
    let child = Command::new("as").args(["tool", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let s = Session { tool: Mutex::new(child) };
    s.send("hello\n");
    s.close();
}
