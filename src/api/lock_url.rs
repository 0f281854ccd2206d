//! Locks named by URLs.

use crate::api::lock::S3Lock;
use crate::api::lock_builder::S3LockBuilder;
use crate::types::errors::{ConfigError, LockError};
use crate::types::lock_url::{NamedLock, parse, write};

impl S3Lock {
    /// The lock that a URL names, `s3://bucket/folder/name`, with a new client from the environment and the
    /// default settings: [`builder_from_url`](S3Lock::builder_from_url) and
    /// [`build`](S3LockBuilder::build). Does no I/O and does not block.
    ///
    /// So [`max_operation`](S3LockBuilder::max_operation) is 60 s. It says how long the main operation may take.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] says what to write instead, or which environment variable is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::S3Lock;
    ///
    /// let lock = S3Lock::from_url("s3://my-bucket/locks/nightly-report")?;
    /// assert_eq!(lock.url(), "s3://my-bucket/locks/nightly-report");
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn from_url(url: impl AsRef<str>) -> Result<S3Lock, LockError> {
        S3Lock::builder_from_url(url)?.build()
    }

    /// Starts the settings of the lock that a URL names, `s3://bucket/folder/name`. The last segment is the name;
    /// what is between it and the bucket is the folder, and may be missing. Does no I/O and does not block.
    ///
    /// Percent-escapes are decoded (`%20`, in UTF-8). A `.lock` at the end is cut, so the URL of the lock's object
    /// names the lock as well. To name a lock whose own name ends with `.lock` or `.queue`, write its object.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to write instead: for another scheme, a user, port, query or fragment, a `/` at the
    /// end, a `%2F`, an empty segment, escapes that are none or not UTF-8, the key of a queue, and names that
    /// [`S3Lock::builder`] does not take.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder_from_url("s3://my-bucket/locks/nightly.lock")?
    ///     .max_operation(Duration::from_secs(20))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// assert_eq!(lock.acquire("host-17")?.info().key(), "locks/nightly.lock");
    ///
    /// let refused = S3Lock::builder_from_url("s3://my-bucket/locks/").unwrap_err();
    /// assert_eq!(refused.field(), "url");
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn builder_from_url(url: impl AsRef<str>) -> Result<S3LockBuilder, ConfigError> {
        let NamedLock {
            bucket,
            folder,
            name,
        } = parse(url.as_ref())?;
        Ok(S3Lock::builder(bucket, name).folder(folder))
    }

    /// The URL of this lock, which [`from_url`](S3Lock::from_url) understands. It has no spaces and nothing that a
    /// shell takes for its own. Local, no I/O.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "50 %").folder("locks").client(Client::in_memory());
    /// assert_eq!(lock.build()?.url(), "s3://my-bucket/locks/50%20%25");
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn url(&self) -> String {
        write(&self.context.location)
    }
}
