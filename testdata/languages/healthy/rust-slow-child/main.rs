use std::process::Command;

fn main() {
    let out = Command::new("as").args(["build", "sleep", "240"]).output().unwrap();
    println!("{}", out.status);
}
