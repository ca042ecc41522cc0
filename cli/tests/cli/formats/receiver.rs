//! A receiver of events: it keeps what it was sent, and answers as a test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How it answers a request.
pub(super) enum Answer {
    Status(u16),
    /// 503, with how long to wait.
    Busy(Duration),
    Redirect(String),
    /// It closes the connection.
    Hangup,
    /// It never answers.
    Silence,
}

/// A request that it got.
#[derive(Clone)]
pub(super) struct Request {
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> String {
        self.headers.get(name).cloned().unwrap_or_default()
    }
}

pub(super) struct Receiver {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// `answer` is asked with the number of the request, from 1. The thread ends with the test's process.
    pub(super) fn start(answer: impl Fn(usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        thread::spawn(move || {
            let (mut number, mut silent) = (0, Vec::new());
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let Some(request) = read(&stream) else {
                    continue;
                };
                number += 1;
                let answer = answer(number);
                if !matches!(answer, Answer::Hangup) {
                    kept.lock().unwrap().push(request);
                }
                if matches!(answer, Answer::Silence) {
                    silent.push(stream);
                } else {
                    write(stream, &answer);
                }
            }
        });
        Self { port, requests }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The bodies of requests, answered well or not.
    pub(super) fn bodies(&self) -> Vec<Value> {
        let requests = self.requests();
        requests.into_iter().map(|request| request.body).collect()
    }

    pub(super) fn wait_for(&self, is_there: impl Fn(&[Value]) -> bool) {
        let begun = Instant::now();
        while !is_there(&self.bodies()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it did not come");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    Some(Request { headers, body })
}

fn write(mut stream: TcpStream, answer: &Answer) {
    let more = match answer {
        Answer::Status(422) => "Content-Length: 14\r\n\r\nno such schema".to_owned(),
        Answer::Status(_) => "Content-Length: 0\r\n\r\n".to_owned(),
        Answer::Busy(wait) => {
            format!(
                "Retry-After: {}\r\nContent-Length: 0\r\n\r\n",
                wait.as_secs()
            )
        }
        Answer::Redirect(to) => format!("Location: {to}\r\nContent-Length: 0\r\n\r\n"),
        Answer::Hangup | Answer::Silence => return,
    };
    let status = match answer {
        Answer::Status(status) => *status,
        Answer::Busy(_) => 503,
        Answer::Redirect(_) | Answer::Hangup | Answer::Silence => 307,
    };
    let head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
    let _ = stream.write_all(format!("{head}{more}").as_bytes());
}
