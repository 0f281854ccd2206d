//! What a store charges for requests.

/// What a store charges for 1,000 requests of each kind, in whatever currency.
///
/// # What a lock costs
///
/// At [AWS's prices](RequestPrices::S3_STANDARD_US_EAST_1) for S3 Standard in us-east-1:
///
/// * **To acquire and release** is 2 PUTs, or 2 PUTs and a GET if this client did not release the lock
///   last: $10.00 or $10.40 for a million.
/// * **To wait** is a GET at each look. The pause before it is drawn from between the least of
///   [`poll_interval`](crate::S3LockBuilder::poll_interval) and three times the pause before, up to the
///   most; with the default of 100 ms to 2 s that is 0.84 s on average (of its stationary distribution,
///   computed, and simulated in this crate's tests). So a client looks at most 4,300 times an hour, for
///   $0.0017, and 103,000 times a day, for $0.041; the time that the answers take makes it a little less.
///   Threads that wait in one client for one lock look once for all of them. Between 3600 s / most and
///   3600 s / least is what it is in an hour with another `poll_interval`.
/// * **To hold** costs nothing. **To renew** is a PUT. At every third of the lease, which
///   `max_operation` and `acquire_allowance` make together, that is 259,200 s / lease a day: with the
///   default lease of 70 s 3,703 PUTs, for $0.0185 (in general $1.296 s / lease), and with a lease of an
///   hour 72, for $0.0004.
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
    /// 1,000 GETs. As of November 2026; <https://aws.amazon.com/s3/pricing/> has the prices of today and of
    /// other regions.
    pub const S3_STANDARD_US_EAST_1: RequestPrices = RequestPrices::per_thousand()
        .reads(0.000_4)
        .writes(0.005)
        .lists(0.005);

    /// Everything for nothing, until told otherwise.
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

    /// The price of 1,000 pages of a list; most stores ask as much for one as for a PUT.
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
