//! Which call of the user's a piece of code runs for.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Instant;

tokio::task_local! {
    static CALL: Call;
}

struct Call {
    began: Instant,
    /// The last failure that it has been told of.
    told: AtomicU64,
}

/// Runs `future` for a call that began at `began`.
pub(crate) async fn within<F: Future>(began: Instant, future: F) -> F::Output {
    let told = AtomicU64::new(0);
    CALL.scope(Call { began, told }, future).await
}

/// Whether this call is yet to be told of a failure, the `number`th, that was at `then`; from now on
/// it has been. What was before it began is none of its business.
pub(crate) fn is_news(number: u64, then: Instant) -> bool {
    let is_news = |call: &Call| {
        let began_before = call.began.at_least_since(then).is_zero();
        began_before && call.told.fetch_max(number, Ordering::Relaxed) < number
    };
    CALL.try_with(is_news).unwrap_or(false)
}
