//! Where one HTTP/1.1 message ends and the next begins.
//!
//! Here: reading heads and following bodies, without input or output; every byte that goes in comes out again.
//! Not here: what is done with a message.

const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 128;
/// What a connection with encryption begins with.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
/// The method of what is a connection with encryption, and no request.
pub(super) const TLS: &str = "TLS";

/// What of a request's head matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    /// Whether it asks for another protocol on this connection.
    pub(super) upgrade: bool,
}

/// A piece of a stream of requests, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole head, and its bytes.
    Head(Head, Vec<u8>),
    /// Bytes of a body, or of anything that is not HTTP.
    Body(&'a [u8]),
    /// All bytes were kept: the head goes on.
    Incomplete,
}

/// Takes a stream of requests apart.
#[derive(Debug, Default)]
pub(super) enum Requests {
    /// Between requests when the bytes are none.
    #[default]
    Between,
    Head(Vec<u8>),
    Body(Body),
    /// Not HTTP, for the rest of the connection.
    Opaque,
}

impl Requests {
    /// Says whether the last request has ended and the next has not begun.
    pub(super) fn between(&self) -> bool {
        matches!(self, Self::Between)
    }

    /// Takes the next piece off the front of `bytes`, which must not be empty.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Piece<'a> {
        match std::mem::take(self) {
            Self::Between => self.head(Vec::new(), bytes),
            Self::Head(kept) => self.head(kept, bytes),
            Self::Body(mut body) => {
                let (taken, rest) = bytes.split_at(body.take(bytes));
                *bytes = rest;
                if !body.ended() {
                    *self = Self::Body(body);
                }
                Piece::Body(taken)
            }
            Self::Opaque => {
                *self = Self::Opaque;
                Piece::Body(std::mem::take(bytes))
            }
        }
    }

    /// The bytes of a head that has not ended.
    pub(super) fn kept(&self) -> &[u8] {
        match self {
            Self::Head(kept) => kept,
            Self::Between | Self::Body(_) | Self::Opaque => &[],
        }
    }

    fn head<'a>(&mut self, mut kept: Vec<u8>, bytes: &mut &'a [u8]) -> Piece<'a> {
        let before = kept.len();
        kept.extend_from_slice(bytes);
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&kept) {
            Ok(httparse::Status::Complete(length)) => {
                let head = Head {
                    method: request.method.unwrap_or_default().to_owned(),
                    path: request.path.unwrap_or_default().to_owned(),
                    upgrade: header(request.headers, "upgrade").is_some(),
                };
                let body = Body::of(request.headers, false);
                *bytes = &bytes[length - before..];
                kept.truncate(length);
                if !body.ended() {
                    *self = Self::Body(body);
                }
                Piece::Head(head, kept)
            }
            Ok(httparse::Status::Partial) if kept.len() <= MAX_HEAD_BYTES => {
                *bytes = &[];
                *self = Self::Head(kept);
                Piece::Incomplete
            }
            Ok(httparse::Status::Partial) | Err(_) => {
                // What was kept so far goes out as a head would, but nobody asked for anything we understand.
                *bytes = &[];
                *self = Self::Opaque;
                let is_tls = kept.starts_with(&TLS_HANDSHAKE);
                let head = Head {
                    method: if is_tls { TLS } else { "UNKNOWN" }.to_owned(),
                    path: String::new(),
                    upgrade: false,
                };
                Piece::Head(head, kept)
            }
        }
    }
}

/// What is left of a message after its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Sized(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the connection closes.
    UntilClose,
}

/// Where in a chunked body we are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the line that gives a chunk's size.
    Size(Vec<u8>),
    /// In a chunk, with so many bytes to come, its line end among them.
    Data(u64),
    /// In the trailer, at so many bytes of its line.
    Trailer(usize),
    /// Behind the last one.
    Ended,
}

impl Body {
    /// Reads the framing off the headers. Without any, a request has no body and an answer ends with the connection.
    fn of(headers: &[httparse::Header<'_>], is_answer: bool) -> Self {
        let chunked = header(headers, "transfer-encoding")
            .is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked"));
        if chunked {
            return Self::Chunked(Chunk::Size(Vec::new()));
        }
        match header(headers, "content-length").and_then(|length| length.trim().parse().ok()) {
            Some(length) => Self::Sized(length),
            None if is_answer => Self::UntilClose,
            None => Self::Sized(0),
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Sized(left) => *left == 0,
            Self::Chunked(chunk) => *chunk == Chunk::Ended,
            Self::UntilClose => false,
        }
    }

    /// Moves on by as many of these bytes as belong to the body, and says how many that is.
    fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Sized(left) => take_sized(left, bytes),
            Self::UntilClose => bytes.len(),
            Self::Chunked(chunk) => {
                let mut taken = 0;
                while taken < bytes.len() && *chunk != Chunk::Ended {
                    let Some(count) = chunk.take(&bytes[taken..]) else {
                        *self = Self::UntilClose;
                        return bytes.len();
                    };
                    taken += count;
                }
                taken
            }
        }
    }
}

impl Chunk {
    /// Moves on by some bytes; none: this is no chunked body after all.
    fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Data(left) => {
                let taken = take_sized(left, bytes);
                if *left == 0 {
                    *self = Self::Size(Vec::new());
                }
                Some(taken)
            }
            Self::Size(line) => {
                line.push(*bytes.first()?);
                match httparse::parse_chunk_size(line) {
                    Ok(httparse::Status::Complete((_, 0))) => *self = Self::Trailer(0),
                    Ok(httparse::Status::Complete((_, size))) => {
                        *self = Self::Data(size.checked_add(2)?);
                    }
                    Ok(httparse::Status::Partial) => {}
                    Err(_) => return None,
                }
                Some(1)
            }
            Self::Trailer(length) => {
                match bytes.first()? {
                    b'\n' if *length == 0 => *self = Self::Ended,
                    b'\n' => *length = 0,
                    b'\r' => {}
                    _ => *length += 1,
                }
                Some(1)
            }
            Self::Ended => Some(0),
        }
    }
}

fn take_sized(left: &mut u64, bytes: &[u8]) -> usize {
    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= count as u64;
    count
}

fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok()
}

/// Follows one answer to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// Answers to `HEAD` have the headers of a body, and none.
    to_head: bool,
    state: AnswerState,
}

#[derive(Debug)]
enum AnswerState {
    Head(Vec<u8>),
    Body(Body),
    Ended,
}

impl Answer {
    pub(super) fn to(method: &str) -> Self {
        Self {
            to_head: method == "HEAD",
            state: AnswerState::Head(Vec::new()),
        }
    }

    /// Moves on by these bytes, and says whether the answer has ended.
    pub(super) fn ends_with(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        if let AnswerState::Head(kept) = &mut self.state {
            let before = kept.len();
            kept.extend_from_slice(bytes);
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(kept) {
                Ok(httparse::Status::Complete(length)) => {
                    let bodiless = self.to_head || matches!(response.code, Some(204 | 304));
                    let body = Body::of(response.headers, true);
                    rest = &bytes[length - before..];
                    self.state = if bodiless {
                        AnswerState::Ended
                    } else {
                        AnswerState::Body(body)
                    };
                }
                Ok(httparse::Status::Partial) => return false,
                Err(_) => self.state = AnswerState::Ended,
            }
        }
        if let AnswerState::Body(body) = &mut self.state {
            body.take(rest);
            if body.ended() {
                self.state = AnswerState::Ended;
            }
        }
        matches!(self.state, AnswerState::Ended)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SIZED: &str = "POST /v1.41/build?t=a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &str = "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;note=1\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: yes\r\n\r\n";
    const BARE: &str = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";

    fn heads(stream: &[u8], step: usize) -> (Vec<String>, Vec<u8>) {
        let (mut requests, mut heads, mut out) = (Requests::default(), Vec::new(), Vec::new());
        for part in stream.chunks(step) {
            let mut rest = part;
            while !rest.is_empty() {
                match requests.next(&mut rest) {
                    Piece::Head(head, bytes) => {
                        heads.push(format!("{} {}", head.method, head.path));
                        out.extend(bytes);
                    }
                    Piece::Body(bytes) => out.extend(bytes),
                    Piece::Incomplete => {}
                }
            }
        }
        out.extend(requests.kept());
        (heads, out)
    }

    #[rstest]
    fn every_request_is_seen_and_every_byte_comes_out_however_the_stream_is_cut(
        #[values(1, 2, 3, 7, 64, 4096)] step: usize,
    ) {
        let stream = [BARE, SIZED, CHUNKED, BARE, CHUNKED, SIZED, "GET /unfin"].concat();
        let (seen, out) = heads(stream.as_bytes(), step);
        assert_eq!(
            seen,
            [
                "GET /_ping",
                "POST /v1.41/build?t=a",
                "PUT /x",
                "GET /_ping",
                "PUT /x",
                "POST /v1.41/build?t=a"
            ]
        );
        assert_eq!(out, stream.as_bytes());
    }

    #[rstest]
    #[case(b"\x00\x01 no http at all \xff".as_slice())]
    #[case(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET / HTTP/1.1\r\n\r\n")]
    #[case(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab")]
    #[case(b"PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabc")]
    fn what_is_not_understood_passes_unchanged(
        #[case] stream: &[u8],
        #[values(1, 5, 4096)] step: usize,
    ) {
        assert_eq!(heads(stream, step).1, stream);
    }

    #[rstest]
    #[case("POST", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")]
    #[case(
        "POST",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )]
    #[case("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")]
    #[case("DELETE", "HTTP/1.1 204 No Content\r\n\r\n")]
    fn an_answer_ends_with_its_last_byte_and_not_before(
        #[case] method: &str,
        #[case] stream: &str,
    ) {
        let mut answer = Answer::to(method);
        let ends: Vec<bool> = stream
            .bytes()
            .map(|byte| answer.ends_with(&[byte]))
            .collect();
        let (last, before) = ends.split_last().unwrap();
        assert!(last);
        assert!(before.iter().all(|end| !end), "{ends:?}");
    }
}
