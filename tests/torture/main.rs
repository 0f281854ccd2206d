//! Torture: processes whose threads want the same locks, over a network that goes wrong in every way
//! that it can, while some of them are killed or stopped; and an oracle that does not believe the
//! lock. Listeners are told of losses, threads share guards, and processes fork while they hold locks.
//! Most wait in the queues of the locks, some do not; and somebody spoils the queues.
//!
//! By default it runs for 20 seconds. The environment makes it run longer:
//!
//! ```sh
//! S3_LOCK_TORTURE_ACQUISITIONS=100000 cargo test --release --test torture -- --nocapture
//! ```
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `S3_LOCK_TORTURE_ACQUISITIONS` | goes on until so many acquisitions | 0 |
//! | `S3_LOCK_TORTURE_SECONDS` | and for so long | 20 |
//! | `S3_LOCK_TORTURE_SEED` | the seed to replay | another each time |
//! | `S3_LOCK_TORTURE_PROCESSES`, `_THREADS`, `_LOCKS` | how many, how many each, over how many | 4, 8, 16 |
//! | `S3_LOCK_TORTURE_PER_MILLE` | how many requests in a thousand go wrong | 150 |
//!
//! The seed, which is printed, decides what happens to the nth request about an object, what each
//! thread wants next, and who is killed or stopped when. The order in which requests arrive it does
//! not decide: a replay is as alike as the machine allows.
//!
//! What is believed of whom is in [`oracle`]; what the network may do, in `support/proxy/fate.rs`.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test may wait and look at the clock as it likes"
)]

mod chaos;
mod journal;
mod oracle;
mod vandal;
mod worker;

#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, process, thread};

use chaos::{Blows, Slot};
use journal::{Reader, span};
use oracle::{Oracle, Tally};
use s3_lock::{Client, S3Lock};
use support::{ACCESS_KEY, BUCKET, Counts, Dates, Fates, Proxy, REGION, SECRET_KEY, Server};
use vandal::{Deeds, Vandal};
use worker::{LONGEST_LEASE, REQUEST, Task, Temper};

#[test]
fn the_lock_is_never_wrong_whatever_the_network_does() {
    let plan = Plan::from_environment();
    println!("torture: {plan:?}");
    let mut torture = Torture::start(plan);
    torture.go_on();
    let outcome = torture.end();
    println!("{}", outcome.summary());
    assert!(outcome.tally.acquired > 0 && outcome.faults() > 0);
    assert!(outcome.queue_requests > 0 && outcome.tally.passed > 0);
    let is_right = outcome.violations.is_empty();
    assert!(is_right, "the lock was wrong, as the summary tells");
}

/// Not a test by itself: what a child does. In an ordinary run it has no task, and this is over at
/// once.
#[test]
fn plays_its_part() {
    if let Some(task) = Task::of_this_process() {
        worker::work(&task);
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    acquisitions: u64,
    seconds: u64,
    processes: u64,
    threads: u64,
    locks: u64,
    per_mille: u64,
}

impl Plan {
    fn from_environment() -> Plan {
        let number = |name: &str, default: u64| {
            let set = env::var(format!("S3_LOCK_TORTURE_{name}")).ok();
            set.map_or(default, |n| n.parse().expect("it is a number"))
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("it is after 1970").as_micros();
        Plan {
            seed: number("SEED", u64::try_from(now).expect("it is not that late")),
            acquisitions: number("ACQUISITIONS", 0),
            seconds: number("SECONDS", 20),
            processes: number("PROCESSES", 4),
            threads: number("THREADS", 8),
            locks: number("LOCKS", 16),
            per_mille: number("PER_MILLE", 150),
        }
    }
}

/// A torture under way.
struct Torture {
    plan: Plan,
    start: Instant,
    dir: Dir,
    slots: Vec<Slot>,
    /// Each with its own lies about the time.
    proxies: [Proxy; 3],
    /// An operator's, through a network that goes wrong as well.
    operators: Vec<S3Lock>,
    watched: Vec<(Reader, Oracle)>,
    violations: Vec<String>,
    vandal: Vandal,
    /// How many journals that are wrong in one place the oracle was shown.
    doubts: u64,
    server: Server,
}

/// A directory of its own, removed when dropped unless the test has failed.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        let path = env::temp_dir().join(format!("s3-lock-torture-{}", process::id()));
        fs::create_dir_all(&path).expect("the system has a place for temporary files");
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the journals are in {}", self.0.display())
        } else {
            drop(fs::remove_dir_all(&self.0))
        }
    }
}

/// How often journals are read and processes looked after.
const TICK: Duration = Duration::from_millis(20);
/// How often a long one says that it is still at it.
const WORD: Duration = Duration::from_secs(60);

impl Torture {
    fn start(plan: Plan) -> Torture {
        let server = Server::start();
        let dir = Dir::new();
        let proxies = [Dates::Edge, Dates::Behind, Dates::Any].map(|dates| {
            let fates = Fates {
                seed: plan.seed,
                per_mille: plan.per_mille,
                dates,
            };
            Proxy::start(&server.endpoint(), fates)
        });
        let watched = (0..plan.locks).map(|lock| {
            let reader = Reader::open(&dir.0, lock).expect("the directory was just made");
            (reader, Oracle::default())
        });
        let slots = (0..plan.processes).map(|slot| start_slot(plan, slot, &dir.0, &proxies));
        Torture {
            start: Instant::now(),
            operators: locks(&proxies[0].endpoint(), plan.locks, REQUEST),
            watched: watched.collect(),
            slots: slots.collect(),
            violations: Vec::new(),
            vandal: Vandal::new(plan.seed, plan.locks),
            doubts: 0,
            plan,
            dir,
            proxies,
            server,
        }
    }

    /// Lets it go on until there is enough of it, or something is wrong.
    fn go_on(&mut self) {
        let mut next_word = WORD;
        loop {
            for slot in &mut self.slots {
                if let Err(status) = slot.tick(&self.operators) {
                    self.violations.push(ended_badly(status));
                }
            }
            self.vandal.tick(&self.server);
            let acquired = self.watch();
            let is_enough = acquired >= self.plan.acquisitions
                && self.start.elapsed() >= Duration::from_secs(self.plan.seconds);
            if is_enough || !self.violations.is_empty() {
                return;
            }
            if self.start.elapsed() > next_word {
                println!("... {acquired} acquisitions so far");
                next_word += WORD;
            }
            thread::sleep(TICK);
        }
    }

    /// Reads what is new in the journals. Says how many acquisitions there were in all.
    fn watch(&mut self) -> u64 {
        let mut found = Vec::new();
        for (lock, (reader, oracle)) in self.watched.iter_mut().enumerate() {
            for entry in reader.read().expect("the journal can be read") {
                if let Err(violation) = oracle.hear(&entry) {
                    found.push((lock, violation));
                }
            }
        }
        let acquired = self.watched.iter().map(|(_, o)| o.tally.acquired).sum();
        let tell = |(lock, violation)| {
            format!("after {acquired} acquisitions, of lock {lock}: {violation}")
        };
        self.violations.extend(found.into_iter().map(tell));
        acquired
    }

    /// Ends it, and looks at what is left.
    fn end(mut self) -> Outcome {
        let mut blows = Blows::default();
        for slot in self.slots.drain(..) {
            let (ended, more) = slot.end();
            if let Err(status) = ended {
                self.violations.push(ended_badly(status));
            }
            blows.killed += more.killed;
            blows.suicides += more.suicides;
            blows.stopped += more.stopped;
            blows.broken += more.broken;
        }
        let duration = self.start.elapsed();
        assert!(self.proxies.iter().all(Proxy::falls_silent));
        self.watch();
        self.server.clear_faults();
        if self.violations.is_empty() {
            self.find_all_free();
        }
        if self.violations.is_empty() {
            self.doubt_the_oracle();
        }
        let mut tally = Tally::default();
        for (_, oracle) in &self.watched {
            tally.add(&oracle.tally);
        }
        Outcome {
            plan: self.plan,
            duration,
            tally,
            blows,
            deeds: self.vandal.deeds,
            doubts: self.doubts,
            counts: self.proxies.iter().map(Proxy::counts).collect(),
            queue_requests: self.proxies.iter().map(|p| p.count_of(".queue")).sum(),
            violations: self.violations,
            _dir: self.dir,
        }
    }

    /// Whatever happened, every lock must be free when lease and margins have passed, and the dead in its queue
    /// had their opportunity: by its default an acquire waits for just that. Tokens go on where they were,
    /// and every increment that was acknowledged stands.
    fn find_all_free(&mut self) {
        let locks = locks(&self.server.endpoint(), self.plan.locks, 10 * REQUEST);
        let take = |lock: &S3Lock| {
            let guard = lock.acquire("the end")?;
            let token = guard.fencing_token().get();
            guard.release().map(|()| token)
        };
        let tokens: Vec<_> = thread::scope(|scope| {
            let takers: Vec<_> = locks
                .iter()
                .map(|lock| scope.spawn(|| take(lock)))
                .collect();
            let tokens = takers.into_iter();
            tokens.map(|t| t.join().expect("no call panics")).collect()
        });
        for (number, (token, (_, oracle))) in tokens.into_iter().zip(&self.watched).enumerate() {
            match token {
                Err(error) => self
                    .violations
                    .push(format!("lock {number} is not free: {error}")),
                Ok(token) if token <= oracle.highest_token() => self
                    .violations
                    .push(format!("lock {number} has gone back to token {token}")),
                Ok(_) if oracle.value() != oracle.tally.wrote => self
                    .violations
                    .push(format!("lock {number} has lost increments")),
                Ok(_) => {}
            }
        }
    }

    /// An oracle that had heard of one thing more would have said that it was wrong.
    fn doubt_the_oracle(&mut self) {
        for lock in 0..self.plan.locks {
            let journal = Reader::open(&self.dir.0, lock).and_then(|mut reader| reader.read());
            let words = oracle::words_on_mutants(&journal.expect("the journal can be read"));
            for (what, word) in words {
                self.doubts += 1;
                if word.is_ok() {
                    let blind = format!("the oracle of lock {lock} does not see {what}");
                    self.violations.push(blind);
                }
            }
        }
    }
}

fn ended_badly(status: ExitStatus) -> String {
    format!("a process ended that nobody had killed, with {status}; it has said why")
}

/// Every second process is struck. Those that are not keep the others company, and the locks busy.
fn start_slot(plan: Plan, slot: u64, dir: &Path, proxies: &[Proxy; 3]) -> Slot {
    let (temper, proxy, offset) = match slot % 4 {
        0 => (Temper::Trusting, 0, None),
        1 => (Temper::Solitary, 2, Some("-600")),
        2 => (Temper::Solitary, 2, None),
        _ => (Temper::Careful, 1, Some("+540")),
    };
    let is_struck = slot % 4 < 2;
    let task = Task {
        is_mortal: is_struck,
        seed: plan.seed,
        slot,
        life: 0,
        threads: plan.threads,
        locks: plan.locks,
        temper,
        endpoint: proxies[proxy].endpoint(),
        dir: dir.to_owned(),
    };
    Slot::start(task, offset, is_struck)
}

/// The locks, as somebody has them who gives each request so long.
fn locks(endpoint: &str, count: u64, request: Duration) -> Vec<S3Lock> {
    let client = Client::builder()
        .endpoint(endpoint)
        .region(REGION)
        .credentials(ACCESS_KEY, SECRET_KEY, None)
        .request_timeout(request)
        .assume_conditional_writes()
        .build()
        .expect("the settings are valid");
    let lock = |number| {
        S3Lock::builder(BUCKET, format!("lock-{number}"))
            .folder("torture")
            .max_operation(LONGEST_LEASE)
            .client(client.clone())
            .build()
            .expect("the settings are valid")
    };
    (0..count).map(lock).collect()
}

/// How it went.
struct Outcome {
    plan: Plan,
    duration: Duration,
    tally: Tally,
    blows: Blows,
    deeds: Deeds,
    doubts: u64,
    counts: Vec<Counts>,
    queue_requests: u64,
    violations: Vec<String>,
    /// Kept for finding out what went wrong.
    _dir: Dir,
}

impl Outcome {
    fn requests(&self) -> u64 {
        self.counts.iter().map(|counts| counts.requests).sum()
    }

    fn faults(&self) -> u64 {
        self.counts.iter().flat_map(|c| c.faults.values()).sum()
    }

    fn summary(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a String does not fail");
        text
    }

    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Outcome {
            plan, tally, blows, ..
        } = self;
        let seconds = self.duration.as_secs_f64();
        let rate = tally.acquired as f64 / seconds;
        let share = 100.0 * self.faults() as f64 / self.requests() as f64;
        let wait = span(tally.worst_wait).as_secs_f64();
        writeln!(text, "seed              {}", plan.seed)?;
        writeln!(
            text,
            "acquisitions      {} in {seconds:.0} s, {rate:.0}/s",
            tally.acquired
        )?;
        writeln!(text, "  worst wait      {wait:.2} s")?;
        for (failure, count) in tally.failures() {
            writeln!(text, "  in vain         {count:>8} {failure:?}")?;
        }
        writeln!(text, "  taken over      {}", tally.taken_over)?;
        writeln!(text, "  given back before a thread {}", tally.passed)?;
        writeln!(text, "moments of belief {}", tally.valid)?;
        writeln!(text, "losses found      {}", tally.lost)?;
        writeln!(text, "  told listeners  {}", tally.told)?;
        writeln!(text, "guards shared     {}", tally.shared)?;
        writeln!(text, "holders forked    {}", tally.forked)?;
        writeln!(
            text,
            "increments        {}, {} refused",
            tally.wrote, tally.refused
        )?;
        writeln!(
            text,
            "processes killed  {}, {} holdings broken",
            blows.killed, blows.broken
        )?;
        writeln!(text, "processes stopped {}", blows.stopped)?;
        writeln!(text, "  killed at hand-over {}", blows.suicides)?;
        writeln!(text, "queues spoiled    {:?}", self.deeds)?;
        writeln!(text, "requests          {}", self.requests())?;
        writeln!(text, "  for queues      {}", self.queue_requests)?;
        writeln!(text, "  went wrong      {} ({share:.1} %)", self.faults())?;
        for (fate, _) in support::FATES {
            let counts = self.counts.iter();
            let count: u64 = counts.filter_map(|c| c.faults.get(&fate)).sum();
            writeln!(text, "  {count:>14}  {fate:?}")?;
        }
        writeln!(text, "mutants seen      {}", self.doubts)?;
        writeln!(text, "violations        {}", self.violations.len())?;
        for violation in self.violations.iter().take(20) {
            writeln!(text, "  {violation}")?;
        }
        Ok(())
    }
}
