//! Acquires the lock that the arguments name.

use std::time::Duration;

use s3_lock::{Client, LockError, LockGuard, S3Lock, WaitHandle, default_owner};

use crate::arguments::AcquireArguments;

/// How a lock is to be acquired.
pub struct Acquire {
    client: Client,
    lock: S3Lock,
    owner: String,
    label: Option<String>,
    wait: Wait,
}

enum Wait {
    No,
    Within(Duration),
}

impl Acquire {
    /// An acquire that waits with `handle`. Sends nothing yet.
    pub fn new(
        arguments: &AcquireArguments,
        label: Option<&str>,
        client: Client,
        handle: &WaitHandle,
    ) -> Result<Acquire, LockError> {
        let mut lock = arguments
            .url
            .builder()?
            .client(client.clone())
            .max_operation(arguments.max_operation)
            .keep_alive()
            .wait_handle(handle);
        if let Some(purpose) = &arguments.purpose {
            lock = lock.purpose(purpose);
        }
        if arguments.reclaim {
            lock = lock.reclaim_same_owner();
        }
        let wait = match (arguments.no_wait, arguments.wait) {
            (true, _) | (false, Some(Duration::ZERO)) => Wait::No,
            (false, limit) => Wait::Within(limit.unwrap_or(Duration::MAX)),
        };
        Ok(Acquire {
            client,
            lock: lock.build()?,
            owner: arguments.owner.clone().unwrap_or_else(default_owner),
            label: label.map(str::to_owned),
            wait,
        })
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether the wait has no limit.
    pub fn is_endless(&self) -> bool {
        matches!(self.wait, Wait::Within(Duration::MAX))
    }

    /// A second pair of eyes on what the acquire sends.
    pub fn answers(&self) -> Answers {
        Answers {
            client: self.client.clone(),
        }
    }

    /// Acquires the lock, as long as that may take.
    pub fn acquire(&self) -> Result<LockGuard, LockError> {
        let (lock, owner) = (&self.lock, &self.owner);
        match (&self.label, &self.wait) {
            (None, Wait::No) => lock.try_acquire(owner),
            (None, Wait::Within(limit)) => lock.acquire_within(owner, *limit),
            (Some(label), Wait::No) => lock.try_acquire_once(owner, label),
            (Some(label), Wait::Within(limit)) => lock.acquire_once_within(owner, label, *limit),
        }
    }
}

/// Whether the store answers what an acquire asks.
pub struct Answers {
    client: Client,
}

impl Answers {
    /// Whether the store has left unanswered all that was sent. (Where no connection can be made, nothing was sent.)
    pub fn are_missing(&self) -> bool {
        let counts = self.client.request_counts();
        let (reads, writes) = (counts.reads(), counts.writes());
        let answered = reads.succeeded() + reads.refused() + writes.succeeded() + writes.refused();
        answered == 0 && counts.total() > 0
    }
}

/// How long a lease will be: the library adds twice the time of a request for the acquire itself.
pub fn lease(arguments: &AcquireArguments, request_timeout: Duration) -> Duration {
    let allowance = request_timeout.saturating_mul(2);
    arguments.max_operation.saturating_add(allowance)
}
