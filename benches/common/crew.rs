//! Processes that report what they do, one line an event.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::micros;

/// What a thread of a process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It asks for the lock.
    Asked,
    /// It has the lock.
    Got,
    /// It is about to release the lock.
    Leaving,
    /// It has released the lock.
    Left,
    /// It does not wait any longer, as it was meant to.
    GaveUp,
    /// It was told an error.
    Failed,
}

impl What {
    const ALL: [(What, &str); 6] = [
        (What::Asked, "asked"),
        (What::Got, "got"),
        (What::Leaving, "leaving"),
        (What::Left, "left"),
        (What::GaveUp, "gave-up"),
        (What::Failed, "failed"),
    ];

    fn word(self) -> &'static str {
        let mut all = What::ALL.into_iter();
        let found = all.find(|(what, _)| *what == self);
        found.expect("all are there").1
    }

    fn read(word: &str) -> Option<What> {
        let mut all = What::ALL.into_iter();
        all.find(|(_, other)| *other == word).map(|(what, _)| what)
    }
}

/// What happened, where, and when, by [`micros`].
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub what: What,
    pub thread: usize,
    pub at: u64,
}

impl Event {
    /// Reports to the parent that this happens now.
    pub fn report(what: What, thread: usize) {
        let line = format!("{} {thread} {}\n", what.word(), micros());
        // Who cannot report has no parent any more, and ends with it.
        let _ = io::stdout().write_all(line.as_bytes());
    }

    fn read(line: &str) -> Option<Event> {
        let mut words = line.split(' ');
        Some(Event {
            what: What::read(words.next()?)?,
            thread: words.next()?.parse().ok()?,
            at: words.next()?.parse().ok()?,
        })
    }
}

/// Called by a child that is set up: waits until the parent lets it begin, and sees to it that this
/// process does not outlive the parent.
pub fn await_start() {
    println!("ready");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if !read.is_ok_and(|bytes| bytes > 0) {
        std::process::exit(0);
    }
    thread::spawn(|| {
        // There is nothing to read until the parent ends.
        let _ = io::stdin().lock().read_line(&mut String::new());
        std::process::exit(0);
    });
}

/// A process that was started, and its events so far.
struct Member {
    child: Child,
    start: ChildStdin,
    ready: Receiver<()>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Member {
    fn go(&mut self) {
        // It may have ended; then its events say how.
        let _ = self.start.write_all(b"go\n");
    }
}

/// Processes that end with this value at the latest.
#[derive(Default)]
pub struct Crew {
    members: Vec<Member>,
}

impl Crew {
    /// Starts a process, which sets itself up and waits.
    pub fn add(&mut self, mut command: Command) {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this binary runs");
        let start = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let seen = Arc::clone(&events);
        let (is_ready, ready) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line == "ready" {
                    let _ = is_ready.send(());
                }
                if let Some(event) = Event::read(&line) {
                    seen.lock().expect("nothing panics with it").push(event);
                }
            }
        });
        self.members.push(Member {
            child,
            start,
            ready,
            events,
        });
    }

    /// Lets all begin, once all of them are set up. Returns when that was.
    pub fn begin(&mut self) -> u64 {
        self.set_up();
        let start = micros();
        self.go();
        start
    }

    /// Waits until all are set up.
    pub fn set_up(&self) {
        const SET_UP: Duration = Duration::from_secs(60);
        for member in &self.members {
            let ready = member.ready.recv_timeout(SET_UP);
            ready.expect("a child of this bench is soon set up");
        }
    }

    /// Lets all begin as soon as they are set up.
    pub fn go(&mut self) {
        for member in &mut self.members {
            member.go();
        }
    }

    /// Starts a process that begins as soon as it is set up.
    pub fn send(&mut self, command: Command) {
        self.add(command);
        let last = self.members.last_mut();
        last.expect("it was added").go();
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// What each process has reported so far.
    pub fn events(&self) -> Vec<Vec<Event>> {
        let events = self.members.iter().map(|member| {
            let events = member.events.lock().expect("nothing panics with it");
            events.clone()
        });
        events.collect()
    }

    /// Waits until something has happened in the crew, for at most so long. Says whether it has.
    pub fn wait_until(&self, limit: Duration, is_so: impl Fn(&[Vec<Event>]) -> bool) -> bool {
        let end = micros() + u64::try_from(limit.as_micros()).expect("no run is as long");
        while !is_so(&self.events()) {
            if micros() > end {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Ends all processes by SIGKILL.
    pub fn kill(&mut self) {
        for member in &mut self.members {
            // It may have ended by itself.
            let _ = member.child.kill();
        }
        for member in &mut self.members {
            let _ = member.child.wait();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.kill();
    }
}
