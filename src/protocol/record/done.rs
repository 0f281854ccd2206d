//! The labels that are done: each names work that a holding has completed, so that no other holding does it
//! again. Every write of the record carries them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::record::limits::{MAX_DONE, MAX_LABEL, MAX_OWNER};
use crate::protocol::record::stamp::Stamp;

pub(super) const NO_LABELS: &str =
    "its list of labels done has something that this library does not write";

/// The last labels that were done, the oldest first. Most locks have none, and then a clone costs nothing.
///
/// No version adds a field to an entry: a version that does not know it would drop it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DoneLabels(Option<Arc<Vec<DoneLabel>>>);

/// One label, and the holding that has completed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DoneLabel {
    pub label: Box<str>,
    pub owner: Box<str>,
    pub acquired_at: Stamp,
    /// It proves to the holder whose reply was lost that the mark is its own.
    pub fencing_token: u64,
}

impl DoneLabels {
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub fn iter(&self) -> impl Iterator<Item = &DoneLabel> {
        self.0.iter().flat_map(|done| done.iter())
    }

    /// By whom the label was completed, if it was.
    pub fn find(&self, label: &str) -> Option<&DoneLabel> {
        self.iter().find(|done| *done.label == *label)
    }

    /// The token of the holding that has completed the last of them.
    pub fn latest(&self) -> Option<u64> {
        self.iter().last().map(|done| done.fencing_token)
    }

    /// The same with one more. The oldest is forgotten if there were enough. A label that is in the list stays as
    /// it is.
    pub(super) fn with(&self, done: DoneLabel) -> DoneLabels {
        if self.find(&done.label).is_some() {
            return self.clone();
        }
        let longer = self.and(done);
        let too_many = longer.iter().count().saturating_sub(MAX_DONE);
        longer.iter().skip(too_many).cloned().collect()
    }

    /// The same with one more, and none forgotten.
    pub(super) fn and(&self, done: DoneLabel) -> DoneLabels {
        self.iter().cloned().chain([done]).collect()
    }

    /// Whether the holding with this token has completed a label.
    pub(super) fn has(&self, token: u64) -> bool {
        self.iter().any(|done| done.fencing_token == token)
    }

    /// Whether the mark of a holding with this token may have been in the list, and was forgotten since. A list
    /// loses entries only while it is full, and the oldest first.
    pub(super) fn may_have_forgotten(&self, token: u64) -> bool {
        let is_full = self.iter().count() >= MAX_DONE;
        is_full && self.iter().all(|done| done.fencing_token > token)
    }

    /// Something that no version of this crate has ever written, if the holdings that have completed anything have
    /// tokens below this.
    pub(super) fn impossible(&self, below: u64) -> Option<&'static str> {
        if self.iter().count() > MAX_DONE {
            return Some("its list of labels done is longer than 16");
        }
        if !self.iter().all(DoneLabel::is_possible) {
            return Some(NO_LABELS);
        }
        let tokens = || self.iter().map(|done| done.fencing_token);
        if tokens().any(|done| done >= below) {
            return Some("it says that a holding has completed a label that has not ended yet");
        }
        // Each was completed by a holding of its own, and holdings come in the order of their tokens.
        if !tokens().is_sorted_by(|a, b| a < b) {
            return Some("its list of labels done is not in the order of their fencing tokens");
        }
        let is_twice = |done: &DoneLabel| self.iter().filter(|d| d.label == done.label).count() > 1;
        let any_twice = self.iter().any(is_twice);
        any_twice.then_some("its list of labels done has one of them twice")
    }
}

impl DoneLabel {
    fn is_possible(&self) -> bool {
        is_label(&self.label) && is_owner(&self.owner)
    }
}

/// Whether this may be a label. The bounds are also what the size of a record rests on.
pub(crate) fn is_label(text: &str) -> bool {
    is_plain(text, MAX_LABEL) && !text.is_empty()
}

/// Whether this may be an owner name of a holding that has a label. No version that knows labels has written
/// another.
pub(super) fn is_owner(text: &str) -> bool {
    is_plain(text, MAX_OWNER)
}

/// Control characters would grow sixfold where they are written.
fn is_plain(text: &str, max: usize) -> bool {
    text.len() <= max && !text.chars().any(char::is_control)
}

impl FromIterator<DoneLabel> for DoneLabels {
    fn from_iter<I: IntoIterator<Item = DoneLabel>>(labels: I) -> DoneLabels {
        let labels: Vec<_> = labels.into_iter().collect();
        DoneLabels((!labels.is_empty()).then(|| Arc::new(labels)))
    }
}

impl Serialize for DoneLabels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for DoneLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DoneLabels, D::Error> {
        let labels = Vec::<DoneLabel>::deserialize(deserializer)?;
        Ok(labels.into_iter().collect())
    }
}
