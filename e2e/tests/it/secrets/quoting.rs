//! An engine and a registry whose errors quote addresses with credentials, as real ones do.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use super::canary::REPLY;

/// Answers one request with a failure that quotes credentials; an engine's ping is answered well.
fn answer(mut stream: impl Read + Write) {
    let mut request = [0; 16 << 10];
    let read = stream.read(&mut request).unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let quotes = format!(
        "Get \"https://u:{REPLY}@r.example/v2/\": proxyconnect http://{REPLY}:x@p:1: refused\nsee https://{REPLY}@r.example/"
    );
    let error = serde_json::json!({
        "message": quotes,
        "errors": [{ "code": "UNKNOWN", "message": quotes, "detail": quotes }],
    });
    let (status, body) = if request.contains("/_ping") {
        ("200 OK\r\nApi-Version: 1.41", "OK".to_owned())
    } else {
        ("500 No", error.to_string())
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    // Whoever has gone away has heard enough.
    stream.write_all((head + &body).as_bytes()).ok();
}

/// An engine on this socket, which ends with the process; the address for `DOCKER_HOST`.
pub(super) fn quoting_engine(socket: &Path) -> String {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    format!("unix://{}", socket.display())
}

/// A registry of this machine, which ends with the process.
pub(super) fn quoting_registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}
