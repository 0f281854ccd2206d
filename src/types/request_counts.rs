//! How many requests a client has sent, by kind and outcome. `store/counters.rs` counts them;
//! `Client::request_counts` returns a snapshot.

use std::fmt;

use crate::types::request_prices::RequestPrices;

/// How many requests a client has sent to its store, by kind and outcome. Returned by
/// [`Client::request_counts`](crate::Client::request_counts).
///
/// Every HTTP request that was sent counts. That includes each look at a held lock, each read and write
/// of its queue, each retry, and the second request when S3 names another region for the bucket. A
/// request counts when it has ended, so those under way are not included yet.
///
/// Not counted are:
///
/// * requests that never left this machine, because no connection could be made;
/// * requests for credentials, which do not go to the store;
/// * DELETEs, which stores do not charge for. Only [`race_store`](crate::S3Lock::race_store) sends any.
///
/// A forked child's client starts at zero. A client of an [`InMemoryStore`](crate::InMemoryStore) counts
/// the requests that it would have sent.
///
/// # Examples
///
/// What one acquire and release costs:
///
/// ```
/// use s3_lock::{Client, RequestPrices, S3Lock};
///
/// let client = Client::in_memory();
/// let lock = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
/// drop(lock.acquire("host-17")?); // for the first time, it looks before it writes
///
/// let before = client.request_counts();
/// drop(lock.acquire("host-17")?);
/// let counts = client.request_counts().since(before);
/// assert_eq!(counts.reads().total(), 0);
/// assert_eq!(counts.writes().succeeded(), 2);
/// let dollars = counts.estimated_cost(RequestPrices::S3_STANDARD_US_EAST_1);
/// assert_eq!(format!("{dollars:.5}"), "0.00001");
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestCounts {
    reads: OutcomeCounts,
    writes: OutcomeCounts,
    lists: OutcomeCounts,
}

impl RequestCounts {
    pub(crate) fn new(
        reads: OutcomeCounts,
        writes: OutcomeCounts,
        lists: OutcomeCounts,
    ) -> RequestCounts {
        RequestCounts {
            reads,
            writes,
            lists,
        }
    }

    /// The GETs of objects.
    pub fn reads(&self) -> OutcomeCounts {
        self.reads
    }

    /// The PUTs.
    pub fn writes(&self) -> OutcomeCounts {
        self.writes
    }

    /// The LIST requests: one GET for each page of a bucket's list. Stores charge for them as for PUTs.
    pub fn lists(&self) -> OutcomeCounts {
        self.lists
    }

    /// All requests, of every kind and outcome.
    pub fn total(&self) -> u64 {
        self.reads.total() + self.writes.total() + self.lists.total()
    }

    /// What was counted after `earlier`, an older snapshot of the same client.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let client = Client::in_memory();
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// let before = client.request_counts();
    /// guard.renew()?;
    /// assert_eq!(client.request_counts().since(before).total(), 1);
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: RequestCounts) -> RequestCounts {
        RequestCounts {
            reads: self.reads.since(earlier.reads),
            writes: self.writes.since(earlier.writes),
            lists: self.lists.since(earlier.lists),
        }
    }

    /// What these requests cost at most, in the currency of `prices`. Storage and traffic are not
    /// included; for a lock they cost next to nothing.
    ///
    /// S3 charges for requests that succeeded and for those that it refused (4xx), but not for those that
    /// failed (5xx): see AWS's page [Billing for Amazon S3 error responses][billing]. The result is an
    /// upper bound for two reasons. Unanswered requests are included, and may not have arrived. And a few
    /// refusals are free, such as a redirect to another region.
    ///
    /// [billing]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ErrorCodeBilling.html
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, RequestPrices, S3Lock};
    ///
    /// let client = Client::in_memory();
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
    /// lock.status()?;
    /// let prices = RequestPrices::per_thousand().reads(0.5);
    /// assert_eq!(client.request_counts().estimated_cost(prices), 0.0005);
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn estimated_cost(&self, prices: RequestPrices) -> f64 {
        prices.cost(
            self.reads.charged(),
            self.writes.charged(),
            self.lists.charged(),
        )
    }
}

/// For logs: `2 GET (1 refused), 5 PUT (1 failed, 1 unanswered), 0 LIST`.
impl fmt::Display for RequestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |kind, counts: &OutcomeCounts| match counts.troubles() {
            None => format!("{} {kind}", counts.total()),
            Some(troubles) => format!("{} {kind} ({troubles})", counts.total()),
        };
        let (reads, writes) = (part("GET", &self.reads), part("PUT", &self.writes));
        write!(f, "{reads}, {writes}, {}", part("LIST", &self.lists))
    }
}

/// How many requests of one kind there were, by outcome. Part of [`RequestCounts`].
///
/// The outcome is that of the HTTP request, by its status code. It does not say what became of the lock:
/// a read of a lock that was never used is refused (404), and a client that loses a race is refused
/// (412).
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, S3Lock};
///
/// let client = Client::in_memory();
/// let lock = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
/// lock.status()?; // there is no such object yet
/// let reads = client.request_counts().reads();
/// assert_eq!((reads.succeeded(), reads.refused()), (0, 1));
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutcomeCounts {
    succeeded: u64,
    refused: u64,
    failed: u64,
    unanswered: u64,
}

impl OutcomeCounts {
    /// Counts in the order of [`succeeded`](Self::succeeded), `refused`, `failed`, `unanswered`.
    pub(crate) fn new([succeeded, refused, failed, unanswered]: [u64; 4]) -> OutcomeCounts {
        OutcomeCounts {
            succeeded,
            refused,
            failed,
            unanswered,
        }
    }

    /// All requests of this kind, of every outcome.
    pub fn total(&self) -> u64 {
        self.succeeded + self.refused + self.failed + self.unanswered
    }

    /// Answered with a status of 2xx.
    pub fn succeeded(&self) -> u64 {
        self.succeeded
    }

    /// Answered with 3xx or 4xx: the store refused the request. Reasons are no such object, a failed
    /// condition, a missing permission, another region, or (429) too many requests.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Answered with 5xx: the store failed, or (503) asked the client to slow down.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Sent, but no complete answer came in time. They may or may not have arrived.
    pub fn unanswered(&self) -> u64 {
        self.unanswered
    }

    fn since(self, earlier: OutcomeCounts) -> OutcomeCounts {
        OutcomeCounts {
            succeeded: self.succeeded.saturating_sub(earlier.succeeded),
            refused: self.refused.saturating_sub(earlier.refused),
            failed: self.failed.saturating_sub(earlier.failed),
            unanswered: self.unanswered.saturating_sub(earlier.unanswered),
        }
    }

    fn charged(self) -> u64 {
        self.succeeded + self.refused + self.unanswered
    }

    /// The numbers of requests that did not succeed, as text, if there are any.
    fn troubles(self) -> Option<String> {
        let counts = [
            (self.refused, "refused"),
            (self.failed, "failed"),
            (self.unanswered, "unanswered"),
        ];
        let troubles = counts.into_iter().filter(|(count, _)| *count > 0);
        let troubles: Vec<_> = troubles.map(|(n, how)| format!("{n} {how}")).collect();
        (!troubles.is_empty()).then(|| troubles.join(", "))
    }
}
