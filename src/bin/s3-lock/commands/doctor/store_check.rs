//! Whether the store honours conditional writes, and what may be asked of it after that.

use s3_lock::inspection::{Inspector, Place, Probed, Seen};
use s3_lock::{EtagForm, LockError, StorageErrorKind, StoreReport};

use crate::commands::doctor::permits::{Scratch, Trust, Where};
use crate::output::doctor::{ConditionalWrites, Finding, Status};

/// What the check of a store came to.
pub struct Checked {
    pub told: ConditionalWrites,
    pub trust: Trust,
    /// Whether it was seen to break conditions.
    pub is_unsafe: bool,
}

impl Checked {
    pub fn of(checked: &Result<StoreReport, LockError>, at: Where) -> Checked {
        match checked {
            Ok(report) => Checked {
                told: ConditionalWrites::honoured(report),
                trust: Trust::Proven,
                is_unsafe: false,
            },
            Err(error @ LockError::UnsafeStore(_)) => Checked {
                told: ConditionalWrites::untold(Finding::failed(error), Some(false)),
                trust: Trust::None,
                is_unsafe: true,
            },
            Err(error) => Checked {
                told: ConditionalWrites::untold(at.finding(error), None),
                trust: if at.is_aws { Trust::Aws } else { Trust::None },
                is_unsafe: false,
            },
        }
    }
}

impl Where {
    fn finding(self, error: &LockError) -> Finding {
        if self.is_needed {
            return Finding::failed(error);
        }
        let finding = Finding::of_error(Status::Warn, error);
        let why = if self.is_aws {
            "AWS honours them; not seen here"
        } else {
            "assumed, as you say; not seen here"
        };
        finding.about(why)
    }
}

impl ConditionalWrites {
    fn honoured(report: &StoreReport) -> ConditionalWrites {
        let (quotes, etag_form) = match report.etag_form() {
            Some(EtagForm::Unquoted) => ("without quotes", "unquoted"),
            _ => ("in quotes", "quoted"),
        };
        let races = match report.races() {
            0 => "no race was decided".to_owned(),
            1 => "1 race did not refute it".to_owned(),
            races => format!("{races} races did not refute it"),
        };
        ConditionalWrites {
            finding: Finding::ok(format!("honoured, with ETags {quotes}; {races}")),
            is_safe: Some(true),
            etag_form: Some(etag_form),
            races: Some(report.races()),
            uses_store_clock: Some(report.uses_store_clock()),
        }
    }

    pub fn untold(finding: Finding, is_safe: Option<bool>) -> ConditionalWrites {
        ConditionalWrites {
            finding,
            is_safe,
            etag_form: None,
            races: None,
            uses_store_clock: None,
        }
    }
}

/// What is permitted with the scratch object, by itself. A check that was done or that found a breach has read and
/// written it.
pub fn scratch(
    inspector: &Inspector,
    checked: &Result<StoreReport, LockError>,
    at: Where,
) -> Result<Scratch, LockError> {
    let read = inspector.look(Place::Scratch).seen;
    let write = match checked {
        Ok(_) | Err(LockError::UnsafeStore(_)) => Some(Probed::Refused),
        Err(LockError::Storage(error)) if error.kind() == StorageErrorKind::AccessDenied => {
            Some(inspector.create_scratch()?)
        }
        Err(_) => None,
    };
    // It may have been absent, and hidden for that reason.
    let is_new = matches!(
        (&read, &write),
        (Ok(Seen::Hidden(_)), Some(Probed::Refused))
    );
    let read = if is_new {
        inspector.look(Place::Scratch).seen
    } else {
        read
    };
    Ok(Scratch {
        read,
        write,
        is_needed: at.is_needed,
    })
}
