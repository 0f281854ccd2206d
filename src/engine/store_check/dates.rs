//! The part of a check that finds out whether the store's `Date` can tell how old an object is.
//!
//! A takeover compares `Date` and `Last-Modified` of one reply to a GET. So the check compares these two, in
//! the reply to a GET and for a PUT as well: a proxy may stamp its own `Date` on only one of them.

use crate::engine::store_check::attempt::{Answer, Stop, StoreCheck, Tried, Version};
use crate::protocol::{PauseReason, StoreSeconds};
use crate::types::store_report::EtagForm;

/// How many comparisons may fail before the verdict. A slow store may write just before a second ends and
/// reply just after.
const TRIES: u32 = 5;

/// What a comparison of a reply's `Date` with the object's `Last-Modified` shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dates {
    Fit,
    /// `Date` is later.
    Differ,
    Missing,
    /// Another checker wrote between the write and the read, or the reply was lost.
    Untold,
}

impl Dates {
    fn of(date: Option<StoreSeconds>, modified: Option<StoreSeconds>) -> Dates {
        match (date, modified) {
            // No tolerance of a second: a takeover's margin would have to cover it.
            (Some(date), Some(modified)) if date <= modified => Dates::Fit,
            (Some(_), Some(_)) => Dates::Differ,
            _ => Dates::Missing,
        }
    }

    fn of_write(tried: &Tried) -> Dates {
        match &tried.answer {
            Answer::Applied { date, .. } if tried.is_in_place() => {
                Dates::of(*date, tried.after.modified)
            }
            // A retry would not bring a better answer.
            Answer::Nonsense(_) if tried.is_in_place() => Dates::Missing,
            _ => Dates::Untold,
        }
    }

    fn of_read(tried: &Tried) -> Dates {
        let Version { date, modified, .. } = &tried.after;
        if tried.is_in_place() {
            Dates::of(*date, *modified)
        } else {
            Dates::Untold
        }
    }
}

impl StoreCheck<'_> {
    /// Whether the store's `Date` and `Last-Modified` come from one clock. Starts with a write that was
    /// already made. `now` is the object as last seen.
    pub(super) async fn dates_fit(
        &mut self,
        form: EtagForm,
        mut tried: Tried,
        mut now: Version,
    ) -> Result<bool, Stop> {
        let (mut write_fits, mut read_fits) = (false, false);
        let mut tries = 0;
        loop {
            let dates = [Dates::of_write(&tried), Dates::of_read(&tried)];
            if !self.session.trusts_date() || dates.contains(&Dates::Missing) {
                return Ok(false);
            }
            write_fits |= dates[0] == Dates::Fit;
            read_fits |= dates[1] == Dates::Fit;
            if write_fits && read_fits {
                return Ok(true);
            }
            if dates.contains(&Dates::Untold) {
                // This does not count as a try.
                self.pause(PauseReason::Contended).await?;
                now = self.version().await?;
            } else {
                tries += 1;
            }
            if tries == TRIES {
                return Ok(false);
            }
            tried = self.replace(form, now).await?;
            now = tried.after.clone();
        }
    }
}
