use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;

fn main() {
    let mut sink = Command::new("as").args(["sink", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let stdin = sink.stdin.take().unwrap();
    let ready = Arc::new(Barrier::new(4));
    let workers: Vec<_> = (0..3)
        .map(|n| {
            let ready = ready.clone();
            thread::spawn(move || {
                ready.wait();
                println!("worker {n}");
            })
        })
        .collect();
    for w in workers {
        w.join().unwrap();
    }
    drop(stdin);
    sink.wait().unwrap();
}
