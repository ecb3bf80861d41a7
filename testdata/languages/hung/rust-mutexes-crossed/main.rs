use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

fn main() {
    let mut sink = Command::new("as").args(["sink", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let out = Arc::new(Mutex::new(sink.stdin.take().unwrap()));
    let cache = Arc::new(Mutex::new(vec![1, 2, 3]));
    let (o, c) = (out.clone(), cache.clone());
    let writer = thread::spawn(move || {
        let mut o = o.lock().unwrap();
        thread::sleep(Duration::from_millis(100));
        let c = c.lock().unwrap();
        writeln!(o, "{:?}", c).unwrap();
    });
    let (o, c) = (out.clone(), cache.clone());
    let filler = thread::spawn(move || {
        let mut c = c.lock().unwrap();
        thread::sleep(Duration::from_millis(100));
        writeln!(o.lock().unwrap(), "add").unwrap();
        c.push(4);
    });
    writer.join().unwrap();
    filler.join().unwrap();
    drop(out);
    println!("{:?}", sink.wait());
}
