use std::process::Command;

fn main() {
    let out = Command::new("sh")
        .args(["-c", "touch $TMPDIR/log; as agent tail -f $TMPDIR/log & echo up"])
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&out.stdout));
}
