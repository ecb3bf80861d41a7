use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, RwLock};
use std::thread;

fn look_up(cache: &RwLock<HashMap<String, String>>, name: &str) -> String {
    let known = cache.read().unwrap();
    if let Some(found) = known.get(name) { return found.clone(); }
    let out = Command::new("echo").arg(name).output().unwrap();
    cache.write().unwrap().insert(name.to_string(), String::from_utf8(out.stdout).unwrap());
    name.to_string()
}

fn main() {
    let cache = Arc::new(RwLock::new(HashMap::new()));
    let its = cache.clone();
    thread::spawn(move || println!("{}", look_up(&its, "a"))).join().unwrap();
    println!("{}", cache.read().unwrap().len());
}
