//! A very small HTTP client for tests: one request, one whole answer.
//!
//! Here: HTTP/1.0 over TCP or a Unix socket, the connection closed by the server at the end of the answer.
//! Not here: anything a service needs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(100);
const MAX_HEADERS: usize = 64;
const CONTENT_TYPE: &str = "Content-Type";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Names, in lower case, and values of its headers.
    pub headers: Vec<(String, String)>,
    /// Body, as text.
    pub body: String,
}

impl Reply {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends a request to a port of this host.
pub fn call(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<Reply> {
    call_with(port, method, path, &[], body)
}

/// Sends a request with headers of its own to a port of this host.
pub fn call_with(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Reply> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    exchange(stream, method, path, headers, body)
}

/// Sends a request to a Unix socket, waiting at most `limit` for each part of the answer.
pub fn call_unix(
    socket: &Path,
    method: &str,
    path: &str,
    limit: Duration,
) -> std::io::Result<Reply> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(limit))?;
    exchange(stream, method, path, &[], "")
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Reply> {
    let mut request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|(name, _)| *name == CONTENT_TYPE) {
        request.push_str(&format!("{CONTENT_TYPE}: application/json\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("\r\n{body}"));
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> std::io::Result<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response
        .parse(answer)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let (httparse::Status::Complete(head), Some(status)) = (parsed, response.code) else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let headers = response.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_lowercase(), value)
    });
    Ok(Reply {
        status,
        headers: headers.collect(),
        body: String::from_utf8_lossy(&answer[head..]).into_owned(),
    })
}
