//! Counts the requests that a store sends, by kind and outcome.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::types::request_counts::{OutcomeCounts, RequestCounts};

/// The kind of a request. Each kind has a price of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Read,
    Write,
    List,
}

/// How a request ended, in the order of [`OutcomeCounts::new`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestOutcome {
    Succeeded,
    Refused,
    Failed,
    Unanswered,
}

impl RequestOutcome {
    pub(crate) fn of_status(status: u16) -> RequestOutcome {
        match status {
            200..300 => RequestOutcome::Succeeded,
            300..500 => RequestOutcome::Refused,
            _ => RequestOutcome::Failed,
        }
    }
}

/// A client's counters, by kind and outcome. Each number is exact, but a snapshot may read two of them at
/// different moments. So relaxed ordering is enough.
#[derive(Debug, Default)]
pub(crate) struct Counters([[AtomicU64; 4]; 3]);

impl Counters {
    pub(crate) fn count(&self, kind: Kind, outcome: RequestOutcome) {
        let counter = &self.0[kind as usize][outcome as usize];
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a request is about to be sent.
    pub(crate) fn sending(&self, kind: Kind) -> Sending<'_> {
        Sending {
            counters: self,
            kind,
            outcome: Some(RequestOutcome::Unanswered),
        }
    }

    pub(crate) fn snapshot(&self) -> RequestCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let of = |kind: Kind| {
            let counters = self.0[kind as usize].each_ref();
            OutcomeCounts::new(counters.map(load))
        };
        RequestCounts::new(of(Kind::Read), of(Kind::Write), of(Kind::List))
    }
}

/// A request under way. Dropping this counts the request. One that its caller abandons half way counts
/// as unanswered.
pub(crate) struct Sending<'a> {
    counters: &'a Counters,
    kind: Kind,
    outcome: Option<RequestOutcome>,
}

impl Sending<'_> {
    /// Counts the request; `None` means that it was never sent.
    pub(crate) fn ended(mut self, outcome: Option<RequestOutcome>) {
        self.outcome = outcome;
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            self.counters.count(self.kind, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::request_prices::RequestPrices;

    fn counts(counted: &[(Kind, RequestOutcome)]) -> RequestCounts {
        let counters = Counters::default();
        for &(kind, outcome) in counted {
            counters.count(kind, outcome);
        }
        counters.snapshot()
    }

    /// One of each outcome.
    fn one_each(kind: Kind) -> RequestCounts {
        use RequestOutcome::{Failed, Refused, Succeeded, Unanswered};
        counts(&[Succeeded, Refused, Failed, Unanswered].map(|outcome| (kind, outcome)))
    }

    #[test]
    fn a_status_tells_the_outcome() {
        let outcome = |status| format!("{:?}", RequestOutcome::of_status(status));
        for (status, expected) in [
            (200, "Succeeded"),
            (204, "Succeeded"),
            (301, "Refused"),
            (404, "Refused"),
            (412, "Refused"),
            (429, "Refused"),
            (500, "Failed"),
            (503, "Failed"),
        ] {
            assert_eq!(outcome(status), expected, "{status}");
        }
    }

    #[test]
    fn a_request_given_up_half_way_is_unanswered() {
        let counters = Counters::default();
        drop(counters.sending(Kind::Write));
        assert_eq!(counters.snapshot().writes().unanswered(), 1);
    }

    #[test]
    fn a_request_that_was_not_sent_does_not_count() {
        let counters = Counters::default();
        counters.sending(Kind::Write).ended(None);
        assert_eq!(counters.snapshot().total(), 0);
    }

    #[test]
    fn all_but_failed_requests_are_charged_for() {
        let prices = RequestPrices::per_thousand()
            .reads(1.0)
            .writes(10.0)
            .lists(100.0);
        let cost = |kind| one_each(kind).estimated_cost(prices);
        assert_eq!(cost(Kind::Read), 0.003);
        assert_eq!(cost(Kind::Write), 0.03);
        assert_eq!(cost(Kind::List), 0.3);
    }

    #[test]
    fn snapshots_in_the_wrong_order_differ_by_nothing() {
        let (earlier, later) = (counts(&[]), one_each(Kind::Read));
        assert_eq!(earlier.since(later), counts(&[]));
        assert_eq!(later.since(earlier), later);
    }

    #[test]
    fn counts_are_shown_with_what_did_not_go_well() {
        let counted = [
            (Kind::Read, RequestOutcome::Succeeded),
            (Kind::Write, RequestOutcome::Succeeded),
            (Kind::Write, RequestOutcome::Failed),
            (Kind::Write, RequestOutcome::Unanswered),
            (Kind::Write, RequestOutcome::Unanswered),
        ];
        let shown = counts(&counted).to_string();
        assert_eq!(shown, "1 GET, 4 PUT (1 failed, 2 unanswered), 0 LIST");
    }
}
