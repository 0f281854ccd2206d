//! You want this to test your own code that takes a lock, without S3 and without waiting for leases.
//! Run it with `cargo test --example in_a_unit_test`.

use s3_lock::{InMemoryStore, LockError, S3Lock};

/// Your code. It does not make the lock itself, so that a test can bring its own.
fn work(lock: &S3Lock, owner: &str, steps: impl Iterator<Item = u32>) -> Result<(), LockError> {
    let guard = lock.try_acquire(owner)?;
    for step in steps {
        guard.check()?; // stops it if the lock is lost
        println!("{owner} takes step {step}");
    }
    guard.release()
}

/// A lock with a client of its own, as another process has one.
fn lock(store: &InMemoryStore) -> S3Lock {
    let lock = S3Lock::builder("test-bucket", "import").client(store.client());
    lock.build().expect("the settings are valid")
}

fn main() -> Result<(), LockError> {
    work(&lock(&InMemoryStore::new()), "host-17", 1..=3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let store = InMemoryStore::new();
        let _guard = lock(&store).acquire("host-17").unwrap();
        let refused = work(&lock(&store), "host-18", 1..=3);
        assert!(matches!(refused, Err(LockError::Held(holder)) if holder.owner() == "host-17"));
    }

    #[test]
    fn a_host_that_died_has_a_successor() {
        let store = InMemoryStore::new();
        lock(&store).acquire("host-17").unwrap().detach(); // stays held, and nobody renews it
        store.advance(Duration::from_secs(3600)); // on all clocks, and at once
        work(&lock(&store), "host-18", 1..=3).unwrap();
    }

    #[test]
    fn a_host_that_is_too_slow_stops() {
        let store = InMemoryStore::new();
        let slow = (1..=3).inspect(|_| store.advance(Duration::from_secs(60)));
        let stopped = work(&lock(&store), "host-17", slow);
        assert!(matches!(stopped, Err(LockError::Lost(_))));
    }
}
