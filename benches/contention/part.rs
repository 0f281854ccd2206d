//! What a process of a run does.

use std::thread;
use std::time::Duration;

use s3_lock::{LockError, S3Lock};
use serde::{Deserialize, Serialize};

use crate::common::{Address, Event, What, await_start, with_queue};

/// The part of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    pub lock: String,
    pub queue: bool,
    pub threads: usize,
    pub hold: Duration,
    /// How long each thread does something else before it asks again.
    pub pause: Duration,
    /// How long each thread waits at most; none for as long as it takes.
    pub patience: Option<Duration>,
    /// How often each thread asks; none for ever.
    pub times: Option<usize>,
}

impl Part {
    /// One thread that asks again and again.
    pub fn looping(hold: Duration) -> Part {
        Part {
            lock: "bench".to_owned(),
            queue: true,
            threads: 1,
            hold,
            pause: Duration::ZERO,
            patience: None,
            times: None,
        }
    }

    /// One thread that asks once.
    pub fn once(hold: Duration) -> Part {
        let times = Some(1);
        Part {
            times,
            ..Part::looping(hold)
        }
    }

    /// Plays the part until it is over, or until the parent ends this process.
    pub fn play(&self, address: &Address) {
        let client = address.client();
        let builder = address.lock_builder(&self.lock, &client);
        let lock = with_queue(builder, self.queue).build();
        let lock = lock.expect("the settings are valid");
        await_start();
        thread::scope(|scope| {
            for thread in 0..self.threads {
                let lock = &lock;
                scope.spawn(move || self.run(thread, lock));
            }
        });
    }

    fn run(&self, thread: usize, lock: &S3Lock) {
        let owner = format!("{}-{thread}", std::process::id());
        let mut left = self.times.unwrap_or(usize::MAX);
        while left > 0 {
            left -= 1;
            self.turn(thread, lock, &owner);
            thread::sleep(self.pause);
        }
    }

    fn turn(&self, thread: usize, lock: &S3Lock, owner: &str) {
        Event::report(What::Asked, thread);
        let acquired = match self.patience {
            Some(patience) => lock.acquire_within(owner, patience),
            None => lock.acquire(owner),
        };
        let guard = match acquired {
            Ok(guard) => guard,
            Err(LockError::TimedOut { .. }) if self.patience.is_some() => {
                return Event::report(What::GaveUp, thread);
            }
            Err(error) => {
                eprintln!("{owner} could not acquire: {error}");
                Event::report(What::Failed, thread);
                // A store that is in trouble is not to be asked without a pause.
                return thread::sleep(Duration::from_millis(100));
            }
        };
        Event::report(What::Got, thread);
        thread::sleep(self.hold);
        Event::report(What::Leaving, thread);
        match guard.release() {
            Ok(()) => Event::report(What::Left, thread),
            Err(error) => {
                eprintln!("{owner} could not release: {error}");
                Event::report(What::Failed, thread);
            }
        }
    }
}
