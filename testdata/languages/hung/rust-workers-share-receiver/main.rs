use std::process::Command;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn main() {
    let (tx, rx) = mpsc::channel::<String>();
    let rx = Arc::new(Mutex::new(rx));
    let mut workers = Vec::new();
    for _ in 0..3 {
        let rx = rx.clone();
        workers.push(thread::spawn(move || loop {
            let job = match rx.lock().unwrap().recv() {
                Ok(job) => job,
                Err(_) => break,
            };
            Command::new("test").args(["-e", &job]).status().unwrap();
        }));
    }
    for name in ["/etc/passwd", "/etc/hosts", "/etc/none"] {
        tx.send(name.to_string()).unwrap();
    }
    for w in workers {
        w.join().unwrap();
    }
    drop(tx);
}
