//! The client: one connection pool, one set of credentials, one private runtime.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::session::{Recipe, Session};
use crate::sys::per_process::{GENERATIONS, PerProcess};
use crate::sys::runtime;
use crate::types::errors::ConfigError;
use crate::types::request_counts::RequestCounts;

/// A connection to one store, shared by any number of locks.
///
/// A client owns the connections, the credentials and the private runtime of the blocking calls.
/// Clones are the same client. In a forked child it [starts afresh](crate#forking).
///
/// Acquires of one client that wait for one lock queue in order of arrival, and only the first of them
/// asks the store. A guard that gives the lock back hands it over to the next of them in one write.
/// Towards other clients they have one ticket in the lock's queue. So make one client and share it:
/// two in one process wait in line twice.
///
/// # Threads
///
/// A client has no threads, except
///
/// * up to 16 at once that resolve a host name while a connection is made, read the files of a profile
///   or of a token, or run the `credential_process` of a profile;
/// * one for the time of each call that is made inside an async runtime;
/// * one as long as guards are [kept alive](crate::LockGuard::keep_alive) or
///   [report their loss](crate::LockGuard::on_lost), with a short-lived one for each callback and, if the
///   program has a logger, one for log lines from the background.
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
    recipe: Recipe,
    /// Its session in each process of a line of forks.
    sessions: PerProcess<Session>,
}

/// The `request_timeout` unless it is set.
pub(crate) const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The `connect_timeout` unless it is set.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

impl Client {
    /// Counts the requests that this client and its clones have sent, and their outcomes: to watch what
    /// locks cost. A forked child counts its own. Sends nothing and does not block.
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
        let session = self.session();
        session.map_or_else(|_| RequestCounts::default(), |s| s.store().request_counts())
    }

    pub(crate) fn from_recipe(recipe: Recipe) -> Client {
        runtime::set_up();
        Client {
            inner: Arc::new(Inner {
                recipe,
                sessions: PerProcess::new(),
            }),
        }
    }

    /// Refuses a bucket that this client's store cannot have, as far as that is known without I/O.
    pub(crate) fn check_bucket(&self, bucket: &str) -> Result<(), ConfigError> {
        self.inner.recipe.origin.check_bucket(bucket)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.inner.recipe.request_timeout
    }

    /// This process's session. A forked child starts a new one.
    pub(crate) fn session(&self) -> Result<Session, ConfigError> {
        let Inner { recipe, sessions } = &*self.inner;
        recipe.origin.check()?;
        let own = sessions.own(|| Session::new(recipe));
        own.cloned().ok_or_else(|| {
            let message = format!(
                "this client is in use in {GENERATIONS} processes, each forked from the one before, and \
                 cannot be in one more: make a new client in this one"
            );
            ConfigError::new("client", message)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
