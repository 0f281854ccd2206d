//! Checking whether a store is fit for locks.

use crate::api::client::Client;
use crate::api::lock::S3Lock;
use crate::types::errors::LockError;
use crate::types::store_report::StoreReport;

impl S3Lock {
    /// Checks whether the store honours the conditions that the lock relies on. It writes to one object beside
    /// the lock's, `{folder}/.s3-lock-check`, and does not delete it. Twelve requests.
    ///
    /// A client with a custom endpoint does this by itself, before it first locks or releases anything in a
    /// bucket. It refuses a store that would break the lock.
    /// [`assume_conditional_writes`](crate::ClientBuilder::assume_conditional_writes) turns that off. AWS is
    /// not checked unless you call this. The client remembers the result for the bucket, with the form of
    /// ETag that the store takes. Each call of this checks anew.
    ///
    /// The check shows that the store looks at the conditions. It also tests, with one race, that the store
    /// compares and writes in one step: two writers replace one version at the same moment, and a store that
    /// lets both is refused. That finds most such stores; [`race_store`](S3Lock::race_store) finds more.
    ///
    /// Any number of clients may check at the same moment. Blocks for up to 6 × `request_timeout`, because it
    /// retries what goes wrong. Needs `s3:PutObject` and `s3:GetObject` on that key.
    /// [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on top.
    ///
    /// # Errors
    ///
    /// * [`LockError::UnsafeStore`]: keep locks in another store.
    /// * [`LockError::Storage`]: nothing was found out; do as its message advises.
    /// * [`LockError::Foreign`]: another kind of object is at that key. Move it away.
    /// * [`LockError::Config`]: correct the settings or the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let report = lock.check_store()?;
    /// println!("{report}");
    /// assert!(report.uses_store_clock());
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn check_store(&self) -> Result<StoreReport, LockError> {
        let context = self.context()?;
        context.session.run(context.check_store())
    }

    /// Races the store thoroughly: does it compare and write in one step? No lock can do without that. Run it
    /// once before you rely on a store, and not while others depend on the store's speed.
    ///
    /// It first [checks](S3Lock::check_store) the store. Then each of the `rounds`, 1 to 1,000, makes a fresh
    /// key `{folder}/.s3-lock-race-{random}`. Eight writers, each on its own connection, create it at the same
    /// moment (`If-None-Match: *`), and then replace what was made (`If-Match`). Each withholds the last byte of
    /// its body: four until all are ready, four until another was answered. So the writes overlap in the store.
    ///
    /// Exactly one writer may be told that its write was done, and a read must then show that write. Two that
    /// were done refute the store, whatever else happened. A race in which an answer is missing or says nothing
    /// (409, 412 for all, 429, 5xx) does not count: see [`StoreReport::races`].
    ///
    /// If no race refutes the store, that is no proof: the next race may. A store that fails rarely takes many
    /// rounds. The client remembers the result for the bucket, as for a check.
    ///
    /// It sends up to 19 requests in each round (16 PUTs, 2 GETs, and 1 DELETE of the key) besides those of the
    /// check. It blocks for up to 6 × `request_timeout` and 5 × more for each round; undisturbed, a round takes
    /// about five round trips to the store. It needs `s3:PutObject` and `s3:GetObject` on those keys.
    /// `s3:DeleteObject` is optional: without it the keys stay, some sixty bytes each, and no list of locks
    /// shows them. A key may also stay if an answer was lost.
    ///
    /// # Errors
    ///
    /// * [`LockError::UnsafeStore`]: keep locks in another store. The message tells one race step by step.
    /// * [`LockError::Storage`]: nothing was found out; do as its message advises.
    /// * [`LockError::Config`] that names `rounds`: choose a number from 1 to 1,000. Others, and
    ///   [`LockError::Foreign`], as for [`check_store`](S3Lock::check_store).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let report = lock.race_store(5)?;
    /// assert!(report.is_safe());
    /// assert!(report.races() >= 10);
    /// println!("{report}"); // ... was not refuted in 11 races; ...
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn race_store(&self, rounds: u32) -> Result<StoreReport, LockError> {
        self.race_store_with(rounds, std::slice::from_ref(&self.client))
    }

    /// Races a store that has several endpoints, as [`race_store`](S3Lock::race_store) does with one. It spreads
    /// the eight writers over 1 to 8 `clients`, each with its own endpoint. This lock's client does the check
    /// before, and the reads and removals in between.
    ///
    /// Some stores decide conditions in one step on each node, but not across nodes. A race through a load
    /// balancer may not show that.
    ///
    /// It sends as many requests, and blocks as long, as [`race_store`](S3Lock::race_store).
    ///
    /// # Errors
    ///
    /// As for [`race_store`](S3Lock::race_store). Also [`LockError::Config`] that names `clients`, for fewer
    /// than 1 or more than 8.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{InMemoryStore, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(store.client()).build()?;
    /// let report = lock.race_store_with(5, &[store.client(), store.client()])?;
    /// assert!(report.races() >= 10);
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn race_store_with(
        &self,
        rounds: u32,
        clients: &[Client],
    ) -> Result<StoreReport, LockError> {
        let sessions = clients
            .iter()
            .map(Client::session)
            .collect::<Result<_, _>>()?;
        self.context()?.race_store(rounds, sessions, &mut |_| {})
    }
}
