//! Which call of the user's a piece of code runs for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::Instant;
use crate::sys::log_line::{CallLines, Line};

tokio::task_local! {
    static CALL: Call;
}

struct Call {
    began: Instant,
    lines: Arc<CallLines>,
    /// The last failure that it has been told of.
    told: AtomicU64,
}

/// Runs `future` for a call that began at `began`. What it logs is kept in `lines`.
pub(crate) fn within<F: Future>(
    began: Instant,
    lines: Arc<CallLines>,
    future: F,
) -> impl Future<Output = F::Output> {
    let told = AtomicU64::new(0);
    let call = Call { began, lines, told };
    CALL.scope(call, future)
}

/// Keeps a line until the call has left the runtime; gives it back where this is no call.
pub(crate) fn keep(line: Line) -> Result<(), Line> {
    let mut line = Some(line);
    let keep = |call: &Call| line.take().map_or((), |line| call.lines.keep(line));
    // An error leaves the line where it is.
    let _ = CALL.try_with(keep);
    line.map_or(Ok(()), Err)
}

/// The lines that were kept so far, to be written otherwise.
pub(crate) fn kept() -> Vec<Line> {
    CALL.try_with(|call| call.lines.take()).unwrap_or_default()
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
