//! Finding out whether a store is fit for locks.

use crate::api::client::Client;
use crate::api::lock::S3Lock;
use crate::types::errors::LockError;
use crate::types::store_report::StoreReport;

impl S3Lock {
    /// Finds out whether the store honours the conditions that the lock rests on, by writing to one
    /// object beside the lock's, `{folder}/.s3-lock-check`, which is not deleted. Twelve requests.
    ///
    /// A client with an endpoint of its own does so by itself, before it first locks or releases anything
    /// in a bucket, and refuses a store that would break the lock; unless it was told to
    /// [`assume_conditional_writes`](crate::ClientBuilder::assume_conditional_writes). AWS is not
    /// checked unless you call this. What was found is remembered for the bucket, with the form of ETag
    /// that the store takes; each call asks anew.
    ///
    /// It shows that the store looks at the conditions. That it compares and writes in one step it
    /// puts to a small test: two writers replace one version at the same moment, and a store that lets
    /// both is refused. It finds most such stores, and [`race_store`](S3Lock::race_store) finds more.
    ///
    /// Any number of clients may check at the same moment. Blocks for up to 6 × `request_timeout`:
    /// what goes wrong on the way is tried again. Needs `s3:PutObject` and `s3:GetObject` on that key.
    ///
    /// # Errors
    ///
    /// * [`LockError::UnsafeStore`]: keep locks elsewhere.
    /// * [`LockError::Storage`], as its message advises; nothing was found out.
    /// * [`LockError::Foreign`]: something else is at that key. Move it away.
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

    /// Races the store in earnest: whether it compares and writes in one step, the assumption that no
    /// lock can do without. To be run once before a store is relied on, and not while it is in use by
    /// others who care for its speed.
    ///
    /// It [checks](S3Lock::check_store) the store first. Then each of the `rounds`, 1 to 1,000, makes a
    /// fresh key `{folder}/.s3-lock-race-{random}` and lets eight writers, on connections of their own,
    /// first create it (`If-None-Match: *`) and then replace what was made (`If-Match`) at the same
    /// moment. Each withholds the last byte of its body: four until all are there, four until another
    /// was answered, so that the writes overlap in the store. Exactly one may be told that it was done,
    /// and what it wrote has to be what is read then. Two that were done refute the store, whatever
    /// else happened. A race in which an answer is missing or says nothing (409, 412 for all, 429, 5xx)
    /// is not counted: see [`StoreReport::races`].
    ///
    /// That no race refuted the store is no proof: it may fail in the next one. A store that fails
    /// rarely takes many rounds. What was found is remembered for the bucket, as by a check.
    ///
    /// Up to 19 requests in each round (16 PUTs, 2 GETs, and 1 DELETE of the key) besides those of the
    /// check. Blocks for up to 6 × `request_timeout` and 5 × more for each round; undisturbed, for about
    /// five round trips to the store in each. Needs `s3:PutObject` and `s3:GetObject` on those keys.
    /// `s3:DeleteObject` is optional: without it they are left where they are, some ninety bytes each,
    /// and no list of locks shows them. A key may also be left where an answer was lost.
    ///
    /// # Errors
    ///
    /// * [`LockError::UnsafeStore`]: keep locks elsewhere. Its message tells one race step by step.
    /// * [`LockError::Storage`], as its message advises; nothing was found out.
    /// * [`LockError::Config`] that names `rounds`: choose a number of 1 to 1,000. Others, and
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

    /// Races a store that has several endpoints, as [`race_store`](S3Lock::race_store) does with one:
    /// the eight writers are dealt out to `clients`, of which there may be 1 to 8, each with an endpoint
    /// of its own. The check before, and the reads and removals in between, are this lock's client's.
    ///
    /// Some stores decide conditions in one step on each node, and not across nodes. To race one
    /// through a balancer alone may not show that.
    ///
    /// # Errors
    ///
    /// As for [`race_store`](S3Lock::race_store); also [`LockError::Config`] that names `clients`, for
    /// fewer than 1 or more than 8.
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
        self.context()?.race_store(rounds, sessions)
    }
}
