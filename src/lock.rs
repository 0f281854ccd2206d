//! One named lock: taking it, looking at it, releasing it by name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::builder::S3LockBuilder;
use crate::checks::check_owner;
use crate::client::Client;
use crate::drive::Outcome;
use crate::error::{ConfigError, LockError};
use crate::guard::LockGuard;
use crate::info::{LockInfo, LockStatus};
use crate::lock_core::{Core, Settings};
use crate::logs;
use crate::protocol::{Free, Loss, Sight};
use crate::session::Session;
use crate::store::Location;
use crate::store_report::StoreReport;

/// A named lock in a bucket.
///
/// Making one does no I/O and takes nothing; [`acquire`](S3Lock::acquire) does. Clones are the
/// same lock and share its client. All handles to one lock that share a client queue in order of
/// arrival; between clients there is no order.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// fn report(lock: &S3Lock) -> Result<(), s3_lock::LockError> {
///     let _guard = lock.acquire("host-17")?;
///     // ... main operation: nobody else is at it ...
///     Ok(())
/// } // released here
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .folder("locks")
///     .max_operation(Duration::from_secs(120))
///     .client(Client::in_memory())
///     .build()?;
/// report(&lock)?;
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone)]
pub struct S3Lock {
    client: Client,
    /// What it is in the process that built it.
    pub(crate) core: Arc<Core>,
}

/// How many requests an attempt that does not wait is given time for.
const TRY_REQUESTS: u32 = 4;

impl S3Lock {
    /// The lock `name` in `folder` of `bucket`, for main operations that take up to
    /// `max_operation`, with a client of its own from the environment (see [`Client::new`]).
    ///
    /// Does no I/O. An empty `folder` is the bucket's root.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the argument or environment variable that cannot work: correct
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::S3Lock;
    ///
    /// let lock = S3Lock::new("my-bucket", "locks", "nightly-report", Duration::from_secs(120))?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn new(
        bucket: impl Into<String>,
        folder: impl Into<String>,
        name: impl Into<String>,
        max_operation: Duration,
    ) -> Result<S3Lock, LockError> {
        S3Lock::builder(bucket, name)
            .folder(folder)
            .max_operation(max_operation)
            .build()
    }

    /// A lock with settings of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly-report")
    ///     .folder("locks")
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn builder(bucket: impl Into<String>, name: impl Into<String>) -> S3LockBuilder {
        S3LockBuilder::new(bucket.into(), name.into())
    }

    pub(crate) fn from_parts(
        client: Client,
        session: Session,
        location: Location,
        settings: Settings,
    ) -> S3Lock {
        S3Lock {
            client,
            core: Arc::new(Core::new(session, location, settings)),
        }
    }

    /// What it is in this process.
    fn core(&self) -> Result<Arc<Core>, ConfigError> {
        let core = &self.core;
        if !core.client.is_inherited() {
            return Ok(core.clone());
        }
        let (location, settings) = (core.location.clone(), core.settings.clone());
        let session = self.client.session()?;
        Ok(Arc::new(Core::new(session, location, settings)))
    }

    /// Takes the lock, waiting for it if somebody else has it.
    ///
    /// `owner` is for people and for [`release`](S3Lock::release): up to 512 bytes of any text
    /// without control characters.
    ///
    /// Blocks up to the [`wait_limit`](S3LockBuilder::wait_limit), and 2 × `request_timeout` more
    /// if an attempt has then to be undone. Uncontended it sends one request if this client
    /// released the lock last, else two. A client with an endpoint of its own checks the store before
    /// its first acquire in a bucket ([`check_store`](S3Lock::check_store)), which counts within the
    /// limit.
    ///
    /// Trouble with the store is waited out within the limit, with one exception: if no store has
    /// ever answered this client and no connection can be made, it fails at once, as a wrong
    /// endpoint is likelier than an outage.
    ///
    /// A thread that has the lock and acquires it again waits like anybody else: for its own first
    /// lease to run out.
    ///
    /// # Errors
    ///
    /// * [`LockError::TimedOut`]: somebody has it still, or the limit was too short for a request.
    ///   Wait longer, or ask the holder that it names.
    /// * [`LockError::TooSlow`]: raise `acquire_allowance`, or find out why the store is slow.
    /// * [`LockError::Storage`]: as its message advises. If its outcome is unknown, the lock may
    ///   be held in this owner's name until the lease has run out.
    /// * [`LockError::UnsafeStore`]: the store would break the lock. Keep locks elsewhere.
    /// * [`LockError::Foreign`]: choose another name.
    /// * [`LockError::Config`]: correct the owner, the settings or the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let _guard = lock.acquire("host-17")?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    ///
    /// Bind the guard to a name: `let _ = lock.acquire(..)?` releases the lock at once.
    pub fn acquire(&self, owner: impl AsRef<str>) -> Result<LockGuard, LockError> {
        self.wait_for(owner.as_ref(), self.core.settings.wait_limit)
    }

    /// Takes the lock, waiting for it no longer than `limit`.
    ///
    /// Blocks up to `limit`, its requests included, and 2 × `request_timeout` more if an attempt
    /// has then to be undone. A limit shorter than a request cannot succeed: use
    /// [`try_acquire`](S3Lock::try_acquire).
    ///
    /// # Errors
    ///
    /// As for [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use std::time::Duration;
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let _guard = lock.acquire("host-17")?;
    /// match lock.acquire_within("host-18", Duration::from_millis(50)) {
    ///     Err(LockError::TimedOut { holder: Some(holder), .. }) => println!("{holder}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn acquire_within(
        &self,
        owner: impl AsRef<str>,
        limit: Duration,
    ) -> Result<LockGuard, LockError> {
        self.wait_for(owner.as_ref(), Some(limit))
    }

    /// Takes the lock if it is free, in one attempt that never sleeps and does not queue.
    ///
    /// Blocks for a request or two; while the store does not answer, for up to 4 ×
    /// `request_timeout`, and 2 × more if an attempt has then to be undone. If a guard of the same
    /// client holds the lock, no request is sent.
    ///
    /// The first time at an endpoint of its own, the client [checks the store](S3Lock::check_store)
    /// before that, or waits for another thread that does: that may sleep, and takes up to 6 ×
    /// `request_timeout` more.
    ///
    /// # Errors
    ///
    /// * [`LockError::Held`]: somebody has it. Try later, or wait with
    ///   [`acquire`](S3Lock::acquire).
    /// * All others as for [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// match lock.try_acquire("host-17") {
    ///     Ok(_guard) => println!("my turn"),
    ///     Err(LockError::Held(holder)) => println!("skipping this run: {holder}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn try_acquire(&self, owner: impl AsRef<str>) -> Result<LockGuard, LockError> {
        check_owner(owner.as_ref())?;
        let core = self.core()?;
        if let Some(info) = core.local_holder() {
            return Err(LockError::Held(Box::new(info)));
        }
        let mut limits = core.limits(TRY_REQUESTS * core.client.request_timeout());
        limits.waits = false;
        let start = core.client.clock().now();
        core.client.run(core.take(owner.as_ref(), limits, start))
    }

    fn wait_for(&self, owner: &str, limit: Option<Duration>) -> Result<LockGuard, LockError> {
        check_owner(owner)?;
        let core = self.core()?;
        let mut limits = core.limits(limit.unwrap_or(2 * core.settings.lease));
        if limit.is_none() {
            limits.beyond_expiry = Some(2 * core.client.request_timeout());
        }
        core.client.run(async {
            let start = core.client.clock().now();
            let clock = core.client.clock();
            let place = core.local.queue();
            if let Some(holder) = core.local_holder() {
                logs::info!("waiting: {holder}");
                logs::flush();
            }
            if let Err(held) = place.turn(clock, &core.patience(), &mut limits).await {
                let holder = held.map(|known| core.info(known.record, known.free_in));
                return Err(core.timed_out(start, holder));
            }
            core.take(owner, limits, start).await
        })
    }

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
        let core = self.core()?;
        core.client.run(core.check_store())
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
        let clients = std::slice::from_ref(&self.client);
        self.core()?.race_store(rounds, clients)
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
        self.core()?.race_store(rounds, clients)
    }

    /// Looks at the lock: one request.
    ///
    /// What it says may have changed by the time you read it; only a guard is certain. Blocks up
    /// to `request_timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`], [`LockError::Foreign`] and [`LockError::Config`], as for
    /// [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use s3_lock::LockStatus;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// match lock.status()? {
    ///     LockStatus::Free => println!("free"),
    ///     LockStatus::Held(info) => println!("{info}"),
    ///     LockStatus::Expired(info) => println!("abandoned by {}", info.owner()),
    ///     _ => unreachable!("no other status in this version"),
    /// }
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn status(&self) -> Result<LockStatus, LockError> {
        let core = self.core()?;
        core.client.run(async {
            let Outcome { end, errors, .. } = core.look(core.client.request_timeout()).await?;
            match end {
                Some(Sight::Present(seen)) if seen.record.is_held() => {
                    let info = core.describe(&seen);
                    Ok(match info.remaining().is_zero() {
                        true => LockStatus::Expired(info),
                        false => LockStatus::Held(info),
                    })
                }
                Some(Sight::Present(_) | Sight::Absent { .. }) => Ok(LockStatus::Free),
                Some(Sight::Hidden { .. } | Sight::Foreign) | None => Err(core.failed(errors)),
            }
        })
    }

    /// Releases the lock if `owner` holds it: for code that acquires in one place or process and
    /// releases in another. Two requests, or one if there is nothing to release. Says whether this call released it.
    ///
    /// A lock that is free, or held under another name, is left as it is. Where two participants
    /// use the same owner name, each can release the other's lock: make them unique. A guard that
    /// had the lock is lost by it: one of the same client at once, any other when it next asks the
    /// store ([`LockGuard::verify`], [`LockGuard::renew`]).
    ///
    /// Blocks up to 2 × `request_timeout`. A client at an endpoint of its own that has not asked yet
    /// [checks the store](S3Lock::check_store) before that, once for each bucket, which takes up to 6 ×
    /// `request_timeout` more and its permissions.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`], [`LockError::UnsafeStore`], [`LockError::Foreign`] and
    /// [`LockError::Config`], as for [`acquire`](S3Lock::acquire). If the outcome is unknown, look with
    /// [`status`](S3Lock::status), or call again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// lock.acquire("deploy-4711")?.detach();
    /// // ... later, elsewhere ...
    /// assert!(!lock.release("deploy-4712")?);
    /// assert!(lock.release("deploy-4711")?);
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn release(&self, owner: impl AsRef<str>) -> Result<bool, LockError> {
        check_owner(owner.as_ref())?;
        let free = Free::by_name(owner.as_ref().to_owned());
        let core = self.core()?;
        core.client.run(core.free(free, Loss::Vanished))
    }

    /// Breaks a lock that somebody else holds, for an operator who knows better: the holder is dead
    /// or stuck, and there is no time to wait for its lease to run out. Two requests.
    ///
    /// It ends exactly the holding that `seen` describes, by owner and fencing token, whether that
    /// was renewed in between or has expired, and no other. `seen` comes from
    /// [`status`](S3Lock::status), [`Client::list`], or an error that names the holder.
    /// `Ok(true)`: this call ended it. `Ok(false)`: it was over already. The next holding's fencing
    /// token is larger, as always.
    ///
    /// **This ends the exclusion: whoever acquires the lock next is not alone until the old holder
    /// asks the store ([`LockGuard::verify`], [`LockGuard::renew`]) or its deadline passes.**
    /// [`LockGuard::check`] and [`LockGuard::is_held`] send nothing, and know nothing of it before.
    /// So make sure first that the old holder has stopped, or that what it writes to refuses smaller
    /// fencing tokens. It then learns [`LostCause::Broken`](crate::LostCause::Broken); a guard of
    /// this same client learns it at once.
    ///
    /// Blocks up to 2 × `request_timeout`. A client at an endpoint of its own that has not asked yet
    /// [checks the store](S3Lock::check_store) before that, once for each bucket, which takes up to 6 ×
    /// `request_timeout` more and its permissions.
    ///
    /// # Errors
    ///
    /// * [`LockError::Config`] that names `seen`: it describes another lock; nothing was sent. Call
    ///   this on the lock that it describes. All others as for [`acquire`](S3Lock::acquire).
    /// * [`LockError::Storage`]: as its message advises. If the outcome is unknown, look with
    ///   [`status`](S3Lock::status), or call again with the same `seen`.
    /// * [`LockError::Foreign`]: there is no lock to break.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{InMemoryStore, LockError, LockStatus, LostCause, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let lock_of = |client| S3Lock::builder("my-bucket", "nightly").client(client).build();
    /// let stuck = lock_of(store.client())?.acquire("host-17")?;
    ///
    /// // The operator, elsewhere: looks, makes sure that it is stuck, and breaks what was seen.
    /// let lock = lock_of(store.client())?;
    /// if let LockStatus::Held(seen) = lock.status()? {
    ///     println!("breaking: {seen}");
    ///     assert!(lock.force_release(&seen)?);
    /// }
    /// let next = lock.try_acquire("host-18")?;
    /// assert!(next.fencing_token() > stuck.fencing_token());
    ///
    /// assert!(stuck.is_held()); // it does not know yet ...
    /// match stuck.verify() {
    ///     Err(LockError::Lost(LostCause::Broken)) => {} // ... until it asks
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn force_release(&self, seen: &LockInfo) -> Result<bool, LockError> {
        let core = self.core()?;
        if *seen.location() != core.location {
            let (there, here) = (seen.location(), &core.location);
            let reason = format!(
                "it is of bucket {}, and this lock is {} of bucket {}",
                there.bucket, here.key, here.bucket
            );
            return Err(ConfigError::invalid("seen", &there.key, &reason).into());
        }
        let free = Free::by_force(seen.owner().to_owned(), seen.fencing_token().get());
        core.client.run(core.free(free, Loss::Broken))
    }
}

impl fmt::Debug for S3Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Lock")
            .field("bucket", &self.core.location.bucket)
            .field("key", &self.core.location.key)
            .field("settings", &self.core.settings)
            .finish_non_exhaustive()
    }
}
