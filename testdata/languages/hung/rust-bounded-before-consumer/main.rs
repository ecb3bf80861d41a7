use std::process::Command;
use std::sync::mpsc::sync_channel;
use std::thread;

fn main() {
    let (tx, rx) = sync_channel(2);
    let producers: Vec<_> = ["/", "/usr", "/etc"]
        .iter()
        .map(|dir| {
            let tx = tx.clone();
            thread::spawn(move || {
                let out = Command::new("ls").arg(dir).output().unwrap();
                for line in String::from_utf8_lossy(&out.stdout).lines() {
                    tx.send(line.to_string()).unwrap();
                }
            })
        })
        .collect();
    drop(tx);
    for p in producers {
        p.join().unwrap();
    }
    println!("{}", rx.iter().count());
}
