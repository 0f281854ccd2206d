//! A relay between clients and a store that others wrote, which delays each request and writes it down.

use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::{Logged, micros};
use crate::support::Message;

/// A relay on the loopback, on threads that live as long as the bench does.
pub struct Relay {
    port: u16,
    desk: Arc<Desk>,
}

/// What all connections of a relay share.
#[derive(Default)]
struct Desk {
    server: String,
    latency: Mutex<Duration>,
    log: Mutex<Vec<Logged>>,
}

impl Relay {
    /// Starts a relay to the server at `endpoint`, an `http://` URL without a path.
    pub fn start(endpoint: &str) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr();
        let port = address.expect("a bound socket has an address").port();
        let server = endpoint.trim_start_matches("http://");
        let desk = Arc::new(Desk {
            server: server.trim_end_matches('/').to_owned(),
            ..Desk::default()
        });
        let shared = Arc::clone(&desk);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let desk = Arc::clone(&shared);
                // An error is a connection's end, as the client will see for itself.
                thread::spawn(move || serve(near, &desk));
            }
        });
        Relay { port, desk }
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets how long each request is kept before it is passed on.
    pub fn set_latency(&self, latency: Duration) {
        *locked(&self.desk.latency) = latency;
    }

    /// Returns the requests so far.
    pub fn log(&self) -> Vec<Logged> {
        locked(&self.desk.log).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this")
}

fn serve(near: TcpStream, desk: &Desk) -> io::Result<()> {
    near.set_nodelay(true)?;
    let mut requests = BufReader::new(near.try_clone()?);
    let far = TcpStream::connect(&desk.server)?;
    far.set_nodelay(true)?;
    let mut replies = BufReader::new(far.try_clone()?);
    while let Some(request) = Message::read_request(&mut requests)? {
        let (method, place) = (request.method(), desk.enter(&request));
        // Not in one expression: the mutex would stay locked, and the connections would wait for each other.
        let latency = *locked(&desk.latency);
        thread::sleep(latency);
        (&far).write_all(&request.to_bytes())?;
        acknowledge_at_once(&far)?;
        let reply = Message::read_reply(&mut replies, &method)?;
        locked(&desk.log)[place].status = reply.status();
        (&near).write_all(&reply.to_bytes())?;
    }
    Ok(())
}

/// A server without TCP_NODELAY sends the body of a reply once its head is acknowledged. By default that takes
/// 40 ms, which would be on top of the latency that this relay is for.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(stream: &TcpStream) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let (on, size) = (1_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: the socket is open as long as `stream` is borrowed, and `on` is an int of `size` bytes.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            size,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

impl Desk {
    /// Writes a request down, and returns where.
    fn enter(&self, request: &Message) -> usize {
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        let path = path.trim_start_matches('/');
        let key = path.split_once('/').map_or("", |(_, key)| key);
        let mut log = locked(&self.log);
        log.push(Logged {
            method: request.method(),
            key: key.to_owned(),
            status: None,
            at: micros(),
        });
        log.len() - 1
    }
}
