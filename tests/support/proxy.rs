//! A proxy between clients and any S3 server, which goes wrong in every way that a network and the
//! machines on it can, by a seed.
//!
//! It speaks HTTP/1.1 with whole messages, so that it can tell requests from replies: it knows
//! whether what it drops had been carried out.

mod fate;
pub mod message;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use fate::{DELAY, LATE};
pub use fate::{Dates, FATES, Fate, Fates, Passenger};
use message::Message;

use super::REGION;
use super::clock::http_date;
use super::dice::Dice;

/// A proxy on the loopback, on threads that live as long as the tests do.
pub struct Proxy {
    port: u16,
    desk: Arc<Desk>,
}

/// What a proxy has seen and done.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub requests: u64,
    pub faults: BTreeMap<Fate, u64>,
}

/// What all connections of a proxy share.
struct Desk {
    fates: Fates,
    server: String,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    counts: Counts,
    /// How many requests there were about each object.
    serials: HashMap<String, u64>,
    /// What is to happen before anything is left to chance.
    scripted: VecDeque<(&'static str, Fate)>,
    under_way: u64,
}

impl Proxy {
    /// Starts a proxy for the server at `endpoint`, an `http://` URL without a path.
    pub fn start(endpoint: &str, fates: Fates) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr();
        let port = address.expect("a bound socket has an address").port();
        let desk = Arc::new(Desk {
            fates,
            server: endpoint.trim_start_matches("http://").to_owned(),
            book: Mutex::default(),
        });
        let shared = Arc::clone(&desk);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let desk = Arc::clone(&shared);
                // An error is a connection's end, as the client will see for itself.
                thread::spawn(move || serve(near, &desk));
            }
        });
        Proxy { port, desk }
    }

    /// Starts one that does only what it is told to.
    pub fn obedient(endpoint: &str) -> Proxy {
        let fates = Fates {
            seed: 0,
            per_mille: 0,
            dates: Dates::Any,
        };
        Proxy::start(endpoint, fates)
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Says what is to happen to the next request of this method that nothing else was said about.
    pub fn script(&self, method: &'static str, fate: Fate) {
        self.desk.book().scripted.push_back((method, fate));
    }

    /// Returns what it has seen and done so far.
    pub fn counts(&self) -> Counts {
        self.desk.book().counts.clone()
    }

    /// Returns how many requests there were about objects whose keys end so.
    pub fn count_of(&self, ending: &str) -> u64 {
        let book = self.desk.book();
        let serials = book.serials.iter();
        let fit = serials.filter(|(target, _)| target.ends_with(ending));
        fit.map(|(_, count)| count).sum()
    }

    /// Waits until no request is under way, which takes up to 3 s after the last was sent: then
    /// nothing late can land any more. Says whether it came to that within a minute.
    pub fn falls_silent(&self) -> bool {
        let start = Instant::now();
        while self.desk.book().under_way > 0 {
            if start.elapsed() > Duration::from_secs(60) {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book
            .lock()
            .expect("nothing panics while it holds the book")
    }

    fn enter(&self, request: &Message) -> (Option<Fate>, Dice) {
        let (method, target) = (request.method(), request.target());
        let mut book = self.book();
        book.under_way += 1;
        book.counts.requests += 1;
        let serial = book.serials.entry(target.clone()).or_default();
        let passenger = Passenger {
            method: &method,
            target: &target,
            serial: *serial,
        };
        *serial += 1;
        let (mut fate, dice) = self.fates.of(passenger);
        if let Some(place) = book.scripted.iter().position(|(m, _)| *m == method) {
            fate = book.scripted.remove(place).map(|(_, fate)| fate);
        }
        if let Some(fate) = fate {
            *book.counts.faults.entry(fate).or_default() += 1;
        }
        (fate, dice)
    }
}

/// How an exchange ends.
enum Ending {
    Reply(Message),
    /// These bytes, and then the connection is closed.
    Closed(Vec<u8>),
    /// These bytes, and then the connection is reset.
    Reset(Vec<u8>),
}

fn serve(near: TcpStream, desk: &Desk) -> io::Result<()> {
    near.set_nodelay(true)?;
    let mut requests = BufReader::new(near.try_clone()?);
    let mut far = Far::new(desk);
    while let Some(request) = Message::read_request(&mut requests)? {
        let (fate, dice) = desk.enter(&request);
        let ended = far.exchange(&request, fate, dice);
        desk.book().under_way -= 1;
        match ended? {
            Ending::Reply(reply) => (&near).write_all(&reply.to_bytes())?,
            Ending::Closed(part) => return (&near).write_all(&part),
            Ending::Reset(part) => {
                (&near).write_all(&part)?;
                return reset_when_closed(&near);
            }
        }
    }
    Ok(())
}

/// The server, as one connection to the proxy sees it.
struct Far<'a> {
    desk: &'a Desk,
    connection: Option<BufReader<TcpStream>>,
}

impl Far<'_> {
    fn new(desk: &Desk) -> Far<'_> {
        Far {
            desk,
            connection: None,
        }
    }

    fn exchange(
        &mut self,
        request: &Message,
        fate: Option<Fate>,
        dice: Dice,
    ) -> io::Result<Ending> {
        let Some(fate) = fate else {
            return Ok(Ending::Reply(self.pass_on(request)?));
        };
        match turn_away(fate, request) {
            Some(ending) => Ok(ending),
            None => self.mangle(request, fate, dice),
        }
    }

    /// Has the server carry a request out.
    fn pass_on(&mut self, request: &Message) -> io::Result<Message> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(&self.desk.server)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        connection.get_ref().write_all(&request.to_bytes())?;
        let mut reply = Message::read_reply(&mut connection, &request.method())?;
        self.connection = Some(connection);
        if self.desk.fates.dates == Dates::Edge {
            shift_date(&mut reply, 1);
        }
        Ok(reply)
    }

    /// Has the server carry a request out, and lets something become of the reply.
    fn mangle(&mut self, request: &Message, fate: Fate, mut dice: Dice) -> io::Result<Ending> {
        if fate == Fate::Late {
            // Even if its sender has hung up: what is on its way arrives.
            thread::sleep(dice.between(LATE.0, LATE.1));
        }
        let mut reply = self.pass_on(request)?;
        match fate {
            Fate::Withheld => thread::sleep(dice.between(LATE.0, LATE.1)),
            Fate::Delayed => thread::sleep(dice.between(DELAY.0, DELAY.1)),
            Fate::DroppedAfter => return Ok(Ending::Closed(Vec::new())),
            Fate::ResetAfter => return Ok(Ending::Reset(Vec::new())),
            Fate::ResetMidway => return Ok(Ending::Reset(part(&reply, &mut dice))),
            Fate::Truncated => return Ok(Ending::Closed(part(&reply, &mut dice))),
            Fate::InternalErrorAfter => reply = error(500, "InternalError"),
            Fate::SlowDownAfter => reply = error(503, "SlowDown"),
            Fate::TooManyRequestsAfter => reply = error(429, "TooManyRequests"),
            Fate::ConflictAfter => reply = error(409, "ConditionalRequestConflict"),
            Fate::TimeoutPageAfter => reply = page(408),
            Fate::TooEarlyPageAfter => reply = page(425),
            Fate::ClosedPageAfter => reply = page(499),
            Fate::ForbiddenPageAfter => reply = page(403),
            Fate::ErrorInSuccessAfter => reply = error_in_success(request),
            Fate::HugeErrorAfter => reply = huge(),
            Fate::NoEtag => reply.remove("etag"),
            Fate::UnreadableEtag => reply.set("etag", b"\"\xe9tag\xff\""),
            Fate::UnreadableHeaders => {
                reply.set("server", b"caf\xe9 \xff");
                reply.set("x-amz-request-id", b"\x80\x81");
            }
            Fate::DateAbsent => reply.remove("date"),
            Fate::DateBehind => shift_date(&mut reply, -seconds(&mut dice)),
            Fate::DateAhead => shift_date(&mut reply, seconds(&mut dice)),
            _ => {}
        }
        Ok(Ending::Reply(reply))
    }
}

/// How a request ends that is not passed on; `None` for one that is.
fn turn_away(fate: Fate, request: &Message) -> Option<Ending> {
    let reply = match fate {
        Fate::DroppedBefore => return Some(Ending::Closed(Vec::new())),
        Fate::ResetBefore => return Some(Ending::Reset(Vec::new())),
        Fate::InternalError => error(500, "InternalError"),
        Fate::SlowDown => error(503, "SlowDown"),
        Fate::TooManyRequests => error(429, "TooManyRequests"),
        Fate::Conflict => error(409, "ConditionalRequestConflict"),
        Fate::AccessDenied => error(403, "AccessDenied"),
        Fate::Redirected => {
            let mut reply = error(301, "PermanentRedirect");
            reply.set("x-amz-bucket-region", REGION);
            reply
        }
        Fate::ErrorInSuccess => error_in_success(request),
        Fate::FrontPage => page(200),
        _ => return None,
    };
    Some(Ending::Reply(reply))
}

fn error(status: u16, code: &str) -> Message {
    let body = format!("<Error><Code>{code}</Code><Message>on purpose</Message></Error>");
    let headers = [("content-type", "application/xml")];
    Message::reply(status, &headers, body.into_bytes())
}

/// What a proxy says to people, whatever it has done.
fn page(status: u16) -> Message {
    let page = b"<html><body>Please log in.</body></html>".to_vec();
    Message::reply(status, &[("content-type", "text/html")], page)
}

/// A success that is none. To a write it even names an ETag; to a read that would be an object.
fn error_in_success(request: &Message) -> Message {
    let mut reply = error(200, "InternalError");
    if request.method() == "PUT" {
        reply.set("etag", "\"0123456789abcdef0123456789abcdef\"");
    }
    reply
}

fn huge() -> Message {
    Message::reply(500, &[("content-type", "text/plain")], vec![b'.'; 10 << 20])
}

/// The beginning of a reply, at least a byte short of the whole.
fn part(reply: &Message, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = reply.to_bytes();
    let length = u64::try_from(bytes.len()).expect("no reply is as long as that");
    let cut = usize::try_from(dice.below(length)).expect("it is below a usize");
    bytes.truncate(cut);
    bytes
}

/// By how much a clock is off that is off.
fn seconds(dice: &mut Dice) -> i64 {
    i64::try_from(dice.below(3_600)).expect("an hour is not that long") + 1
}

fn shift_date(reply: &mut Message, by: i64) {
    let date = reply.header("date");
    let date = date.and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    if let Some(date) = date {
        let shifted = date.with_timezone(&Utc) + TimeDelta::seconds(by);
        reply.set("date", http_date(shifted));
    }
}

/// Has the system reset a connection when it is closed, rather than end it in good order.
fn reset_when_closed(stream: &TcpStream) -> io::Result<()> {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = size_of::<libc::linger>();
    let size = libc::socklen_t::try_from(size).expect("it is two integers");
    // SAFETY: the descriptor is open as long as `stream` is, and the option is what its size says.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const at_once).cast(),
            size,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
