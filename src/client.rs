//! The client: one connection pool, one set of credentials, one private runtime.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use crate::call;
use crate::checks;
use crate::client_builder::ClientBuilder;
use crate::clock::Clock;
use crate::error::{ConfigError, LockError, StorageError, StorageErrorKind};
use crate::held::Held;
use crate::info::ListedLock;
use crate::keep_alive::Background;
use crate::living::Registry;
use crate::local::Local;
use crate::lock::S3Lock;
use crate::protocol::Condition;
use crate::request_counts::RequestCounts;
use crate::runtime::Runtime;
use crate::store::memory::InMemoryStore;
use crate::store::{Location, Put, Store};
use crate::sync::lock;
use crate::vetting::Vetting;

/// A connection to one store, shared by any number of locks.
///
/// A client owns the connections, the credentials and the private runtime that blocking calls run
/// on. It has no threads, but for those that resolve a host name while a connection is made, read the
/// files of a profile or of a token, or run the `credential_process` of a profile (16 at once at the
/// most), one for the time of each call that is made inside an async
/// runtime, and one for as long as there are guards that are
/// [kept alive](crate::LockGuard::keep_alive) or whose loss
/// [is to be told](crate::LockGuard::on_lost).
/// Clones are the same client.
///
/// Locks of one client and key know of each other: they queue in order of arrival and only the
/// first of them asks the store. So make one client and share it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// # fn main() -> Result<(), s3_lock::LockError> {
/// let client = Client::builder()
///     .region("eu-central-1")
///     .request_timeout(Duration::from_secs(2))
///     .build()?;
/// let reports = S3Lock::builder("my-bucket", "reports").client(client.clone()).build()?;
/// let backups = S3Lock::builder("my-bucket", "backups").client(client).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    /// The process that made it.
    process: u32,
    store: Box<dyn Store>,
    clock: Clock,
    request_timeout: Duration,
    /// Whether the store has ever answered.
    heard: AtomicBool,
    /// What was found out about the stores behind its buckets.
    vetting: Vetting,
    /// Whether the store's `Date` was seen not to be its own clock's.
    date_distrusted: AtomicBool,
    /// Which holdings are alive in this process.
    registry: Registry,
    /// What this client knows of each lock it has touched.
    locals: Mutex<HashMap<Location, Arc<Local>>>,
    background: Background,
    // Last, so that connections are gone before what drives them.
    runtime: Runtime,
}

/// How long one request may take, unless the caller says otherwise.
pub(crate) const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to be made, unless the caller says otherwise.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Above this many locks, those that nobody uses are forgotten: that costs them one read each.
const MAX_IDLE_LOCALS: usize = 10_000;

impl Client {
    /// A client with region, endpoint and credentials from the environment; what is looked for
    /// where is told at [`ClientBuilder`].
    ///
    /// Does no I/O: credentials, and a region that only a profile names, are looked up at the
    /// first request.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] if an environment variable holds what cannot be a region or an
    /// endpoint: correct it.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::new()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn new() -> Result<Client, LockError> {
        Client::builder().build()
    }

    /// A client with settings of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("http://127.0.0.1:9000")
    ///     .credentials("key", "secret", None)
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A client of a new store in memory, for unit tests: short for
    /// `InMemoryStore::new().client()`. Each call makes a store of its own: for two clients of one
    /// store, see [`InMemoryStore`].
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("any-bucket", "test").client(Client::in_memory()).build()?;
    /// let _guard = lock.acquire("me")?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn in_memory() -> Client {
        InMemoryStore::new().client()
    }

    /// Every lock in a folder with its status, in order of their keys: one request for each 1,000
    /// keys and one for each lock, one after another.
    ///
    /// Objects that are no locks of this crate are left out, and so are the folder's own folders.
    /// An empty `folder` is the bucket's root. Blocks for up to `request_timeout` for each of its
    /// requests. Needs the permission `s3:ListBucket`.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`] and [`LockError::Config`], as their messages advise.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, LockStatus, S3Lock};
    ///
    /// let client = Client::in_memory();
    /// let lock = S3Lock::builder("my-bucket", "nightly").folder("locks").client(client.clone());
    /// let _guard = lock.build()?.acquire("host-17")?;
    /// for lock in client.list("my-bucket", "locks")? {
    ///     if let LockStatus::Held(info) = lock.status() {
    ///         println!("{}: {info}", lock.name());
    ///     }
    /// }
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn list(
        &self,
        bucket: impl AsRef<str>,
        folder: impl AsRef<str>,
    ) -> Result<Vec<ListedLock>, LockError> {
        let (bucket, folder) = (bucket.as_ref(), folder.as_ref());
        let prefix = checks::prefix(bucket, folder)?;
        let mut locks = Vec::new();
        let mut after = None;
        loop {
            let limit = self.request_timeout();
            let page = self.store().list(bucket, &prefix, after.clone(), limit);
            let page = self.run(page)?;
            for key in &page.keys {
                locks.extend(self.listed(bucket, folder, &prefix, key)?);
            }
            if page.next.is_some() && page.next == after {
                let what =
                    format!("the list of bucket {bucket} does not go on: its next page is itself");
                return Err(StorageError::new(StorageErrorKind::Unexpected, what).into());
            }
            after = page.next;
            if after.is_none() {
                return Ok(locks);
            }
        }
    }

    /// The lock at a key, if it is one of ours.
    fn listed(
        &self,
        bucket: &str,
        folder: &str,
        prefix: &str,
        key: &str,
    ) -> Result<Option<ListedLock>, LockError> {
        let name = key
            .strip_prefix(prefix)
            .and_then(|k| k.strip_suffix(".lock"));
        let Some(name) = name else {
            return Ok(None);
        };
        let lock = S3Lock::builder(bucket, name)
            .folder(folder)
            .client(self.clone());
        match lock.build().and_then(|lock| lock.status()) {
            Ok(status) => Ok(Some(ListedLock::new(name, status))),
            // A name that no lock can have, or an object that is none.
            Err(LockError::Config(e)) if e.field() == "name" => Ok(None),
            Err(LockError::Foreign { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many requests this client and its clones have sent since it was made, and how they went: to
    /// watch what locks cost. Sends nothing and does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, RequestPrices, S3Lock};
    ///
    /// let client = Client::in_memory();
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
    /// lock.acquire("host-17")?.release()?;
    /// let counts = client.request_counts();
    /// assert_eq!(counts.to_string(), "1 GET (1 refused), 2 PUT, 0 LIST");
    /// println!("${:.6}", counts.estimated_cost(RequestPrices::S3_STANDARD_US_EAST_1));
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn request_counts(&self) -> RequestCounts {
        self.store().request_counts()
    }

    /// A client of a store in this process, which stands for a process of its own.
    pub(crate) fn with_store(store: Box<dyn Store>, clock: Clock) -> Client {
        let registry = Registry::own();
        Client::from_parts(
            store,
            clock,
            DEFAULT_REQUEST_TIMEOUT,
            Vetting::default(),
            registry,
        )
    }

    pub(crate) fn with_timeout(
        store: Box<dyn Store>,
        clock: Clock,
        request_timeout: Duration,
        vetting: Vetting,
    ) -> Client {
        Client::from_parts(store, clock, request_timeout, vetting, Registry::shared())
    }

    fn from_parts(
        store: Box<dyn Store>,
        clock: Clock,
        request_timeout: Duration,
        vetting: Vetting,
        registry: Registry,
    ) -> Client {
        Client {
            inner: Arc::new(Inner {
                process: std::process::id(),
                store,
                clock,
                request_timeout,
                heard: AtomicBool::new(false),
                vetting,
                date_distrusted: AtomicBool::new(false),
                registry,
                locals: Mutex::default(),
                background: Background::default(),
                runtime: Runtime::default(),
            }),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.inner.store.as_ref()
    }

    /// Writes under a condition, whose ETag is sent in the form that the bucket's store was found to
    /// take, else as the store gave it.
    pub(crate) async fn write(
        &self,
        at: &Location,
        body: Vec<u8>,
        condition: &Condition,
        limit: Duration,
    ) -> Put {
        let form = self.vetting().etag_form(&at.bucket);
        let spelled = match (condition, form) {
            (Condition::Matches(etag), Some(form)) => Condition::Matches(form.spell(etag)),
            _ => condition.clone(),
        };
        self.store().write(at, body, &spelled, limit).await
    }

    pub(crate) fn vetting(&self) -> &Vetting {
        &self.inner.vetting
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.inner.request_timeout
    }

    pub(crate) fn registry(&self) -> Registry {
        self.inner.registry
    }

    /// Notes that the store has answered.
    pub(crate) fn heard(&self) {
        self.inner.heard.store(true, Ordering::Relaxed);
    }

    /// Whether the store has ever answered this client.
    pub(crate) fn was_heard(&self) -> bool {
        self.inner.heard.load(Ordering::Relaxed)
    }

    /// From now on, no record's age is told by the store's clock.
    pub(crate) fn distrust_date(&self, why: &str) {
        if !self.inner.date_distrusted.swap(true, Ordering::Relaxed) {
            log::warn!(
                "{why} (does a proxy stamp its own Date?): abandoned locks are now found by this \
                 machine's clock alone, which takes a whole lease"
            );
        }
    }

    /// Whether the store's clock may tell a record's age.
    pub(crate) fn trusts_date(&self) -> bool {
        !self.inner.date_distrusted.load(Ordering::Relaxed)
    }

    /// What this client knows of the lock at `location`.
    pub(crate) fn local(&self, location: &Location) -> Arc<Local> {
        let mut locals = lock(&self.inner.locals);
        if let Some(local) = locals.get(location) {
            return local.clone();
        }
        if locals.len() >= MAX_IDLE_LOCALS {
            locals.retain(|_, local| Arc::strong_count(local) > 1);
        }
        let local = Arc::<Local>::default();
        locals.insert(location.clone(), local.clone());
        local
    }

    /// Runs a call to its end on the caller's thread.
    pub(crate) fn run<T: Send>(
        &self,
        call: impl Future<Output = Result<T, LockError>> + Send,
    ) -> Result<T, LockError> {
        self.check_process()?;
        let call = call::within(self.clock().now(), call);
        self.inner.runtime.block_on(call).map_err(machine_error)?
    }

    /// Has this client's background thread look after a holding.
    pub(crate) fn look_after(&self, held: Arc<Held>) -> io::Result<()> {
        self.inner.background.look_after(held, |arrivals| {
            // The thread owns a reference, so that the runtime outlives every task on it.
            let inner = self.clone();
            let thread = thread::Builder::new().name("s3-lock-watch".to_owned());
            let thread = thread.spawn(move || {
                let Inner {
                    background,
                    runtime,
                    ..
                } = &*inner.inner;
                if let Err(error) = runtime.block_on(background.run(arrivals)) {
                    log::error!("locks are no longer looked after in the background: {error}");
                }
            });
            thread.map(drop)
        })
    }

    /// Whether this is a forked child's copy of its parent's client.
    fn is_inherited(&self) -> bool {
        std::process::id() != self.inner.process
    }

    /// Fails in a forked child, before any mutex is touched that may be locked there for ever.
    pub(crate) fn check_process(&self) -> Result<(), ConfigError> {
        match self.is_inherited() {
            false => Ok(()),
            true => Err(ConfigError::new(
                "client",
                "this client was made before the process forked, and its connections are the \
                 parent's: make a new client in the child",
            )),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_inherited() {
            // A reference that is never given back: to tear down what the parent still uses, the
            // event queue above all, would make the parent's next request hang.
            std::mem::forget(self.inner.clone());
        }
    }
}

/// This machine, not the store, would not do what a call needs.
pub(crate) fn machine_error(error: io::Error) -> LockError {
    let what = "this machine could not start what a request needs (a thread, a file descriptor)";
    let error = StorageError::new(StorageErrorKind::Local, what).with_source(error);
    LockError::Storage(error)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
