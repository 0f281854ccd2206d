//! Threads for work that blocks: resolving a name, reading a file, running a command. Each thread
//! does one piece of work. If none can be started, that is an error, where tokio's own pool would
//! panic.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use crate::sys::sync::lock;
use crate::sys::thread_starts::ThreadStarts;

/// The most threads at once. Work that hangs for ever (a name server, a network disk) keeps its
/// thread. Other work waits for a free one until its own time is up.
const AT_ONCE: usize = 16;

/// A bounded number of threads.
#[derive(Clone)]
pub(crate) struct BlockingThreads {
    room: Arc<Semaphore>,
}

impl Default for BlockingThreads {
    fn default() -> BlockingThreads {
        BlockingThreads {
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// How long the first thread may take to begin.
const BEGINS: Duration = Duration::from_millis(500);

/// Why no thread begins.
const FORKED: &str = "no thread begins in this process: when it was forked, another thread of its parent \
                      was beginning or ending";

/// Whether these threads begin.
static STARTS: ThreadStarts = ThreadStarts::new();

impl BlockingThreads {
    /// Starts the work on a thread. Returns the receiver of its result. The work is done even if
    /// the receiver is dropped. That no thread begins is an error here, too, once it is known.
    pub(crate) async fn start<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        if STARTS.do_not_begin() {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, FORKED));
        }
        let room = self.room.clone().acquire_owned().await;
        let room = room.map_err(io::Error::other)?;
        let (sender, result) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("s3-lock-{name}"));
        thread.spawn(move || {
            STARTS.note_begun();
            // An error means that the receiver was dropped.
            let _ = sender.send(work());
            drop(room);
        })?;
        Ok(result)
    }

    /// Does the work on a thread, and waits for the result. Where threads do not begin, as in a child that was
    /// forked at the wrong moment, does it on this one.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        if STARTS.do_not_begin() {
            return here(work);
        }
        let work = Arc::new(Mutex::new(Some(work)));
        let of_thread = work.clone();
        let on_thread = move || Some(take(&of_thread)?());
        let mut result = self.start(name, on_thread).await?;
        let soon = tokio::time::timeout(BEGINS, &mut result).await;
        if soon.is_err() && !STARTS.have_begun() {
            if let Some(work) = take(&work) {
                STARTS.note_late();
                return here(work);
            }
        }
        let done = match soon {
            Ok(done) => done,
            Err(_) => result.await,
        };
        done.ok().flatten().ok_or_else(no_result)
    }

    /// Reads a text file of at most `most` bytes. It may be a pipe, or on a disk that hangs. The
    /// outer error means that no thread could be had for it.
    pub(crate) async fn read(
        &self,
        path: impl AsRef<Path>,
        most: u64,
    ) -> io::Result<io::Result<String>> {
        let path = path.as_ref().to_owned();
        self.run("reader", move || read(&path, most)).await
    }
}

/// The work, if nobody has taken it yet.
fn take<W>(work: &Mutex<Option<W>>) -> Option<W> {
    lock(work).take()
}

/// Does the work on the caller's thread.
fn here<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| no_result())
}

fn no_result() -> io::Error {
    io::Error::other("its thread ended without a result")
}

fn read(path: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read_bytes(path, most)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a file of at most `most` bytes. This blocks, so it is for one of these threads.
pub(crate) fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;
    use crate::sys::runtime::Runtime;

    #[test]
    fn a_thread_brings_its_result() {
        let threads = BlockingThreads::default();
        let result = Runtime::default().block_on(threads.run("test", || 42));
        assert_eq!(result.unwrap().unwrap(), 42);
    }

    #[test]
    fn a_thread_that_panics_is_an_error() {
        let threads = BlockingThreads::default();
        let work = || -> u32 { panic!("on purpose") };
        let result = Runtime::default().block_on(threads.run("test", work));
        assert!(result.unwrap().is_err());
    }

    #[test]
    fn work_that_finds_no_room_waits_for_it() {
        let threads = BlockingThreads::default();
        let (go, stop) = mpsc::channel::<()>();
        let stop = Arc::new(std::sync::Mutex::new(stop));
        let results = Runtime::default().block_on(async {
            for _ in 0..AT_ONCE {
                let stop = stop.clone();
                // An error means that the sender was dropped.
                let hang = move || crate::sys::sync::lock(&stop).recv().is_ok();
                threads.start("test", hang).await.unwrap();
            }
            let one_more = || threads.run("test", || ());
            let before = one_more().now_or_never();
            drop(go);
            (before.is_some(), one_more().await.is_ok())
        });
        assert_eq!(results.unwrap(), (false, true));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let path = std::env::temp_dir().join(format!("s3-lock-read-{}", std::process::id()));
        std::fs::write(&path, "abcd").unwrap();
        let threads = BlockingThreads::default();
        let read = |most| {
            Runtime::default()
                .block_on(threads.read(&path, most))
                .unwrap()
                .unwrap()
        };
        assert_eq!(read(4).unwrap(), "abcd");
        assert!(read(3).is_err());
        std::fs::remove_file(path).unwrap();
    }
}
