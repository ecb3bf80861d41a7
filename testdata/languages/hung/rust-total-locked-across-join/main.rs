use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

fn main() {
    let mut lister = Command::new("as")
        .args(["lister", "sh", "-c", "seq 20000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let total = Arc::new(Mutex::new(0u64));
    let sum = total.clone();
    let out = BufReader::new(lister.stdout.take().unwrap());
    let mut shown = total.lock().unwrap();
    let adder = thread::spawn(move || {
        for line in out.lines() { *sum.lock().unwrap() += line.unwrap().parse::<u64>().unwrap(); }
    });
    *shown += 1;
    adder.join().unwrap();
    println!("{}", *shown);
    lister.wait().unwrap();
}
