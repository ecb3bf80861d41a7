use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

fn main() {
    let mut child = Command::new("as").args(["helper", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let (tx, rx) = mpsc::channel::<i32>();
    let keep = tx.clone();
    match rx.recv_timeout(Duration::from_secs(200)) {
        Ok(n) => println!("{n}"),
        Err(e) => println!("{e}"),
    }
    drop((tx, keep, child.stdin.take()));
    child.wait().unwrap();
}
