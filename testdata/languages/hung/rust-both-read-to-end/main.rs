use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::{env, thread, time::Duration};

fn serve(path: &str) {
    let listener = UnixListener::bind(path).unwrap();
    let (mut conn, _) = listener.accept().unwrap();
    let mut request = String::new();
    conn.read_to_string(&mut request).unwrap();
    write!(conn, "{} bytes", request.len()).unwrap();
}

fn main() {
    let path = env::var("TMPDIR").unwrap() + "/sock";
    if env::args().count() > 1 {
        return serve(&path);
    }
    let me = env::current_exe().unwrap();
    let mut server = Command::new("as").arg("server").arg(me).arg("serve").spawn().unwrap();
    let mut conn = loop {
        match UnixStream::connect(&path) {
            Ok(c) => break c,
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    };
    conn.write_all(b"a request").unwrap();
    let mut reply = String::new();
    conn.read_to_string(&mut reply).unwrap();
    println!("{reply} {:?}", server.wait());
}
