//! The record, which is the object at a lock's key: one JSON object. Every transition writes it
//! whole, and `aws s3 cp s3://... -` shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::record::advisory;
use crate::protocol::record::advisory::Advice;
use crate::protocol::record::done;
use crate::protocol::record::done::{DoneLabel, DoneLabels};
use crate::protocol::record::fields::Fields;
use crate::protocol::record::limits::{FORMAT, MAX_ADVISORY, MAX_BODY, MAX_LEASE, MAX_TOKEN};
use crate::protocol::record::nonce::Nonce;
use crate::protocol::record::stamp::Stamp;
use crate::protocol::record::unusable;
use crate::protocol::record::unusable::UnusableRecord;

/// What the object at a lock's key says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    pub state: State,
    pub owner: String,
    pub fencing_token: u64,
    lease_ms: u64,
    pub nonce: Nonce,
    pub acquired_at: Stamp,
    pub host: String,
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// What the holding is for, if that is to be completed once. Only for people: a guard goes by its own record.
    /// (A version that does not know it leaves it where it takes over.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Box<str>>,
    /// The fencing token of the last holding that an operator broke by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<u64>,
    /// The fencing token of the last holding that another of the same owner name ended before it
    /// had expired, by reclaiming it or by releasing it by that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaimed: Option<u64>,
    /// The nonce of the write that made the object. It differs if the object was deleted and made
    /// anew: then what stood before says nothing of what stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Nonce>,
    /// The highest ticket of the lock's queue that is known to have had its turn.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "advisory::number"
    )]
    served: Option<u64>,
    /// Whether others wait for the lock.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "advisory::flag"
    )]
    queued: Option<bool>,
    /// The labels that are done. Safety rests on it: what cannot be believed makes the record unusable.
    #[serde(default, skip_serializing_if = "DoneLabels::is_empty")]
    done: DoneLabels,
    /// Fields that a later version has added.
    #[serde(skip)]
    pub(in crate::protocol) unknown: Fields,
}

/// Whether the lock is held or free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Held,
    Released,
}

/// Who takes a lock and on what terms: the part of a record that an acquire brings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub owner: String,
    pub lease: Duration,
    pub acquired_at: Stamp,
    pub host: String,
    pub pid: u32,
    pub purpose: Option<String>,
    /// What it takes the lock for, if that is to be completed once.
    pub label: Option<Box<str>>,
}

impl Record {
    /// The record of a first holding, which makes the object.
    pub fn held(holder: Holder, fencing_token: u64, nonce: Nonce) -> Record {
        Record {
            format: FORMAT,
            state: State::Held,
            owner: holder.owner,
            fencing_token,
            lease_ms: u64::try_from(holder.lease.as_millis()).unwrap_or(u64::MAX),
            nonce,
            acquired_at: holder.acquired_at,
            host: holder.host,
            pid: holder.pid,
            purpose: holder.purpose,
            label: holder.label,
            broken: None,
            reclaimed: None,
            origin: Some(nonce),
            served: None,
            queued: None,
            done: DoneLabels::default(),
            unknown: Fields::default(),
        }
    }

    /// The record of a new holding in place of this one. It keeps what is on record of earlier
    /// holdings.
    pub fn succeeded_by(&self, holder: Holder, fencing_token: u64, nonce: Nonce) -> Record {
        Record {
            broken: self.broken,
            reclaimed: self.reclaimed,
            // The creator of the object may have left it out. Then this write counts as the one
            // that made it.
            origin: self.origin.or(Some(nonce)),
            served: self.served,
            queued: self.queued,
            done: self.done.clone(),
            unknown: self.unknown.clone(),
            ..Record::held(holder, fencing_token, nonce)
        }
    }

    /// The same holding, with a fresh nonce.
    pub fn renewed(&self, nonce: Nonce) -> Record {
        Record {
            nonce,
            ..self.clone()
        }
    }

    /// The same holding, given back. The token stays, so that the next one is larger.
    pub fn released(&self, nonce: Nonce) -> Record {
        Record {
            state: State::Released,
            label: None,
            ..self.renewed(nonce)
        }
    }

    /// The same with the holding's label among those done, if it has one.
    pub fn completed(&self) -> Record {
        Record {
            done: match self.mark() {
                Some(mark) => self.done.with(mark),
                None => self.done.clone(),
            },
            ..self.clone()
        }
    }

    /// The same holding, ended by force.
    pub fn broken(&self, nonce: Nonce) -> Record {
        Record {
            broken: Some(self.fencing_token),
            ..self.released(nonce)
        }
    }

    /// The same, with what its writer knows of the queue. `served` never goes back.
    pub fn advised(self, advice: &Advice) -> Record {
        let served = self.served().max(advice.served);
        Record {
            served: (served > 0).then_some(served),
            queued: match advice.queued {
                None => self.queued,
                Some(queued) => queued.then_some(true),
            },
            ..self
        }
    }

    /// The highest ticket that had its turn; 0 if none is on record.
    pub fn served(&self) -> u64 {
        self.served.unwrap_or(0)
    }

    /// Whether others waited when the record was written.
    pub fn is_queued(&self) -> bool {
        self.queued == Some(true)
    }

    /// Whether anybody but its holder may have ended the holding with this token while its lease
    /// ran. Only the last holding that was ended so is on record.
    pub fn may_have_cut_short(&self, token: u64) -> bool {
        self.broken.max(self.reclaimed) >= Some(token)
    }

    /// Whether this and `other` certainly belong to one object, not to one that was made anew.
    pub fn is_of_one_object_with(&self, other: &Record) -> bool {
        self.origin.is_some() && self.origin == other.origin
    }

    /// The labels that are done.
    pub fn done(&self) -> &DoneLabels {
        &self.done
    }

    /// Whether the holding with this token has completed a label.
    pub fn was_completed_by(&self, token: u64) -> bool {
        self.done.has(token)
    }

    /// Whether the holding with this token may have completed a label that was forgotten since.
    pub fn may_have_forgotten(&self, token: u64) -> bool {
        self.done.may_have_forgotten(token)
    }

    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub fn is_held(&self) -> bool {
        self.state == State::Held
    }

    /// The bytes to store.
    pub fn to_body(&self) -> Vec<u8> {
        let known = serde_json::to_vec(self);
        let known = known.expect("a record has string keys and serialises without failing");
        self.unknown.appended_to(known)
    }

    /// Reads stored bytes, or says why they are not a usable lock.
    pub fn parse(body: &[u8]) -> Result<Record, UnusableRecord> {
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u32,
        }
        if body.is_empty() {
            return Err(UnusableRecord::foreign("it is empty"));
        }
        if body.len() > MAX_BODY {
            return Err(UnusableRecord::too_long(body));
        }
        let unparsable = |e| UnusableRecord::unparsable(body, &e);
        let version: FormatOnly = serde_json::from_slice(body).map_err(unparsable)?;
        if version.format > FORMAT {
            return Err(UnusableRecord::newer(version.format));
        }
        let mut record: Record = serde_json::from_slice(body).map_err(unparsable)?;
        if let Some(reason) = record.impossible() {
            return Err(UnusableRecord::damaged(reason));
        }
        record.unknown = serde_json::from_slice(body).map_err(unparsable)?;
        if record.unknown.are_too_many() {
            return Err(UnusableRecord::too_many_fields());
        }
        // Every record that is read can be given back, and then be read again.
        match record.longest().to_body().len() {
            0..=MAX_BODY => Ok(record),
            _ => Err(UnusableRecord::too_long(body)),
        }
    }

    /// What marks the holding's label as done, if it has one.
    fn mark(&self) -> Option<DoneLabel> {
        self.label.as_ref().map(|label| DoneLabel {
            label: label.clone(),
            owner: self.owner.as_str().into(),
            acquired_at: self.acquired_at,
            fencing_token: self.fencing_token,
        })
    }

    /// At least as long as any record of the same holding.
    fn longest(&self) -> Record {
        Record {
            state: State::Released,
            fencing_token: MAX_TOKEN,
            broken: Some(MAX_TOKEN),
            reclaimed: Some(MAX_TOKEN),
            origin: self.origin.or(Some(Nonce(0))),
            served: Some(MAX_ADVISORY),
            queued: Some(true),
            done: match self.mark() {
                Some(mark) => self.done.and(DoneLabel {
                    fencing_token: MAX_TOKEN,
                    ..mark
                }),
                None => self.done.clone(),
            },
            ..self.clone()
        }
    }

    /// Holdings that have completed a label have tokens below this. A holding that has completed its own is
    /// released, and its record has no label any more.
    fn completed_before(&self) -> u64 {
        let may_be_own = !self.is_held() && self.label.is_none();
        self.fencing_token + u64::from(may_be_own)
    }

    /// Something that no version of this crate has ever written.
    fn impossible(&self) -> Option<&'static str> {
        if self.format != FORMAT {
            return Some("there has never been such a format");
        }
        if self.lease() > MAX_LEASE {
            return Some("its lease is longer than 7 days");
        }
        if self.fencing_token > MAX_TOKEN {
            return Some(unusable::NO_TOKEN);
        }
        if self
            .label
            .as_deref()
            .is_some_and(|label| !done::is_label(label))
        {
            return Some("its label is not of 1 to 128 bytes without control characters");
        }
        if self.label.is_some() && !done::is_owner(&self.owner) {
            return Some(
                "it has a label, and an owner name longer than 512 bytes or with control characters",
            );
        }
        if let Some(reason) = self.done.impossible(self.completed_before()) {
            return Some(reason);
        }
        // Both name a holding that has existed: this one at the latest.
        let token = Some(self.fencing_token);
        if self.broken > token {
            return Some("it says that a holding was broken that has not existed yet");
        }
        (self.reclaimed > token)
            .then_some("it says that a holding was reclaimed that has not existed yet")
    }
}
