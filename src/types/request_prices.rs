//! The prices of requests, with which `RequestCounts::estimated_cost` computes what a client has cost.

/// What a store charges for 1,000 requests of each kind, in any currency.
///
/// # What a lock costs
///
/// At [AWS's prices](RequestPrices::S3_STANDARD_US_EAST_1) for S3 Standard in us-east-1:
///
/// * **An acquire and a release** cost 2 PUTs, and a GET as well if this client did not release the lock
///   last. A million of them cost $10.00, or $10.40 with the GET, and $10.80 where the queue is read as well:
///   where the record says that others wait, or another client released the lock or its holding expired in
///   the last 5 s. One program that takes the lock again and again sends one GET a second more: $1.04 a
///   month. Threads that hand the lock over pay one PUT for each turn. A row of hand-overs ends after 16 or
///   a second; that costs a PUT more, and at most once a second a GET.
/// * **Waiting** costs a GET for each look. A client looks again after an eighth of the time that it has watched
///   the holding, 100 ms to 2 s by default. A client that is alone looks every 9 s after a minute. So
///   behind one holding it looks at most 460 times in the first hour, for $0.0002, and 9,700 times a day,
///   for $0.004. One of several looks at most 1,830 times an hour, for $0.0007, and 43,300 times a day, for
///   $0.017. (This crate's tests count these.) The time that the answers take makes it a little less.
///   Threads that wait for one lock in one client share their looks. With another
///   [`poll_interval`](crate::S3LockBuilder::poll_interval) it is about 3600 s / maximum looks an hour behind
///   a long holding, and 3600 s / minimum at most.
/// * **A place in the queue** costs a GET and a PUT: $5.40 for a million. So does leaving it without the lock,
///   and up to eight times that where others write the queue at the same time.
/// * **Waiting [without the queue](crate::S3LockBuilder::without_queue)** costs more. Each pause is random,
///   between the minimum and three times the previous pause, and never above the maximum. By default it is
///   0.84 s on average. (This is the mean of its stationary distribution, computed, and simulated in this
///   crate's tests.) So such a client looks at most 4,300 times an hour, for $0.0017, and 103,000 times a
///   day, for $0.041.
/// * **Holding** costs nothing. **A renewal** costs a PUT. A lock that is kept alive is renewed every third of
///   its lease, which is `max_operation` plus `acquire_allowance`. That is 259,200 s / lease PUTs a day, for
///   $1.296 s / lease. With the default lease of 70 s it is 3,703 PUTs, for $0.0185. With a lease of an
///   hour it is 72, for $0.0004.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, RequestPrices};
///
/// // For 1,000 requests, in euros.
/// let prices = RequestPrices::per_thousand().reads(0.0004).writes(0.005).lists(0.005);
/// let client = Client::in_memory();
/// println!("{:.6} EUR so far", client.request_counts().estimated_cost(prices));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestPrices {
    reads: f64,
    writes: f64,
    lists: f64,
}

impl RequestPrices {
    /// US dollars for requests to S3 Standard in us-east-1: $0.005 for 1,000 PUTs or LISTs, $0.0004 for
    /// 1,000 GETs. As of November 2026. <https://aws.amazon.com/s3/pricing/> has current prices and those
    /// of other regions.
    pub const S3_STANDARD_US_EAST_1: RequestPrices = RequestPrices::per_thousand()
        .reads(0.000_4)
        .writes(0.005)
        .lists(0.005);

    /// All prices zero; set them with the methods below.
    pub const fn per_thousand() -> RequestPrices {
        RequestPrices {
            reads: 0.0,
            writes: 0.0,
            lists: 0.0,
        }
    }

    /// The price of 1,000 GETs.
    #[must_use]
    pub const fn reads(self, price: f64) -> RequestPrices {
        RequestPrices {
            reads: price,
            ..self
        }
    }

    /// The price of 1,000 PUTs.
    #[must_use]
    pub const fn writes(self, price: f64) -> RequestPrices {
        RequestPrices {
            writes: price,
            ..self
        }
    }

    /// The price of 1,000 LISTs, each for one page. Most stores charge as much for one as for a PUT.
    #[must_use]
    pub const fn lists(self, price: f64) -> RequestPrices {
        RequestPrices {
            lists: price,
            ..self
        }
    }

    pub(crate) fn cost(self, reads: u64, writes: u64, lists: u64) -> f64 {
        let thousands = |count: u64| count as f64 / 1_000.0;
        thousands(reads) * self.reads
            + thousands(writes) * self.writes
            + thousands(lists) * self.lists
    }
}
