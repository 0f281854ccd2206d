//! Threads for what blocks: resolving a name, reading a file, running a command. Each lives for one
//! piece of work, and where none is to be had, that is an error: tokio's own pool would panic.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::sync::{Semaphore, oneshot};

/// As many threads at once. Whatever hangs for ever (a name server, a network disk) keeps one of
/// them, and the others wait for theirs until their own time is up.
const AT_ONCE: usize = 16;

/// A bounded number of threads.
#[derive(Clone)]
pub(crate) struct Helpers {
    room: Arc<Semaphore>,
}

impl Default for Helpers {
    fn default() -> Helpers {
        Helpers {
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// What a helper thread is to bring.
pub(crate) struct Awaited<T>(oneshot::Receiver<T>);

impl<T> Awaited<T> {
    pub(crate) async fn get(self) -> io::Result<T> {
        let lost = |_| io::Error::other("its thread ended without a result");
        self.0.await.map_err(lost)
    }
}

impl Helpers {
    /// Has a thread do this, and returns as soon as it was started. Whoever does not wait for the
    /// result drops it, and the thread does its work all the same.
    pub(crate) async fn start<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(oneshot::Sender<T>) + Send + 'static,
    ) -> io::Result<Awaited<T>> {
        let room = self.room.clone().acquire_owned().await;
        let room = room.map_err(io::Error::other)?;
        let (sender, result) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("s3-lock-{name}"));
        thread.spawn(move || {
            work(sender);
            drop(room);
        })?;
        Ok(Awaited(result))
    }

    /// Has a thread do this, and waits for the result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let tell = |sender: oneshot::Sender<T>| {
            // Nobody may want it any more.
            let _ = sender.send(work());
        };
        self.start(name, tell).await?.get().await
    }

    /// Reads a file of text that has at most `most` bytes. It may be a pipe, or on a disk that hangs.
    /// The outer error is that of this machine, which has no thread for it.
    pub(crate) async fn read(
        &self,
        path: impl AsRef<Path>,
        most: u64,
    ) -> io::Result<io::Result<String>> {
        let path = path.as_ref().to_owned();
        self.run("reader", move || read(&path, most)).await
    }
}

fn read(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    match text.len() as u64 > most {
        true => Err(io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::sys::runtime::Runtime;

    #[test]
    fn a_helper_brings_its_result() {
        let helpers = Helpers::default();
        let result = Runtime::default().block_on(helpers.run("test", || 42));
        assert_eq!(result.unwrap().unwrap(), 42);
    }

    #[test]
    fn a_helper_that_panics_is_an_error() {
        let helpers = Helpers::default();
        let work = || -> u32 { panic!("on purpose") };
        let result = Runtime::default().block_on(helpers.run("test", work));
        assert!(result.unwrap().is_err());
    }

    #[test]
    fn who_finds_no_room_waits_for_it() {
        let helpers = Helpers::default();
        let (go, stop) = mpsc::channel::<()>();
        let stop = Arc::new(std::sync::Mutex::new(stop));
        let results = Runtime::default().block_on(async {
            let mut hanging = Vec::new();
            for _ in 0..AT_ONCE {
                let stop = stop.clone();
                let hang = move |sender: oneshot::Sender<()>| {
                    let _ = crate::sys::sync::lock(&stop).recv();
                    drop(sender);
                };
                hanging.push(helpers.start("test", hang).await.unwrap());
            }
            let one_more = || helpers.run("test", || ());
            let soon = Duration::from_millis(50);
            let before = tokio::time::timeout(soon, one_more()).await;
            drop(go);
            (before.is_ok(), one_more().await.is_ok())
        });
        assert_eq!(results.unwrap(), (false, true));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let path = std::env::temp_dir().join(format!("s3-lock-read-{}", std::process::id()));
        std::fs::write(&path, "abcd").unwrap();
        let helpers = Helpers::default();
        let read = |most| {
            Runtime::default()
                .block_on(helpers.read(&path, most))
                .unwrap()
                .unwrap()
        };
        assert_eq!(read(4).unwrap(), "abcd");
        assert!(read(3).is_err());
        std::fs::remove_file(path).unwrap();
    }
}
