//! Listing the locks of a folder.

use std::collections::HashSet;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::lock::S3Lock;
use crate::sys::logs;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::info::ListedLock;
use crate::types::names;

impl Client {
    /// Lists every lock in a folder with its status, in order of the keys. It sends one request for each
    /// 1,000 keys and one for each lock, one after another.
    ///
    /// An empty `folder` is the bucket's root. The list leaves out objects that are no locks of this crate,
    /// the locks' queues, the folders inside the folder, and locks that this version cannot use (with a
    /// warning in the log).
    ///
    /// Blocks for up to `request_timeout` for each request, and stops after 1,000 pages. Needs the permission
    /// `s3:ListBucket`.
    /// [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on top.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`] and [`LockError::Config`]: do as their messages advise. A list whose pages repeat,
    /// or that has more than 1,000 pages, is a [`LockError::Storage`].
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
        self.check_bucket(bucket)?;
        let session = self.session()?;
        let mut locks = Vec::new();
        let mut pages = Pages::default();
        loop {
            let limit = session.request_timeout();
            let after = pages.after.clone();
            let page = session.run(async {
                session.ready(Duration::MAX).await;
                session.store().list(bucket, &prefix, after, limit).await
            })?;
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
            // No lock can have this name, or the object is no lock.
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
}

/// The pages of a list, which must end whatever the store replies.
#[derive(Default)]
struct Pages {
    /// Where the next page begins.
    after: Option<String>,
    seen: HashSet<String>,
}

/// More pages than any folder of locks has: a million keys, 1,000 in each page.
const MAX_PAGES: usize = 1_000;

impl Pages {
    /// Goes on to the page that begins at `next`, unless the list would not end.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_too_many_pages_is_an_error() {
        let mut pages = Pages::default();
        let fails = |n: &usize| pages.go_on("b", n.to_string()).is_err();
        assert_eq!((1..MAX_PAGES * 2).find(fails), Some(MAX_PAGES));
    }
}
