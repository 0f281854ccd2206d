//! An HTTP proxy as companies have them: tunnels for https (CONNECT), and requests for http that say
//! where they go. It does as it is told, and writes down what it was asked.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::proxy::message::Message;

/// What a proxy does about a request.
pub enum Verdict {
    /// It connects to where the request goes.
    Pass,
    /// It connects to this host and port instead, as if that were the address of the name.
    PassTo(String),
    /// It says these bytes, and closes the connection.
    Say(Vec<u8>),
    /// It says these bytes, and nothing more.
    SayAndHang(Vec<u8>),
}

impl Verdict {
    /// A reply with this first line after the version, and these headers.
    pub fn reply(status: &str, headers: &[&str]) -> Verdict {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let body = "<html><body>Not through here.</body></html>";
        let length = body.len();
        let reply = format!("HTTP/1.1 {status}\r\n{lines}content-length: {length}\r\n\r\n{body}");
        Verdict::Say(reply.into_bytes())
    }

    /// Passes requests with this user and password, and asks others for them.
    pub fn for_password(request: &Message, basic: &str) -> Verdict {
        if request.header("proxy-authorization") == Some(&format!("Basic {basic}")) {
            return Verdict::Pass;
        }
        let asks = "Proxy-Authenticate: Basic realm=\"the proxy\"";
        Verdict::reply("407 Proxy Authentication Required", &[asks])
    }
}

/// A proxy on the loopback, on threads that live as long as the tests do.
pub struct ConnectProxy {
    address: SocketAddr,
    desk: Arc<Desk>,
}

struct Desk {
    rule: Box<dyn Fn(&Message) -> Verdict + Send + Sync>,
    requests: Mutex<Vec<Message>>,
}

impl ConnectProxy {
    /// Starts one that passes everything.
    pub fn start() -> ConnectProxy {
        ConnectProxy::with(|_| Verdict::Pass)
    }

    /// Starts one that decides by a rule.
    pub fn with(rule: impl Fn(&Message) -> Verdict + Send + Sync + 'static) -> ConnectProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let desk = Arc::new(Desk {
            rule: Box::new(rule),
            requests: Mutex::default(),
        });
        let shared = Arc::clone(&desk);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let desk = Arc::clone(&shared);
                // An error is a connection's end, as the client will see for itself.
                thread::spawn(move || serve(near, &desk));
            }
        });
        ConnectProxy { address, desk }
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same with a user and a password.
    pub fn endpoint_for(&self, user: &str) -> String {
        format!("http://{user}@{}", self.address)
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Message> {
        self.desk.requests().clone()
    }

    /// Returns the methods of the requests so far.
    pub fn methods(&self) -> Vec<String> {
        self.desk.requests().iter().map(Message::method).collect()
    }
}

impl Desk {
    fn requests(&self) -> MutexGuard<'_, Vec<Message>> {
        self.requests
            .lock()
            .expect("nothing panics while it holds the requests")
    }
}

fn serve(near: TcpStream, desk: &Desk) -> io::Result<()> {
    near.set_nodelay(true)?;
    let mut requests = BufReader::new(near.try_clone()?);
    if let Some(request) = Message::read_request(&mut requests)? {
        desk.requests().push(request.clone());
        let target = match (desk.rule)(&request) {
            Verdict::Pass => host_of(&request),
            Verdict::PassTo(host) => host,
            Verdict::Say(bytes) => return (&near).write_all(&bytes),
            Verdict::SayAndHang(bytes) => {
                (&near).write_all(&bytes)?;
                thread::sleep(Duration::from_secs(60));
                return Ok(());
            }
        };
        if request.method() == "CONNECT" {
            return tunnel(near, &target);
        }
        let reply = forward(request, &target);
        let reply = reply.unwrap_or_else(|_| bad_gateway());
        // Closed without a word, as tinyproxy does.
        return (&near).write_all(&reply.to_bytes());
    }
    Ok(())
}

/// The host and port that a request is for.
fn host_of(request: &Message) -> String {
    let target = request.target();
    let Some(rest) = target.strip_prefix("http://") else {
        return target;
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    }
}

fn bad_gateway() -> Message {
    let page = b"<html><body>Bad gateway.</body></html>".to_vec();
    Message::reply(502, &[("content-type", "text/html")], page)
}

/// Carries bytes both ways until either side ends.
fn tunnel(near: TcpStream, target: &str) -> io::Result<()> {
    let Ok(far) = TcpStream::connect(target) else {
        return (&near).write_all(&bad_gateway().to_bytes());
    };
    far.set_nodelay(true)?;
    (&near).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut back, mut forth) = (far.try_clone()?, near.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut back, &mut forth);
        let _ = forth.shutdown(Shutdown::Both);
    });
    let (mut near, mut far) = (near, far);
    let _ = io::copy(&mut near, &mut far);
    let _ = far.shutdown(Shutdown::Both);
    Ok(())
}

/// Has the server carry a request out, as if it came from here.
fn forward(mut request: Message, target: &str) -> io::Result<Message> {
    let url = request.target();
    let path = url.trim_start_matches("http://");
    let path = path.find('/').map_or("/", |start| &path[start..]);
    request.start = format!("{} {path} HTTP/1.1", request.method()).into_bytes();
    request.remove("proxy-authorization");
    let stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    (&stream).write_all(&request.to_bytes())?;
    Message::read_reply(&mut BufReader::new(stream), &request.method())
}
