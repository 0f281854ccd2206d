//! A stand-in for whatever hands out credentials: answers as it is told to, and writes down what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// One request as it came in.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The method in capitals.
    pub method: String,
    /// The path and the query, as sent.
    pub path: String,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: String,
}

impl Asked {
    /// Returns the first value of a header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(other, value)| (other == name).then_some(value.as_str()))
    }
}

/// What a stand-in does with a request.
pub enum Answer {
    /// Answers with this status and body.
    Say(u16, String),
    /// Answers with this status, and sends the asker to this URL.
    Redirect(u16, String),
    /// Keeps the connection, and never answers.
    Hang,
}

type Requests = Arc<Mutex<Vec<Asked>>>;

/// A plain HTTP server on the loopback, on threads that live as long as the tests do.
pub struct StandIn {
    address: SocketAddr,
    requests: Requests,
}

impl StandIn {
    /// Starts one that answers by `rule`, which is given the requests so far, the new one last.
    pub fn start(rule: impl Fn(&[Asked]) -> Answer + Send + Sync + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let requests = Requests::default();
        let (seen, rule) = (Arc::clone(&requests), Arc::new(rule));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, rule) = (Arc::clone(&seen), Arc::clone(&rule));
                thread::spawn(move || serve(stream, &seen, rule.as_ref()));
            }
        });
        StandIn { address, requests }
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Asked> {
        lock(&self.requests).clone()
    }
}

fn lock(requests: &Requests) -> MutexGuard<'_, Vec<Asked>> {
    requests
        .lock()
        .expect("nothing panics while it holds the requests")
}

fn serve(stream: TcpStream, seen: &Requests, rule: &dyn Fn(&[Asked]) -> Answer) {
    let Some(asked) = read(&stream) else {
        return;
    };
    let answer = {
        let mut requests = lock(seen);
        requests.push(asked);
        let so_far = requests.clone();
        drop(requests);
        rule(&so_far)
    };
    match answer {
        Answer::Say(status, body) => {
            let length = body.len();
            let _ = write!(
                &stream,
                "HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
        Answer::Redirect(status, to) => {
            let _ = write!(
                &stream,
                "HTTP/1.1 {status} Scripted\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Answer::Hang => thread::sleep(Duration::from_secs(60)),
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        asked.headers.push((name.to_ascii_lowercase(), value));
    }
    let length = asked.header("content-length").and_then(|l| l.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}
