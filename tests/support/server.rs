//! A small HTTP server on this machine, for tests of downloads: each request gets the next of its replies, as good or
//! bad servers give them.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a server does with one request.
#[derive(Clone)]
pub enum Reply {
    /// The bytes asked for; of those only so many where there is a limit, and then the connection is cut.
    Ranged(Option<usize>),
    /// All bytes, whatever was asked for; as many, where there is a limit.
    Whole(Option<usize>),
    /// All bytes, with no length, in chunks of so many with a pause after each.
    Chunks(usize, Duration),
    /// A part that begins elsewhere, of a file of such a length.
    Range(&'static str),
    /// Nothing, for so long.
    Silence(Duration),
    Redirect(String),
    Status(u16),
}

/// A path, and a range where one was asked for.
type Request = (String, Option<String>);

/// A server of one content, and the requests that it got.
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Replies in turn, the last again and again.
    pub fn start(content: Vec<u8>, replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (replies, log) = (replies.to_vec(), requests.clone());
        thread::spawn(move || {
            for (served, stream) in listener.incoming().flatten().enumerate() {
                // A client that goes away is no failure of the server.
                let _ = serve(stream, &content, &replies[served.min(replies.len() - 1)], &log);
            }
        });
        Server { address, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn ranges(&self) -> Vec<Option<String>> {
        self.requests().into_iter().map(|(_, range)| range).collect()
    }
}

/// One request, one reply, one connection.
fn serve(
    mut stream: TcpStream,
    content: &[u8],
    reply: &Reply,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let (mut path, mut range) = (String::new(), None);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if let Some(asked) = line.strip_prefix("GET ") {
            path = asked.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("range")
        {
            range = Some(value.to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    log.lock().unwrap().push((path, range.clone()));
    let (len, close) = (content.len(), "Connection: close\r\n\r\n");
    let start = range.as_deref().and_then(|range| range["bytes=".len()..].trim_end_matches('-').parse().ok());
    match reply {
        Reply::Ranged(limit) => {
            let from: usize = start.unwrap_or(0);
            let head = match start {
                Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{len}", len - 1),
                None => "200 OK".to_owned(),
            };
            write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\n{close}", len - from)?;
            let rest = &content[from..];
            stream.write_all(&rest[..limit.unwrap_or(rest.len()).min(rest.len())])
        }
        Reply::Whole(limit) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n{close}")?;
            stream.write_all(&content[..limit.unwrap_or(len)])
        }
        Reply::Chunks(size, pause) => {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{close}")?;
            for chunk in content.chunks(*size) {
                write!(stream, "{:x}\r\n", chunk.len())?;
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")?;
                stream.flush()?;
                thread::sleep(*pause);
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Reply::Range(range) => {
            write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\nContent-Range: {range}\r\nContent-Length: {len}\r\n{close}"
            )?;
            stream.write_all(content)
        }
        Reply::Silence(time) => {
            thread::sleep(*time);
            Ok(())
        }
        Reply::Redirect(to) => {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n{close}")
        }
        Reply::Status(code) => {
            write!(stream, "HTTP/1.1 {code} So\r\nContent-Length: 5\r\n{close}sorry")
        }
    }
}
