//! Lets code find out which call of the user it runs for. `Session::run` starts each call here; the logs
//! keep their lines with the call.

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
    /// The number of the last failure that this call was told of.
    told: AtomicU64,
}

impl Call {
    fn began_by(&self, then: Instant) -> bool {
        self.began.at_least_since(then).is_zero()
    }
}

/// Runs `future` for a call that began at `began`. Its log lines are kept in `lines`.
pub(crate) fn within<F: Future>(
    began: Instant,
    lines: Arc<CallLines>,
    future: F,
) -> impl Future<Output = F::Output> {
    let told = AtomicU64::new(0);
    let call = Call { began, lines, told };
    CALL.scope(call, future)
}

/// Keeps a line until the call has left the runtime. Gives it back if no call is running here.
pub(crate) fn keep(line: Line) -> Result<(), Line> {
    let mut line = Some(line);
    let keep = |call: &Call| line.take().map_or((), |line| call.lines.keep(line));
    // An error leaves the line where it is.
    let _ = CALL.try_with(keep);
    line.map_or(Ok(()), Err)
}

/// Takes the lines kept so far, for another way of writing them.
pub(crate) fn kept() -> Vec<Line> {
    CALL.try_with(|call| call.lines.take()).unwrap_or_default()
}

/// Whether this call has not been told yet of failure `number`, which happened at `then`. Marks it as told.
/// A failure from before the call began is never news.
pub(crate) fn is_news(number: u64, then: Instant) -> bool {
    let is_news = |call: &Call| {
        call.began_by(then) && call.told.fetch_max(number, Ordering::Relaxed) < number
    };
    CALL.try_with(is_news).unwrap_or(false)
}

/// The same without marking it as told.
pub(crate) fn has_news(number: u64, then: Instant) -> bool {
    let has_news = |call: &Call| call.began_by(then) && call.told.load(Ordering::Relaxed) < number;
    CALL.try_with(has_news).unwrap_or(false)
}
