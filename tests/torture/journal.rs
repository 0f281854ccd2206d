//! What the processes do under a lock, and what they say about having it, in one file for each lock.
//!
//! The file is an append-only log, and the resource that the lock protects: its state is what the
//! last entry says, so that a process which is killed leaves no half of anything behind. `flock`
//! makes each call atomic, and nothing more: between the reading of a value and the writing of the
//! next one, the lock alone keeps others away.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The lock was acquired, which took `detail` nanoseconds.
    Acquired,
    /// The guard said at or after `at` that it has the lock.
    Valid,
    /// The value was read. From here on the resource refuses smaller tokens.
    Entered,
    /// The value was written.
    Wrote,
    /// The resource refused the token: a larger one was there.
    Refused,
    /// The guard had said before `at` that it has lost the lock.
    Lost,
    /// It had been acquired from somebody who did not give it back.
    TookOver,
    /// The lock was not acquired; `detail` is the [`Failure`](super::worker::Failure).
    Failed,
    /// A listener was told before `at` that the lock is lost.
    Told,
    /// A guard said that it is lost, and its listener was not told.
    Untold,
    /// Several threads were at one guard.
    Shared,
    /// The process was forked while it held the lock.
    Forked,
    /// It is about to be given back while another thread of its process waits for it.
    Passed,
}

const WHATS: [What; 13] = [
    What::Acquired,
    What::Valid,
    What::Entered,
    What::Wrote,
    What::Refused,
    What::Lost,
    What::TookOver,
    What::Failed,
    What::Told,
    What::Untold,
    What::Shared,
    What::Forked,
    What::Passed,
];

/// One holding of the lock: a number that no other has, and its fencing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    pub id: u64,
    pub token: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub what: What,
    pub holding: Holding,
    /// On the clock that all processes of a machine share, in nanoseconds; see [`now`].
    pub at: u64,
    pub detail: u64,
    /// The state of the resource from here on.
    pub state: State,
}

/// The resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub highest_token: u64,
    pub value: u64,
}

const NUMBERS: usize = 7;
/// An entry takes this many bytes.
pub const SIZE: usize = NUMBERS * size_of::<u64>();

impl Entry {
    fn to_bytes(self) -> [u8; SIZE] {
        let numbers: [u64; NUMBERS] = [
            self.what as u64,
            self.holding.id,
            self.holding.token,
            self.at,
            self.detail,
            self.state.highest_token,
            self.state.value,
        ];
        let mut bytes = [0; SIZE];
        for (place, number) in bytes.chunks_exact_mut(size_of::<u64>()).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8; SIZE]) -> Entry {
        let mut numbers = [0; NUMBERS];
        for (number, place) in numbers.iter_mut().zip(bytes.chunks_exact(size_of::<u64>())) {
            *number = u64::from_le_bytes(place.try_into().expect("a chunk has eight bytes"));
        }
        let [what, id, token, at, detail, highest_token, value] = numbers;
        let place = usize::try_from(what).expect("it was an enum");
        Entry {
            what: WHATS[place],
            holding: Holding { id, token },
            at,
            detail,
            state: State {
                highest_token,
                value,
            },
        }
    }
}

/// One process's way to a journal.
pub struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal of the lock of this number.
    pub fn open(dir: &Path, lock: u64) -> io::Result<Journal> {
        let path = dir.join(format!("journal-{lock}"));
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        Ok(Journal {
            file: Mutex::new(file),
        })
    }

    /// Notes what changes nothing.
    pub fn note(&self, what: What, holding: Holding, at: u64, detail: u64) {
        self.append(|state| Entry {
            what,
            holding,
            at,
            detail,
            state,
        });
    }

    /// Reads the value, unless a holder with a larger token did. From then on a holder with a smaller
    /// token is refused: without that, its late write could still slip in before this holder's
    /// first.
    pub fn enter(&self, holding: Holding) -> Option<u64> {
        let entry = self.fenced(holding, What::Entered, |state| state.value);
        (entry.what == What::Entered).then_some(entry.state.value)
    }

    /// Writes a value, unless a holder with a larger token was there. Says whether it did.
    pub fn write(&self, holding: Holding, value: u64) -> bool {
        self.fenced(holding, What::Wrote, |_| value).what == What::Wrote
    }

    fn fenced(&self, holding: Holding, what: What, value: impl FnOnce(State) -> u64) -> Entry {
        self.append(|state| {
            let is_refused = holding.token < state.highest_token;
            let accepted = State {
                highest_token: holding.token,
                value: value(state),
            };
            Entry {
                what: if is_refused { What::Refused } else { what },
                holding,
                at: now(),
                detail: 0,
                state: if is_refused { state } else { accepted },
            }
        })
    }

    fn append(&self, make: impl FnOnce(State) -> Entry) -> Entry {
        let mut file = Locked::new(&self.file).expect("the journal can be locked");
        let state = file.state().expect("the journal can be read");
        let entry = make(state);
        let bytes = entry.to_bytes();
        file.0.write_all(&bytes).expect("the disk has room");
        entry
    }
}

/// The file, while this thread of this process has it alone.
struct Locked<'a>(MutexGuard<'a, File>);

impl<'a> Locked<'a> {
    fn new(file: &'a Mutex<File>) -> io::Result<Locked<'a>> {
        // `flock` keeps processes apart, and not the threads that share a descriptor.
        let file = file.lock().expect("nothing panics while it has the file");
        flock(&file, libc::LOCK_EX)?;
        Ok(Locked(file))
    }

    fn state(&mut self) -> io::Result<State> {
        let size = i64::try_from(SIZE).expect("an entry is small");
        if self.0.seek(SeekFrom::End(0))? == 0 {
            return Ok(State::default());
        }
        self.0.seek(SeekFrom::End(-size))?;
        let mut bytes = [0; SIZE];
        self.0.read_exact(&mut bytes)?;
        Ok(Entry::from_bytes(&bytes).state)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let unlocked = flock(&self.0, libc::LOCK_UN);
        unlocked.expect("what is locked can be unlocked");
    }
}

fn flock(file: &File, operation: libc::c_int) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open as long as `file` is.
        match unsafe { libc::flock(file.as_raw_fd(), operation) } {
            0 => return Ok(()),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// The clock that the lock goes by, read past any program that shifts the others.
pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).expect("it counts up from the start of the machine");
    let nanos = u64::try_from(now.tv_nsec).expect("it is below a billion");
    seconds * 1_000_000_000 + nanos
}

/// A span of that clock.
pub fn span(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// Reads a journal from where it was left.
pub struct Reader {
    file: File,
    rest: Vec<u8>,
}

impl Reader {
    pub fn open(dir: &Path, lock: u64) -> io::Result<Reader> {
        drop(Journal::open(dir, lock)?);
        Ok(Reader {
            file: File::open(dir.join(format!("journal-{lock}")))?,
            rest: Vec::new(),
        })
    }

    /// Returns the entries since the last call.
    pub fn read(&mut self) -> io::Result<Vec<Entry>> {
        self.file.read_to_end(&mut self.rest)?;
        let whole = self.rest.len() / SIZE * SIZE;
        let bytes: Vec<u8> = self.rest.drain(..whole).collect();
        let chunks = bytes.chunks_exact(SIZE);
        let entry = |chunk: &[u8]| Entry::from_bytes(chunk.try_into().expect("it has that size"));
        Ok(chunks.map(entry).collect())
    }
}
