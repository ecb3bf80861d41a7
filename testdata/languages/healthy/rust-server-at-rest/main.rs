use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn main() {
    let (tx, rx) = mpsc::channel::<Vec<u8>>();
    let rx = Arc::new(Mutex::new(rx));
    for _ in 0..3 {
        let rx = rx.clone();
        thread::spawn(move || while let Ok(job) = { let r = rx.lock().unwrap(); r.recv() } {
            println!("{}", job.len());
        });
    }
    let listener = UnixListener::bind(std::env::var("TMPDIR").unwrap() + "/s").unwrap();
    for conn in listener.incoming() {
        let mut conn = conn.unwrap();
        let mut b = Vec::new();
        conn.read_to_end(&mut b).unwrap();
        tx.send(b).unwrap();
        conn.write_all(b"ok").unwrap();
    }
}
