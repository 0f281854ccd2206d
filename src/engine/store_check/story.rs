//! Describes a race that refutes a store, step by step, for the text of a `StoreReport`.

use crate::engine::store_check::race::Run;
use crate::protocol::ETag;
use crate::protocol::quote::shown;
use crate::store::interface::Put;

/// The story of a race for `key` that more than one writer won. The writes replaced the ETag `over`, or were
/// creates without one. `done` has the numbers of the writers whose writes were carried out.
pub(crate) fn story(key: &str, over: Option<&ETag>, runs: &[Run], done: &[usize]) -> String {
    let writers = runs.len();
    let (stood, sent) = match over {
        Some(ETag(etag)) => {
            let etag = shown(etag);
            (
                format!("{key} had the ETag {etag}"),
                format!("If-Match: {etag}"),
            )
        }
        None => (
            format!("{key} did not exist"),
            "If-None-Match: *".to_owned(),
        ),
    };
    let told = |run: &Run| format!("writer {} was answered {}", run.number, told(&run.put));
    let told: Vec<_> = runs
        .iter()
        .filter(|run| done.contains(&run.number))
        .map(told)
        .collect();
    let mut steps = format!(
        "(1) {stood}; (2) {writers} writers sent a PUT with {sent} at the same moment; (3) {}",
        told.join(", ")
    );
    let is_told = |run: &Run| matches!(run.put, Put::Applied { .. });
    let mut silent = runs
        .iter()
        .filter(|r| done.contains(&r.number) && !is_told(r));
    if let Some(run) = silent.next() {
        steps += &format!(
            "; (4) a GET then showed what writer {} had written",
            run.number
        );
    }
    steps
}

/// The answer that a writer got.
fn told(put: &Put) -> String {
    match put {
        Put::Applied {
            etag: ETag(etag), ..
        } => format!("200 with ETag {}", shown(etag)),
        Put::Refused(_, error) | Put::NotSent(error) | Put::Unknown(error) => error.to_string(),
    }
}
