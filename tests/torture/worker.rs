//! What one process of the torture does: its threads take locks, in every way that there is, do
//! something under them, and say in the journals what their guards said.

use std::cell::Cell;
use std::io::Read;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{env, process, ptr, thread};

use s3_lock::{Client, LockError, LockGuard, S3Lock, internals};

use super::journal::{Holding, Journal, What, now, span};
use super::support::{ACCESS_KEY, BUCKET, Dice, REGION, SECRET_KEY};

/// Why a lock was not acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Held,
    TimedOut,
    TooSlow,
    Storage,
    /// The same, and the lock may be held in the caller's name.
    MayRemain,
}

pub const FAILURES: [Failure; 5] = [
    Failure::Held,
    Failure::TimedOut,
    Failure::TooSlow,
    Failure::Storage,
    Failure::MayRemain,
];

/// What sets one kind of process off from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    /// Believes the store's clock, and that the store honours conditions.
    Trusting,
    /// Checks the store first, and believes what it finds.
    Careful,
    /// Goes by its own clock alone, with a small margin.
    Solitary,
}

/// The task of a process, as its parent writes it into the environment.
#[derive(Clone, Debug)]
pub struct Task {
    pub seed: u64,
    /// Which of the processes, and which of its lives: one that was killed is followed by another.
    pub slot: u64,
    pub life: u64,
    pub threads: u64,
    pub locks: u64,
    pub temper: Temper,
    /// Whether it may kill itself.
    pub is_mortal: bool,
    pub endpoint: String,
    pub dir: PathBuf,
}

/// The variable that holds the task; without it a process is an ordinary run of the tests.
pub const TASK: &str = "S3_LOCK_TORTURE_TASK";

impl Task {
    /// As words, the directory last, since it may hold spaces.
    pub fn to_text(&self) -> String {
        let Task {
            seed,
            slot,
            life,
            threads,
            locks,
            temper,
            is_mortal,
            endpoint,
            dir,
        } = self;
        let dir = dir.display();
        format!("{seed} {slot} {life} {threads} {locks} {temper:?} {is_mortal} {endpoint} {dir}")
    }

    fn from_text(text: &str) -> Option<Task> {
        let mut words = text.splitn(9, ' ');
        let mut number = || words.next()?.parse().ok();
        let (seed, slot, life) = (number()?, number()?, number()?);
        let (threads, locks) = (number()?, number()?);
        let temper = match words.next()? {
            "Trusting" => Temper::Trusting,
            "Careful" => Temper::Careful,
            _ => Temper::Solitary,
        };
        Some(Task {
            seed,
            slot,
            life,
            threads,
            locks,
            temper,
            is_mortal: words.next()?.parse().ok()?,
            endpoint: words.next()?.to_owned(),
            dir: words.next()?.into(),
        })
    }

    /// The task of this process, if it has one.
    pub fn of_this_process() -> Option<Task> {
        let text = env::var(TASK).ok()?;
        let task = Task::from_text(&text);
        Some(task.unwrap_or_else(|| panic!("no task: {text}")))
    }

    fn client(&self) -> Client {
        let client = Client::builder()
            .endpoint(&self.endpoint)
            .region(REGION)
            .credentials(ACCESS_KEY, SECRET_KEY, None)
            .request_timeout(REQUEST)
            .connect_timeout(REQUEST / 2);
        let client = match self.temper {
            Temper::Trusting => client.assume_conditional_writes(),
            Temper::Careful | Temper::Solitary => client,
        };
        client.build().expect("the settings are valid")
    }

    fn bench(&self, client: &Client, lock: u64) -> Bench {
        let mut dice = Dice::new(self.seed, &[self.slot, self.life, lock]);
        let lease = dice.between(SHORTEST_LEASE, LONGEST_LEASE);
        let customs = Customs::of(lock);
        let mut builder = S3Lock::builder(BUCKET, format!("lock-{lock}"))
            .folder("torture")
            .max_operation(MAX_OPERATION)
            .acquire_allowance(lease - MAX_OPERATION)
            .poll_interval(Duration::from_millis(5), Duration::from_millis(100))
            .client(client.clone());
        if self.temper == Temper::Solitary {
            builder = builder.without_store_clock().clock_margin(SMALL_MARGIN);
        }
        if customs == Customs::Reclaim {
            builder = builder.reclaim_same_owner();
        }
        let plain = builder.clone().without_queue();
        Bench {
            lock: builder.build().expect("the settings are valid"),
            plain: plain.build().expect("the settings are valid"),
            journal: Arc::new(Journal::open(&self.dir, lock).expect("the directory is there")),
            customs,
        }
    }

    fn owner(&self, thread: u64, customs: Customs) -> String {
        match customs {
            Customs::OneName => "everybody".to_owned(),
            // The same in each of its lives, and no two of them are alive at once.
            Customs::Reclaim | Customs::Names => format!("{}/{thread}", self.slot),
        }
    }
}

/// How many locks are wanted by many.
const WANTED: u64 = 3;
/// How long a request may take: less than what is late may be late.
pub const REQUEST: Duration = Duration::from_millis(600);
/// So much of the shortest lease that an acquire which hears of its success late is too slow.
const MAX_OPERATION: Duration = Duration::from_millis(400);
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
pub const LONGEST_LEASE: Duration = Duration::from_secs(3);
/// How long an acquire takes if it does not wait for anybody, but for a reply.
const SLOW: Range<Duration> = Duration::from_millis(120)..Duration::from_millis(700);
/// The least that there is. All clocks here are one machine's, so it need not bear any difference.
const SMALL_MARGIN: Duration = Duration::from_millis(100);

/// What is done with a lock, which is agreed on for each: what one participant may do depends on how
/// the others choose their owner names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Customs {
    /// All have the same owner name, so nobody reclaims a lock or releases it by name.
    OneName,
    /// Everybody has a name of his own, and reclaims what he held in a former life.
    Reclaim,
    /// Everybody has a name of his own.
    Names,
}

impl Customs {
    fn of(lock: u64) -> Customs {
        match lock % 4 {
            0 => Customs::OneName,
            1 => Customs::Reclaim,
            _ => Customs::Names,
        }
    }
}

/// A lock and what it protects.
struct Bench {
    lock: S3Lock,
    /// The same lock for who does not care who else waits.
    plain: S3Lock,
    journal: Arc<Journal>,
    customs: Customs,
}

thread_local! {
    /// Whether this thread's acquire has said that it took a lock over.
    static TOOK_OVER: Cell<bool> = const { Cell::new(false) };
}

/// Hears from the lock's own log what its interface does not tell: whether a lock that was acquired
/// had been given back.
struct Ear;

impl log::Log for Ear {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string().starts_with("took over") {
            TOOK_OVER.set(true);
        }
    }

    fn flush(&self) {}
}

/// Plays the part of one process, until the parent closes its end of the pipe.
pub fn work(task: &Task) {
    end_with_parent();
    log::set_logger(&Ear).expect("there is no other");
    log::set_max_level(log::LevelFilter::Warn);
    let client = task.client();
    let benches: Vec<Bench> = (0..task.locks)
        .map(|lock| task.bench(&client, lock))
        .collect();
    let (stop, serial) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for number in 0..task.threads {
            let mut worker = Worker {
                dice: Dice::new(task.seed, &[task.slot, task.life, u64::MAX, number]),
                task,
                number,
                benches: &benches,
                serial: &serial,
            };
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    worker.take_a_turn();
                }
            });
        }
        // It ends when the parent wants it to, or is no more.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::Relaxed);
    });
}

/// A child that is stopped sees no pipe close: so that none is left behind, the system kills it when
/// the thread that started it ends.
fn end_with_parent() {
    // SAFETY: this sets a number that belongs to this process.
    let set = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    assert_eq!(set, 0, "the option exists since Linux 2.1.57");
}

/// One thread.
struct Worker<'a> {
    task: &'a Task,
    number: u64,
    dice: Dice,
    benches: &'a [Bench],
    /// How many holdings this process had.
    serial: &'a AtomicU64,
}

/// A lock that one thread has, or believes to have.
struct Turn<'a> {
    bench: &'a Bench,
    guard: LockGuard,
    holding: Holding,
}

impl<'a> Worker<'a> {
    fn take_a_turn(&mut self) {
        let locks = self.benches.len() as u64;
        // Some locks are wanted by many.
        let most = if self.dice.one_in(4) {
            WANTED.min(locks)
        } else {
            locks
        };
        let place = self.dice.below(most);
        let bench = &self.benches[usize::try_from(place).expect("it is an index")];
        let start = now();
        TOOK_OVER.set(false);
        match self.acquire(bench) {
            Ok(guard) => {
                let waited = now() - start;
                let turn = self.turn(bench, guard, waited);
                self.hold(&turn, span(waited));
                self.end(turn);
            }
            Err(error) => {
                let failure = failure(&error) as u64;
                let nobody = Holding { id: 0, token: 0 };
                bench.journal.note(What::Failed, nobody, now(), failure);
            }
        }
    }

    fn acquire(&mut self, bench: &Bench) -> Result<LockGuard, LockError> {
        let owner = self.task.owner(self.number, bench.customs);
        let lock = if self.dice.one_in(10) {
            &bench.plain
        } else {
            &bench.lock
        };
        match self.dice.below(10) {
            0..3 => lock.try_acquire(owner),
            3..8 => {
                let (least, most) = (Duration::from_millis(50), Duration::from_secs(3));
                let limit = self.dice.between(least, most);
                lock.acquire_within(owner, limit)
            }
            _ => lock.acquire(owner),
        }
    }

    fn turn<'b>(&self, bench: &'b Bench, guard: LockGuard, waited: u64) -> Turn<'b> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let holding = Holding {
            id: self.task.slot << 56 | self.task.life << 32 | serial,
            token: guard.fencing_token().get(),
        };
        bench.journal.note(What::Acquired, holding, now(), waited);
        if TOOK_OVER.take() {
            bench.journal.note(What::TookOver, holding, now(), 0);
        }
        Turn {
            bench,
            guard,
            holding,
        }
    }

    /// The main operation, of which there are short ones and long ones.
    fn hold(&mut self, turn: &Turn<'_>, waited: Duration) {
        let is_told = self.dice.one_in(4).then(|| turn.listen());
        self.operate(turn, waited);
        if let Some(is_told) = is_told {
            turn.hears_of_loss(&is_told);
        }
    }

    fn operate(&mut self, turn: &Turn<'_>, waited: Duration) {
        if !turn.count(&mut self.dice) {
            return;
        }
        // Maybe it was the reply that took so long: only at the very end of a lease does it show from
        // when that is counted.
        let was_slow = SLOW.contains(&waited);
        let overstays = was_slow && self.dice.one_in(6);
        match self.dice.below(200) {
            _ if overstays => turn.overstay(&mut self.dice),
            0..2 => turn.overstay(&mut self.dice),
            2..4 => {
                let most = LONGEST_LEASE + LONGEST_LEASE / 2;
                turn.keep_alive(self.dice.between(Duration::ZERO, most));
            }
            4..30 => {
                let again = self.renew(turn) && turn.count(&mut self.dice);
                if again && self.dice.one_in(2) && self.renew(turn) && self.dice.one_in(4) {
                    turn.overstay(&mut self.dice);
                }
            }
            30..40 => {
                turn.learn(turn.guard.verify());
            }
            40..48 => turn.share(&mut self.dice),
            48..54 => self.fork(turn),
            _ => {}
        }
        turn.check();
    }

    /// Forks while it holds the lock. The child may want any lock, even this one.
    fn fork(&mut self, turn: &Turn<'_>) {
        let place = self.dice.below(self.benches.len() as u64);
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let ends_at_once = self.dice.one_in(3);
        let mut child = Worker {
            dice: Dice::new(self.task.seed, &[self.task.slot, serial, u64::MAX - 1]),
            // Its own counter: this holding is the only one that it has.
            serial: &AtomicU64::new(serial),
            ..*self
        };
        turn.fork(|| {
            if ends_at_once {
                return;
            }
            // Of its own: the parent's may be locked by threads that are not here.
            let (bench, start) = (child.task.bench(&child.task.client(), place), now());
            let owner = format!("child of {}/{}", child.task.slot, child.number);
            TOOK_OVER.set(false);
            if let Ok(guard) = bench.lock.acquire_within(owner, Duration::from_secs(2)) {
                let turn = child.turn(&bench, guard, now() - start);
                turn.count(&mut child.dice);
                turn.check();
            }
        });
    }

    /// Renews the lock. Says whether it is still there.
    fn renew(&mut self, turn: &Turn<'_>) -> bool {
        let renewed = turn.guard.renew();
        let in_doubt = matches!(renewed, Err(LockError::Storage(_)));
        if !turn.learn(renewed) {
            return false;
        }
        // A look may find that it was renewed after all: not from now on, but from when it was sent.
        let has_looked = in_doubt && turn.learn(turn.guard.verify());
        if has_looked && self.dice.one_in(2) {
            turn.overstay(&mut self.dice);
            return false;
        }
        true
    }

    fn end(&mut self, turn: Turn<'_>) {
        if internals::parked(&turn.bench.lock) > 0 {
            turn.note(What::Passed);
            if self.task.is_mortal && self.dice.one_in(30) {
                die_within(self.dice.between(Duration::ZERO, Duration::from_millis(6)));
            }
        }
        let Turn {
            bench,
            guard,
            holding,
        } = turn;
        match self.dice.below(100) {
            0..30 => drop(guard),
            30..45 if bench.customs != Customs::OneName => {
                let owner = guard.detach();
                // If it fails, the lease ends it.
                let _ = bench.lock.release(owner.owner());
            }
            45 => drop(guard.detach()),
            46 => std::mem::forget(guard),
            _ => {
                if let Err(LockError::Lost(_)) = guard.release() {
                    bench.journal.note(What::Lost, holding, now(), 0);
                }
            }
        }
    }
}

impl Turn<'_> {
    /// Asks the guard, and says in the journal what it said. The clock is read first: see
    /// [`oracle`](super::oracle).
    fn check(&self) -> bool {
        let at = now();
        let valid = self.guard.check().is_ok();
        if valid {
            self.bench.journal.note(What::Valid, self.holding, at, 0)
        } else {
            self.note(What::Lost)
        }
        valid
    }

    /// Notes what is so by now.
    fn note(&self, what: What) {
        self.bench.journal.note(what, self.holding, now(), 0);
    }

    /// Has the journal told of a loss. Says where it can be seen that it was.
    fn listen(&self) -> Arc<AtomicBool> {
        let is_told = Arc::<AtomicBool>::default();
        let (tell, journal) = (is_told.clone(), self.bench.journal.clone());
        let holding = self.holding;
        self.guard.on_lost(move |_| {
            journal.note(What::Told, holding, now(), 0);
            tell.store(true, Ordering::Release);
        });
        is_told
    }

    /// If the lock is lost, its listener must have been told of that, or be told soon: time is counted in
    /// naps, for the process may be stopped meanwhile.
    fn hears_of_loss(&self, is_told: &AtomicBool) {
        if self.check() {
            return;
        }
        for _ in 0..NAPS {
            if is_told.load(Ordering::Acquire) {
                return;
            }
            thread::sleep(NAP);
        }
        self.note(What::Untold);
    }

    /// Several threads at one guard, each of which does all that can be done with it.
    fn share(&self, dice: &mut Dice) {
        self.note(What::Shared);
        let lots: Vec<_> = (0..3).map(|_| dice.below(u64::MAX)).collect();
        thread::scope(|scope| {
            for lot in lots {
                scope.spawn(move || {
                    let mut dice = Dice::new(lot, &[]);
                    for _ in 0..4 {
                        let is_held = match dice.below(4) {
                            0 => self.learn(self.guard.verify()),
                            1 => self.learn(self.guard.renew()),
                            2 => self.learn(self.guard.keep_alive()),
                            _ => self.check(),
                        };
                        if !is_held {
                            return;
                        }
                    }
                });
            }
        });
    }

    /// Forks. The child drops its copy of the guard, and ends at once or takes a lock of its own, as
    /// `part` does; the holder has the lock all the while.
    fn fork(&self, part: impl FnOnce()) {
        self.note(What::Forked);
        // SAFETY: the child uses nothing that another thread may have locked: not this process's journals,
        // and of the C library only what it takes care of itself.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "this process can fork");
        if child == 0 {
            let part = || {
                end_with_parent();
                assert!(!self.guard.is_held(), "a child has its parent's guard");
                // SAFETY: this process ends without another look at the guard.
                drop(unsafe { ptr::read(&raw const self.guard) });
                part();
            };
            let went_well = panic::catch_unwind(AssertUnwindSafe(part)).is_ok();
            // SAFETY: nothing is left to be done in it.
            unsafe { libc::_exit(i32::from(!went_well)) };
        }
        for _ in 0..6 * NAPS {
            let mut status = 0;
            // SAFETY: it is this process's child and was not waited for.
            match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
                0 => self.check(),
                _ if status == 0 => return,
                _ => give_up(&format!("a forked child failed with {status}")),
            };
            thread::sleep(NAP);
        }
        give_up("a forked child hangs");
    }

    /// Adds one to the value that the lock protects. Says whether the lock was there all the time.
    fn count(&self, dice: &mut Dice) -> bool {
        if !self.check() {
            return false;
        }
        let Some(value) = self.bench.journal.enter(self.holding) else {
            return false;
        };
        // Time for another to read the same value, if there could be another.
        match dice.below(8) {
            0 => thread::sleep(Duration::from_millis(dice.below(4))),
            _ => thread::yield_now(),
        }
        // Without this, only the token would keep a process that was stopped from writing.
        self.check() && self.bench.journal.write(self.holding, value + 1)
    }

    /// Takes longer than the lease, and stays at it to the last moment. Sometimes even beyond: what
    /// comes then, the resource has to refuse if another was there.
    fn overstay(&self, dice: &mut Dice) {
        // No right guard says yes for that long, and a wrong one must not keep the torture from its end.
        self.stay(3 * LONGEST_LEASE);
        if dice.one_in(4) {
            thread::sleep(dice.between(Duration::ZERO, LONGEST_LEASE));
            let value = self.bench.journal.enter(self.holding);
            value.map(|value| self.bench.journal.write(self.holding, value + 1));
        }
    }

    fn keep_alive(&self, for_how_long: Duration) {
        if !self.learn(self.guard.keep_alive()) {
            return;
        }
        self.stay(for_how_long);
    }

    /// Is at work for so long, or as long as the lock is there.
    fn stay(&self, for_how_long: Duration) {
        let start = now();
        while span(now() - start) < for_how_long && self.check() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a call that asked the store says of the lock.
    fn learn(&self, said: Result<(), LockError>) -> bool {
        let lost = matches!(said, Err(LockError::Lost(_)));
        if lost {
            self.note(What::Lost);
        }
        // A renewal that failed is no loss.
        !lost && self.check()
    }
}

/// How long to sleep between two looks, and how often: for half a minute.
const NAP: Duration = Duration::from_millis(10);
const NAPS: u32 = 3_000;

/// Kills this process in a moment: before the lock is handed over, meanwhile, or before that is known.
fn die_within(moment: Duration) {
    thread::spawn(move || {
        thread::sleep(moment);
        // SAFETY: it is a signal to this very process.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    });
}

/// Ends this process, which the torture takes for a violation.
fn give_up(why: &str) -> ! {
    eprintln!("process {}: {why}", process::id());
    process::abort();
}

/// What a failed attempt counts as. Whatever the network does, it must not make a client accuse the
/// store, find a foreign object, or ask for other settings.
fn failure(error: &LockError) -> Failure {
    match error {
        LockError::Held(_) => Failure::Held,
        LockError::TimedOut { .. } => Failure::TimedOut,
        LockError::TooSlow { .. } => Failure::TooSlow,
        LockError::Storage(error) if error.is_outcome_unknown() => Failure::MayRemain,
        LockError::Storage(_) => Failure::Storage,
        error => {
            eprintln!("process {}: {error:?}", process::id());
            process::abort();
        }
    }
}
