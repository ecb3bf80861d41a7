use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

fn main() {
    let total = Arc::new(Mutex::new(0u64));
    let its = total.clone();
    thread::spawn(move || {
        let mut sum = its.lock().unwrap();
        thread::sleep(Duration::from_secs(300));
        *sum += 1;
    });
    thread::sleep(Duration::from_millis(200));
    println!("{}", *total.lock().unwrap());
    Command::new("true").status().unwrap();
}
