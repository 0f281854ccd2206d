//! Acquires the lock that the arguments name.

use std::time::Duration;

use s3_lock::{Client, LockError, LockGuard, S3Lock, WaitHandle, default_owner};

use crate::arguments::AcquireArguments;

/// How a lock is to be acquired.
pub struct Acquire {
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
            .client(client)
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
            (true, _) => Wait::No,
            (false, limit) => Wait::Within(limit.unwrap_or(Duration::MAX)),
        };
        Ok(Acquire {
            lock: lock.build()?,
            owner: arguments.owner.clone().unwrap_or_else(default_owner),
            label: label.map(str::to_owned),
            wait,
        })
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Acquires the lock, as long as that may take.
    pub fn acquire(&self) -> Result<LockGuard, LockError> {
        let (lock, owner) = (&self.lock, &self.owner);
        match (&self.label, &self.wait) {
            (None, Wait::No) => lock.try_acquire(owner),
            (None, Wait::Within(limit)) => lock.acquire_within(owner, *limit),
            (Some(_), _) => todo!(),
        }
    }
}

/// How long a lease will be: the library adds twice the time of a request for the acquire itself.
pub fn lease(arguments: &AcquireArguments, request_timeout: Duration) -> Duration {
    let allowance = request_timeout.saturating_mul(2);
    arguments.max_operation.saturating_add(allowance)
}
