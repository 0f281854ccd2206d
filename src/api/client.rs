//! The client: one connection pool, one set of credentials, one private runtime.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::client_builder::ClientBuilder;
use crate::api::lock::S3Lock;
use crate::engine::session::{Recipe, Session};
use crate::store::memory::InMemoryStore;
use crate::sys::per_process::{GENERATIONS, Lineage};
use crate::sys::{logs, runtime};
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};
use crate::types::info::ListedLock;
use crate::types::names;
use crate::types::request_counts::RequestCounts;

/// A connection to one store, shared by any number of locks.
///
/// A client owns the connections, the credentials and the private runtime that blocking calls run
/// on. It has no threads, but for those that resolve a host name while a connection is made, read the
/// files of a profile or of a token, or run the `credential_process` of a profile (16 at once at the
/// most), one for the time of each call that is made inside an async
/// runtime, and one for as long as there are guards that are
/// [kept alive](crate::LockGuard::keep_alive) or whose loss
/// [is to be told](crate::LockGuard::on_lost), with a short-lived one for each callback and, where the
/// program has a logger, one for lines that come from the background.
/// Clones are the same client. In a forked child it [starts afresh](crate#forking).
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
    recipe: Recipe,
    /// What it has in each process of a line of forks.
    sessions: Lineage<Session>,
}

/// How long one request may take, unless the caller says otherwise.
pub(crate) const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to be made, unless the caller says otherwise.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

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
    /// Objects that are no locks of this crate are left out, and so are the folder's own folders, and
    /// locks that this version cannot use (these with a warning in the log).
    /// An empty `folder` is the bucket's root. Blocks for up to `request_timeout` for each of its
    /// requests, and ends after 1,000 pages. Needs the permission `s3:ListBucket`.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`] and [`LockError::Config`], as their messages advise; a list that goes in
    /// circles or has more pages than that is a [`LockError::Storage`].
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
        let prefix = names::prefix(bucket, folder)?;
        let session = self.session()?;
        let mut locks = Vec::new();
        let mut pages = Pages::default();
        loop {
            let limit = session.request_timeout();
            let page = session
                .store()
                .list(bucket, &prefix, pages.after.clone(), limit);
            let page = session.run(page)?;
            for key in &page.keys {
                locks.extend(self.listed(bucket, folder, &prefix, key)?);
            }
            match page.next {
                None => return Ok(locks),
                Some(next) => pages.go_on(bucket, next)?,
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
            Err(error @ LockError::Foreign { is_lock, .. }) => {
                if is_lock {
                    logs::warn!("left out of a list: {error}");
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// How many requests this client and its clones have sent since it was made, and how they went: to
    /// watch what locks cost. A forked child counts its own. Sends nothing and does not block.
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
                sessions: Lineage::new(),
            }),
        }
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.inner.recipe.request_timeout
    }

    /// What the client is in this process. In a forked child it starts afresh.
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

/// The pages of a list, which must come to an end whatever the store says.
#[derive(Default)]
struct Pages {
    /// Where the next page begins.
    after: Option<String>,
    seen: HashSet<String>,
}

/// More pages than any folder of locks has: of 1,000 keys each, a million in all.
const MAX_PAGES: usize = 1_000;

impl Pages {
    /// Goes on to the page that begins there, if that leads any further.
    fn go_on(&mut self, bucket: &str, next: String) -> Result<(), StorageError> {
        let what = if !self.seen.insert(next.clone()) {
            "one of its next pages is one that came before".to_owned()
        } else if self.seen.len() >= MAX_PAGES {
            format!("it has more than {MAX_PAGES} pages")
        } else {
            self.after = Some(next);
            return Ok(());
        };
        let what = format!("the list of bucket {bucket} does not come to an end: {what}");
        Err(StorageError::new(StorageErrorKind::Unexpected, what))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_not_without_number() {
        let mut pages = Pages::default();
        let fails = |n: &usize| pages.go_on("b", n.to_string()).is_err();
        assert_eq!((1..MAX_PAGES * 2).find(fails), Some(MAX_PAGES));
    }
}
