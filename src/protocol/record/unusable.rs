//! Why stored bytes are not a lock that this version can use, and what to do about it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::protocol::quote::shown;
use crate::protocol::record::done::{DoneLabels, NO_LABELS};
use crate::protocol::record::fields::MAX_UNKNOWN;
use crate::protocol::record::limits::{FORMAT, MAX_BODY, MAX_TOKEN};

/// Why stored bytes are not a lock that this version can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableRecord {
    /// What is wrong with them.
    pub reason: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Whether they are a lock all the same. Moving that away would break it.
    pub is_lock: bool,
}

pub(super) const NO_TOKEN: &str = "its fencing token is not a whole number below 2^53";
const NO_MARK: &str = "its mark of an earlier holding is not a whole number below 2^53";

/// If the object is deleted while a client has the lock, two hold it. The 3 s are for the clocks of
/// the store's nodes: without them a token may come twice.
const MEND: &str = "something other than this library has changed it: stop all participants, wait 3 s, \
                    delete the object or put the record right, and start them again";
const UPDATE: &str =
    "a newer version of this library seems to have written it: update this program";
const UPDATE_OR_MEND: &str = "a newer version of this library seems to have written it: update this \
                              program. If there is none, stop all participants, wait 3 s, delete the \
                              object, and start them again";

impl UnusableRecord {
    /// Another program's object.
    pub fn foreign(reason: impl Into<String>) -> UnusableRecord {
        UnusableRecord {
            reason: reason.into(),
            advice: "choose another lock name or move the object away, and check that the endpoint \
                     is an S3 store",
            is_lock: false,
        }
    }

    /// A lock with content that no version of this crate writes.
    pub(super) fn damaged(reason: impl Into<String>) -> UnusableRecord {
        UnusableRecord::lock(reason, MEND)
    }

    /// A lock that has reached the last fencing token, in the record that stands there or one
    /// before it. At a million acquires a second the tokens would last for 200 years, so something
    /// else has written it.
    pub(crate) fn tokens_exhausted() -> UnusableRecord {
        UnusableRecord::damaged(format!(
            "it has shown the fencing token {MAX_TOKEN}, and none below 2^53 is larger"
        ))
    }

    pub(super) fn newer(format: u32) -> UnusableRecord {
        let reason = format!("it has format {format}, and this version reads {FORMAT}");
        UnusableRecord::lock(reason, UPDATE)
    }

    pub(super) fn too_many_fields() -> UnusableRecord {
        let reason = format!(
            "it has fields that this version does not know, and more of them than the {MAX_UNKNOWN} \
             bytes that it keeps"
        );
        UnusableRecord::lock(reason, UPDATE_OR_MEND)
    }

    pub(super) fn too_long(body: &[u8]) -> UnusableRecord {
        let reason =
            format!("it is larger than {MAX_BODY} bytes, or would be when it is given back");
        match Shape::of(body) {
            Some(_) => UnusableRecord::lock(reason, UPDATE_OR_MEND),
            None => UnusableRecord::foreign(reason),
        }
    }

    pub(super) fn unparsable(body: &[u8], error: &serde_json::Error) -> UnusableRecord {
        let told = error.to_string();
        let about_names = ["missing field", "duplicate field"];
        let is_plain = !error.is_data() || about_names.iter().any(|start| told.starts_with(start));
        // In other cases the parser quotes the data, at any length, and the data belong to another
        // program.
        let why = if is_plain {
            shown(&told)
        } else {
            format!(
                "a lock holds something else at line {} column {}",
                error.line(),
                error.column()
            )
        };
        let reason = format!("it does not parse: {why}");
        match Shape::of(body) {
            Some(shape) => UnusableRecord::damaged(shape.fault().map_or(reason, str::to_owned)),
            None => UnusableRecord::foreign(reason),
        }
    }

    fn lock(reason: impl Into<String>, advice: &'static str) -> UnusableRecord {
        UnusableRecord {
            reason: reason.into(),
            advice,
            is_lock: true,
        }
    }
}

/// What tells a damaged lock from another program's object: no other program uses these names
/// together.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "format")]
    _format: IgnoredAny,
    #[serde(rename = "nonce")]
    _nonce: IgnoredAny,
    #[serde(rename = "lease_ms")]
    _lease_ms: IgnoredAny,
    #[serde(borrow)]
    fencing_token: &'a RawValue,
    #[serde(borrow)]
    broken: Option<&'a RawValue>,
    #[serde(borrow)]
    reclaimed: Option<&'a RawValue>,
    #[serde(borrow)]
    done: Option<&'a RawValue>,
}

impl Shape<'_> {
    fn of(body: &[u8]) -> Option<Shape<'_>> {
        serde_json::from_slice(body).ok()
    }

    fn fault(&self) -> Option<&'static str> {
        let is_token = |text: &RawValue| {
            let token = text.get().parse::<u64>();
            token.is_ok_and(|token| token <= MAX_TOKEN)
        };
        if !is_token(self.fencing_token) {
            return Some(NO_TOKEN);
        }
        let mut marks = self.broken.into_iter().chain(self.reclaimed);
        if marks.any(|mark| !is_token(mark)) {
            return Some(NO_MARK);
        }
        let is_list = |text: &RawValue| serde_json::from_str::<DoneLabels>(text.get()).is_ok();
        let done = self.done.filter(|done| !is_list(done));
        done.map(|_| NO_LABELS)
    }
}
