//! Sends several writes under one condition so that the store handles them at the same moment, and judges
//! the answers: the store may carry out at most one. `pair` races two writers in a check; `rounds` races
//! eight.
//!
//! A store that compares and writes in two steps carries out more than one if the second write compares
//! before the first has written. To make that likely, each writer sends all but the last byte of its body
//! and waits there for the others. Then some writers send the last byte together. This catches stores that
//! compare once they have the whole body. The others send it only after one writer was answered. This
//! catches stores that compare once they have the headers.
//!
//! The proof holds even if others write and replies get lost. No two bodies are alike, so no ETag ever comes
//! back, and of all writes under one ETag only one can ever be carried out. The same holds for creates of a
//! key that no other process knows and nobody deletes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::engine::session::Session;
use crate::protocol::{Condition, Location, Refusal};
use crate::store::interface::Put;

/// How long all writers wait once they have reached the start. The network does not deliver their headers
/// at one moment, and the store needs time to look at them.
const LOOK: Duration = Duration::from_millis(5);

/// When a writer sends its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// As soon as all writers have reached the start.
    Together,
    /// After another writer was answered.
    AfterAnAnswer,
}

/// The start of a race, shared by its writers. Clones belong to the same race.
#[derive(Clone)]
pub(crate) struct Start {
    writers: usize,
    progress: Arc<watch::Sender<RaceProgress>>,
}

#[derive(Default)]
struct RaceProgress {
    /// How many writers have only the last byte left to send, or will never get that far.
    there: usize,
    answered: bool,
}

impl Start {
    /// The start of a race with this many writers.
    pub(crate) fn of(writers: usize) -> Start {
        Start {
            writers,
            progress: Arc::new(watch::Sender::default()),
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket {
            start: self.clone(),
            is_used: false,
        }
    }

    async fn wait_for(&self, is_so: impl FnMut(&RaceProgress) -> bool) {
        let mut progress = self.progress.subscribe();
        // It fails only if the sender is gone, and `self` has one.
        let _ = progress.wait_for(is_so).await;
    }

    fn note_answer(&self) {
        self.progress.send_modify(|p| p.answered = true);
    }
}

/// One writer's ticket for the start. If the writer does not get there, dropping the ticket lets the others
/// go on.
struct Ticket {
    start: Start,
    is_used: bool,
}

impl Ticket {
    fn is_there(&mut self) {
        if !self.is_used {
            self.is_used = true;
            self.start.progress.send_modify(|p| p.there += 1);
        }
    }

    /// Marks the writer as there, and returns when it may send the last byte, after at most `limit`.
    async fn go(mut self, departure: Departure, session: Session, limit: Duration) {
        self.is_there();
        let everybody = self.start.writers;
        let start = async {
            self.start.wait_for(|p| p.there >= everybody).await;
            session.clock().sleep(LOOK).await;
            if departure == Departure::AfterAnAnswer {
                self.start.wait_for(|p| p.answered).await;
            }
        };
        // After a timeout, the writer sends its last byte anyway.
        let _ = tokio::time::timeout(limit, start).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.is_there();
    }
}

/// What one writer sends.
pub(crate) struct WriterPlan {
    pub number: usize,
    pub body: Vec<u8>,
    pub departure: Departure,
}

/// The result of one writer.
#[derive(Debug)]
pub(crate) struct Run {
    pub number: usize,
    pub body: Vec<u8>,
    pub put: Put,
}

/// Runs one client's writers, each on its own connection. Returns when all are answered or `limit` has
/// passed. Sends the condition exactly as given.
pub(crate) async fn run_writers(
    session: &Session,
    at: &Location,
    condition: &Condition,
    plans: Vec<WriterPlan>,
    start: &Start,
    limit: Duration,
) -> Vec<Run> {
    let mut writers = JoinSet::new();
    for plan in plans {
        let (session, start) = (session.clone(), start.clone());
        let (at, condition) = (at.clone(), condition.clone());
        writers.spawn(async move { write(session, at, condition, plan, start, limit).await });
    }
    let mut runs = Vec::new();
    while let Some(run) = writers.join_next().await {
        // A writer that panicked, in a foreign logger, does not count.
        runs.extend(run.ok());
    }
    runs.sort_by_key(|run| run.number);
    runs
}

async fn write(
    session: Session,
    at: Location,
    condition: Condition,
    plan: WriterPlan,
    start: Start,
    limit: Duration,
) -> Run {
    let WriterPlan {
        number,
        body,
        departure,
    } = plan;
    // The other half of the time is for the answer.
    let go = start.ticket().go(departure, session.clone(), limit / 2);
    let put = session.write(&at, body.clone(), &condition, limit, Some(Box::pin(go)));
    let put = put.await;
    if !matches!(put, Put::NotSent(_)) {
        start.note_answer();
    }
    Run { number, body, put }
}

/// What a race showed.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// The store carried out one write and refused the others by the condition. The read shows that write.
    Decided,
    /// The store carried out more than one write under one condition; the numbers of the known ones.
    Refuted(Vec<usize>),
    /// Nothing: an answer is missing or inconclusive, or another process wrote.
    Open,
}

/// Judges a race by its answers and by the body that was read afterwards.
pub(crate) fn judge(runs: &[Run], writers: usize, found: Option<&[u8]>) -> Judgement {
    let mut done: Vec<_> = runs
        .iter()
        .filter(|run| matches!(run.put, Put::Applied { .. }))
        .map(|run| run.number)
        .collect();
    let standing = runs.iter().find(|run| Some(run.body.as_slice()) == found);
    let (winner, standing) = match (done.as_slice(), standing) {
        ([_, _, ..], _) => return Judgement::Refuted(done),
        ([winner], Some(standing)) => (*winner, standing.number),
        _ => return Judgement::Open,
    };
    if winner != standing {
        // The read shows it, so the store carried it out, whatever the answer was.
        done.push(standing);
        return Judgement::Refuted(done);
    }
    let refused = |run: &&Run| matches!(run.put, Put::Refused(Refusal::Condition, _));
    if runs.iter().filter(refused).count() + 1 == writers {
        Judgement::Decided
    } else {
        Judgement::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ETag;
    use crate::types::errors::{LockError, StorageError, StorageErrorKind};

    fn error() -> LockError {
        StorageError::new(StorageErrorKind::Contended, "no").into()
    }

    fn won() -> Put {
        Put::Applied {
            etag: ETag("e".to_owned()),
            date: None,
        }
    }

    fn lost() -> Put {
        Put::Refused(Refusal::Condition, error())
    }

    /// Writer 1 wrote "1", and so on.
    fn judged(puts: impl IntoIterator<Item = Put>, found: Option<&str>) -> Judgement {
        let runs: Vec<_> = puts
            .into_iter()
            .enumerate()
            .map(|(at, put)| Run {
                number: at + 1,
                body: (at + 1).to_string().into_bytes(),
                put,
            })
            .collect();
        judge(&runs, runs.len(), found.map(str::as_bytes))
    }

    fn is_open(puts: impl IntoIterator<Item = Put>, found: Option<&str>) {
        let judgement = judged(puts, found);
        assert!(matches!(judgement, Judgement::Open), "{judgement:?}");
    }

    fn is_refuted(puts: impl IntoIterator<Item = Put>, found: Option<&str>, by: &[usize]) {
        match judged(puts, found) {
            Judgement::Refuted(done) => assert_eq!(done, by),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_race_of_one_winner_that_stands_is_decided() {
        let judgement = judged([lost(), won(), lost()], Some("2"));
        assert!(matches!(judgement, Judgement::Decided), "{judgement:?}");
    }

    #[test]
    fn two_winners_refute_whatever_stands_and_whatever_the_others_were_told() {
        for found in [None, Some("1"), Some("somebody else's")] {
            is_refuted([won(), lost(), won()], found, &[1, 3]);
        }
        is_refuted([won(), Put::Unknown(error()), won()], Some("2"), &[1, 3]);
    }

    #[test]
    fn a_winner_that_another_writer_has_overwritten_refutes() {
        is_refuted([won(), lost(), lost()], Some("3"), &[1, 3]);
    }

    #[test]
    fn conflicts_busy_stores_errors_and_lost_answers_leave_a_race_open() {
        let puts: [fn() -> Put; 5] = [
            || Put::Refused(Refusal::Conflict, error()),
            || Put::Refused(Refusal::Busy, error()),
            || Put::Refused(Refusal::Denied, error()),
            || Put::Unknown(error()),
            || Put::NotSent(error()),
        ];
        for put in puts {
            is_open([won(), put(), lost()], Some("1"));
            is_open([put(), put(), lost()], Some("1"));
        }
    }

    #[test]
    fn a_foreign_writer_leaves_a_race_open() {
        is_open([won(), lost()], Some("somebody else's"));
        is_open([lost(), lost()], Some("somebody else's"));
        is_open([won(), lost()], None);
    }

    #[test]
    fn a_writer_without_a_result_leaves_a_race_open() {
        let run = Run {
            number: 1,
            body: b"1".to_vec(),
            put: won(),
        };
        let judgement = judge(&[run], 2, Some(b"1"));
        assert!(matches!(judgement, Judgement::Open), "{judgement:?}");
    }

    #[test]
    fn a_writer_that_never_gets_to_the_start_delays_nobody() {
        let start = Start::of(2);
        drop(start.ticket());
        let mut there = start.ticket();
        there.is_there();
        let everybody = start.progress.borrow().there;
        assert_eq!(everybody, 2);
    }
}
