//! Scripted faults: which request goes wrong, and how.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::journal::Request;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answer this S3 error; the request is not processed.
    Answer {
        status: u16,
        code: String,
        message: String,
        headers: Vec<(String, String)>,
    },
    /// Answer these very bytes; the request is not processed.
    RawAnswer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Close the connection; the request is not processed.
    DropBefore,
    /// Process the request, then close the connection without a reply.
    DropAfter,
    /// Process the request, then answer this S3 error instead.
    AnswerAfter { status: u16, code: String },
    /// Process the request, then answer this status with a page for people instead, as a proxy does.
    PageAfter(u16),
    /// Wait, then process the request, even when the client has hung up meanwhile.
    Stall(Duration),
    /// Process the request at once, then hold its reply back; the reply's `Date` is from before the wait.
    StallAfter(Duration),
    /// Process the request and leave `ETag` out of the reply.
    StripEtag,
    /// Process the request and set this header of the reply, which need not be ASCII.
    EditHeader { name: String, value: Vec<u8> },
    /// Process the request, and date the reply so many seconds ahead of the server's clock.
    DateAhead(i64),
    /// Process the request twice and answer with the second reply, as a proxy that repeats itself does.
    Duplicate,
    /// Wait for the gate to open, then process the request.
    HoldAt(Gate),
    /// Process the request at once, then hold its reply back until the gate opens.
    HoldReplyAt(Gate),
    /// Process the request, and once more when the gate opens; answer with the second reply.
    RepeatAt(Gate),
}

/// What a request waits for until a test opens it.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    is_open: Arc<AtomicBool>,
}

impl Gate {
    /// Lets through what waits here, and whatever comes.
    pub fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    /// Says whether it is open.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

impl Fault {
    /// Answers an S3 error, unprocessed, with a message of no importance and no further header.
    pub fn answer(status: u16, code: &str) -> Fault {
        let (code, message) = (code.to_owned(), "scripted".to_owned());
        Fault::Answer {
            status,
            code,
            message,
            headers: Vec::new(),
        }
    }

    /// Processes the request, then answers an S3 error instead.
    pub fn answer_after(status: u16, code: &str) -> Fault {
        Fault::AnswerAfter {
            status,
            code: code.to_owned(),
        }
    }
}

/// Which requests a fault is for; the first one alone unless told otherwise.
#[derive(Clone, Debug)]
pub struct Match {
    what: What,
    key: Option<String>,
    key_prefix: String,
    skip: usize,
    times: usize,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Any,
    /// A request of this method about an object.
    Object(&'static str),
    List,
}

impl Match {
    /// Matches every request.
    pub fn any() -> Match {
        Match::new(What::Any)
    }

    /// Matches every PUT of an object.
    pub fn put() -> Match {
        Match::new(What::Object("PUT"))
    }

    /// Matches every GET of an object, so no listing.
    pub fn get() -> Match {
        Match::new(What::Object("GET"))
    }

    /// Matches every HEAD of an object.
    pub fn head() -> Match {
        Match::new(What::Object("HEAD"))
    }

    /// Matches every DELETE of an object.
    pub fn delete() -> Match {
        Match::new(What::Object("DELETE"))
    }

    /// Matches every GET of a bucket.
    pub fn list() -> Match {
        Match::new(What::List)
    }

    /// Matches keys alone that begin so.
    #[must_use]
    pub fn key_prefix(self, prefix: &str) -> Match {
        Match {
            key_prefix: prefix.to_owned(),
            ..self
        }
    }

    /// Matches this key alone.
    #[must_use]
    pub fn key(self, key: &str) -> Match {
        Match {
            key: Some(key.to_owned()),
            ..self
        }
    }

    /// Lets the first `n` matching requests pass.
    #[must_use]
    pub fn skip(self, n: usize) -> Match {
        Match { skip: n, ..self }
    }

    /// Hits `n` requests instead of one.
    #[must_use]
    pub fn times(self, n: usize) -> Match {
        Match { times: n, ..self }
    }

    /// Hits every request from then on.
    #[must_use]
    pub fn always(self) -> Match {
        self.times(usize::MAX)
    }

    fn new(what: What) -> Match {
        Match {
            what,
            key: None,
            key_prefix: String::new(),
            skip: 0,
            times: 1,
        }
    }

    fn fits(&self, request: &Request) -> bool {
        let fits_key = self.key.as_ref().is_none_or(|key| *key == request.key)
            && request.key.starts_with(&self.key_prefix);
        let fits_what = match self.what {
            What::Any => true,
            What::Object(method) => request.method == method && !request.key.is_empty(),
            What::List => request.method == "GET" && request.key.is_empty(),
        };
        fits_what && fits_key
    }
}

/// The queue of rules. The first rule that fires takes the request; the rules behind it do not see that request.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<(Match, Fault)>>,
}

impl Faults {
    /// Queues a rule behind the others.
    pub fn push(&self, rule: Match, fault: Fault) {
        self.lock().push((rule, fault));
    }

    /// Returns the fault for a request, if any, and uses it up.
    pub fn take(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.lock();
        for (rule, fault) in rules.iter_mut().filter(|(rule, _)| rule.times > 0) {
            if !rule.fits(request) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(fault.clone());
        }
        None
    }

    /// Counts the rules that have not hit as often as they were to.
    pub fn pending(&self) -> usize {
        self.lock()
            .iter()
            .filter(|(rule, _)| rule.times > 0)
            .count()
    }

    /// Drops every rule.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Match, Fault)>> {
        self.rules
            .lock()
            .expect("nothing panics while it holds the rules")
    }
}
