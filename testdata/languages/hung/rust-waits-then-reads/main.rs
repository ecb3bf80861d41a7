use std::io::Read;
use std::process::{Command, Stdio};

fn main() -> std::io::Result<()> {
    let mut child = Command::new("as")
        .args(["tool", "perl", "-e", "print qq(frame $_ decoded and checked\\n) for 1..9000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let status = child.wait()?;
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out)?;
    println!("{status} {}", out.len());
    Ok(())
}
