//! The report of a store check, its text for people, and the two forms of an ETag. `engine/store_check`
//! makes the reports; callers get them from `check_store` or inside `LockError::UnsafeStore`.

use std::fmt;

use crate::protocol::record::Nonce;
use crate::protocol::{Condition, ETag};

/// What [`S3Lock::check_store`](crate::S3Lock::check_store) found out about a store.
///
/// A safe report says that the store checks the conditions of writes. It also says in how many
/// [races](StoreReport::races) the store did not carry out two writes under one condition. A store may
/// compare and write in two steps instead of one. A race finds this out only if another write comes
/// between the two steps. So no number of races proves that a store is atomic.
///
/// `Display` writes a text for people: what was found and, if the store would break the lock, what to do.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .folder("locks")
///     .client(Client::in_memory())
///     .build()?;
/// let report = lock.check_store()?;
/// assert!(report.is_safe());
/// assert_eq!(report.key(), "locks/.s3-lock-check");
/// println!("{report}");
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreReport {
    bucket: String,
    key: String,
    finding: Finding,
    etag_form: Option<EtagForm>,
    store_clock: bool,
    races: u32,
    race: Option<String>,
    versioning: Option<Versioning>,
}

/// The form in which a store takes an ETag in `If-Match`.
///
/// S3 takes both forms. Ceph's gateway 16 takes only the unquoted one. It answers the other with 412, as
/// if the version had changed. The client remembers which form works.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, EtagForm, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
/// assert_eq!(lock.check_store()?.etag_form(), Some(EtagForm::Quoted));
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EtagForm {
    /// `"d41d8cd98f00b204e9800998ecf8427e"`, as in HTTP.
    Quoted,
    /// `d41d8cd98f00b204e9800998ecf8427e`, without the quotes.
    Unquoted,
}

/// The verdict of a check. Every one but the first proves that no lock can be kept in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Honoured,
    /// The store accepted a create over an existing object.
    CreateIgnored,
    /// The store accepted a replacement under an ETag that never existed.
    WrongAccepted,
    /// The store accepted a replacement under the ETag of a version that was replaced already.
    FormerAccepted,
    /// The store refused a replacement under the right ETag, in both forms.
    RightRefused,
    /// The store gave one version two ETags.
    TwoEtags,
    /// The store carried out two writes under one condition.
    NotAtomic(WriteKind),
    /// The store answers that it has no such condition (501).
    NotImplemented(WriteKind),
}

/// The kind of a write, given by its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// `If-None-Match: *`
    Create,
    /// `If-Match`
    Replace,
}

/// Whether a bucket keeps the versions of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versioning {
    Enabled,
    /// It did once, and still has the versions from that time.
    Suspended,
}

impl WriteKind {
    pub(crate) fn of(condition: &Condition) -> WriteKind {
        match condition {
            Condition::Absent => WriteKind::Create,
            Condition::Matches(_) => WriteKind::Replace,
        }
    }
}

impl StoreReport {
    pub(crate) fn safe(bucket: &str, key: &str, form: EtagForm, store_clock: bool) -> StoreReport {
        StoreReport {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            finding: Finding::Honoured,
            etag_form: Some(form),
            store_clock,
            races: 0,
            race: None,
            versioning: None,
        }
    }

    pub(crate) fn broken(bucket: &str, key: &str, finding: Finding) -> StoreReport {
        StoreReport {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            finding,
            etag_form: None,
            store_clock: false,
            races: 0,
            race: None,
            versioning: None,
        }
    }

    /// The same with `races` more decided races.
    pub(crate) fn raced(mut self, races: u32) -> StoreReport {
        self.races = self.races.saturating_add(races);
        self
    }

    /// The same with the story of a race that two writers won.
    pub(crate) fn with_race(mut self, race: Option<String>) -> StoreReport {
        self.race = race;
        self
    }

    /// The same, saying in which round that race was.
    pub(crate) fn in_round(mut self, round: u32) -> StoreReport {
        self.race = self.race.map(|race| format!("in round {round} {race}"));
        self
    }

    /// The same with what is known about the bucket's versioning.
    pub(crate) fn with_versioning(mut self, versioning: Option<Versioning>) -> StoreReport {
        self.versioning = versioning;
        self
    }

    /// Whether the store honoured every condition that the lock relies on, as far as the check could tell.
    ///
    /// True for every report that [`check_store`](crate::S3Lock::check_store) returns, and false for every
    /// one in a [`LockError::UnsafeStore`](crate::LockError::UnsafeStore).
    pub fn is_safe(&self) -> bool {
        self.finding == Finding::Honoured
    }

    /// Whether the store refuses to create an object that exists (`If-None-Match: *`).
    pub fn honours_create_if_absent(&self) -> bool {
        !self.fails_create()
    }

    fn fails_create(&self) -> bool {
        use Finding::{CreateIgnored, NotAtomic, NotImplemented};
        use WriteKind::Create;
        matches!(
            self.finding,
            CreateIgnored | NotAtomic(Create) | NotImplemented(Create)
        )
    }

    /// Whether the store replaces an object under its current ETag and under no other (`If-Match`).
    /// `None` if the check did not get to that, because the store does not honour create-if-absent.
    pub fn honours_replace_if_match(&self) -> Option<bool> {
        if self.fails_create() {
            return None;
        }
        Some(self.finding == Finding::Honoured)
    }

    /// How many races of writers under one condition the store decided correctly: it carried out one
    /// write, refused the others, and a read then showed what the winner wrote. A race does not count if
    /// an answer was missing or inconclusive, or if another process wrote meanwhile.
    ///
    /// A [check](crate::S3Lock::check_store) adds at most 1, of two writers. Each round of
    /// [`race_store`](crate::S3Lock::race_store) adds up to two more. The number proves nothing: a store
    /// that compares and writes in two steps may still fail in the next race.
    pub fn races(&self) -> u32 {
        self.races
    }

    /// The form in which the store takes ETags; `None` if it is not [safe](StoreReport::is_safe).
    pub fn etag_form(&self) -> Option<EtagForm> {
        self.etag_form
    }

    /// Whether the check saw that the store's `Date` and `Last-Modified` come from one clock. The client
    /// may then use them to tell how old a lock's record is.
    ///
    /// If not, a proxy stamps its own `Date`, or there is none. The client then tells the age by its own
    /// clock alone, as for locks built
    /// [`without_store_clock`](crate::S3LockBuilder::without_store_clock). Only a client that has watched a
    /// dead holder's lock for a whole lease can then take it over.
    pub fn uses_store_clock(&self) -> bool {
        self.store_clock
    }

    /// The bucket that was checked.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key of the object that the check wrote. It is not deleted.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn breach(&self) -> &'static str {
        match self.finding {
            Finding::Honoured => "nothing",
            Finding::CreateIgnored => {
                "it accepted a create (If-None-Match: *) over the object, so two could hold a lock at \
                 once"
            }
            Finding::WrongAccepted => {
                "it accepted a replacement (If-Match) under an ETag that no version ever had, so two \
                 could hold a lock at once"
            }
            Finding::FormerAccepted => {
                "it accepted a replacement (If-Match) under the ETag of a version that had been \
                 replaced before, so two could hold a lock at once"
            }
            Finding::RightRefused => {
                "it refused a replacement (If-Match) under the object's own ETag, with and without its \
                 quotes, so no lock could be acquired"
            }
            Finding::TwoEtags => {
                "it gave one version two ETags, so no client could tell whether a lock has changed"
            }
            Finding::NotAtomic(WriteKind::Create) => {
                "it carried out more than one of the creates (If-None-Match: *) that were sent at the \
                 same moment, so two could hold a lock at once: it compares and writes in two steps \
                 (unless another process deleted the object meanwhile: then race again)"
            }
            Finding::NotAtomic(WriteKind::Replace) => {
                "it carried out more than one of the replacements (If-Match) that were sent under one \
                 ETag at the same moment, so two could hold a lock at once: it compares and writes in \
                 two steps"
            }
            Finding::NotImplemented(WriteKind::Create) => {
                "it answered a create (If-None-Match: *) with 501 NotImplemented: it has no such \
                 condition, so two could hold a lock at once"
            }
            Finding::NotImplemented(WriteKind::Replace) => {
                "it answered a replacement (If-Match) with 501 NotImplemented: it has no such \
                 condition, so two could hold a lock at once"
            }
        }
    }
}

impl StoreReport {
    /// Advice about the bucket's versions: some stores fail only in buckets that have any.
    fn about_versions(&self) -> Option<&'static str> {
        match (self.versioning, self.finding) {
            (Some(Versioning::Enabled), _) => Some(
                "the bucket keeps versions, and some stores fail only in such buckets: try a bucket \
                 that never had versions",
            ),
            (Some(Versioning::Suspended), _) => Some(
                "the bucket's versioning is suspended, and some stores fail only in buckets that ever \
                 kept versions: try a bucket that never had versions",
            ),
            (None, Finding::CreateIgnored | Finding::RightRefused) => {
                Some("some stores fail only in versioned buckets: try a bucket without versions")
            }
            (None, _) => None,
        }
    }
}

impl fmt::Display for StoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bucket, key) = (&self.bucket, &self.key);
        if !self.is_safe() {
            let breach = self.breach();
            write!(
                f,
                "the store of bucket {bucket} would break the lock: in a check of {key} {breach}"
            )?;
            if let Some(race) = &self.race {
                write!(f, ": {race}")?;
            }
            if let Some(advice) = self.about_versions() {
                write!(f, " ({advice})")?;
            }
            return f.write_str(
                "; keep locks in a store that honours conditional writes as S3 does (a newer release \
                 of this one may), and check that no proxy drops or adds headers on the way",
            );
        }
        let quotes = match self.etag_form {
            Some(EtagForm::Unquoted) => "sent without its quotes",
            _ => "sent in quotes",
        };
        let clock = if self.store_clock {
            "the store's clock tells how old a lock is"
        } else {
            "the store's Date does not tell how old a lock is (does a proxy stamp its own?): each \
             client's own clock does, and needs a whole lease to find that a lock is abandoned"
        };
        let races = match self.races {
            0 => "not tested (no race was decided)".to_owned(),
            1 => "not refuted in 1 race".to_owned(),
            races => format!("not refuted in {races} races"),
        };
        write!(
            f,
            "the store of bucket {bucket} honours conditional writes, as far as a check of {key} can \
             tell: it creates no object over an existing one, and replaces an object only under its \
             current ETag, {quotes}; that it compares and writes in one step was {races}; {clock}"
        )
    }
}

impl EtagForm {
    /// Both forms, starting with the one that the store itself uses.
    pub(crate) fn to_try(etag: &ETag) -> [EtagForm; 2] {
        if etag.0.ends_with('"') {
            [EtagForm::Quoted, EtagForm::Unquoted]
        } else {
            [EtagForm::Unquoted, EtagForm::Quoted]
        }
    }

    /// The ETag in this form, ready to send.
    pub(crate) fn spell(self, etag: &ETag) -> ETag {
        let text = &etag.0;
        let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        ETag(match (self, bare) {
            (EtagForm::Unquoted, Some(bare)) => bare.to_owned(),
            (EtagForm::Quoted, None) if !text.ends_with('"') => format!("\"{text}\""),
            _ => text.clone(),
        })
    }
}

/// An ETag that never existed but looks like this store's own, so that the store does not refuse it for
/// its format. Every hexadecimal digit of `like` is replaced by one from `nonce`.
pub(crate) fn made_up(like: &ETag, nonce: Nonce) -> ETag {
    /// With fewer digits, the result might be a real ETag.
    const LEAST: usize = 16;
    let bits = String::from(nonce);
    if like.0.chars().filter(char::is_ascii_hexdigit).count() < LEAST {
        return ETag(format!("\"{bits}\""));
    }
    let mut bits = bits.chars().filter_map(|c| c.to_digit(16)).cycle();
    let mut draw = |first: u8, among: u32| {
        let offset = bits.next().unwrap_or(0) % among;
        char::from(first + u8::try_from(offset).unwrap_or(0))
    };
    let redrawn = like.0.chars().map(|c| match c {
        '0'..='9' => draw(b'0', 10),
        'a'..='f' => draw(b'a', 6),
        'A'..='F' => draw(b'A', 6),
        other => other,
    });
    ETag(redrawn.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag(text: &str) -> ETag {
        ETag(text.to_owned())
    }

    #[test]
    fn an_etag_is_sent_in_the_form_that_the_store_takes() {
        let cases = [
            (EtagForm::Quoted, "\"a\"", "\"a\""),
            (EtagForm::Quoted, "a", "\"a\""),
            (EtagForm::Quoted, "W/\"a\"", "W/\"a\""),
            (EtagForm::Unquoted, "\"a\"", "a"),
            (EtagForm::Unquoted, "a", "a"),
        ];
        for (form, named, sent) in cases {
            assert_eq!(form.spell(&etag(named)), etag(sent), "{form:?} {named}");
        }
    }

    #[test]
    fn the_form_that_the_store_itself_uses_is_tried_first() {
        assert_eq!(EtagForm::to_try(&etag("\"a\""))[0], EtagForm::Quoted);
        assert_eq!(EtagForm::to_try(&etag("a"))[0], EtagForm::Unquoted);
    }

    #[test]
    fn an_etag_made_up_looks_like_the_stores_own() {
        let like = etag("\"d41d8cd98f00b204e9800998ecf8427e-1\"");
        let made_up = made_up(&like, Nonce(0x1234_5678_9abc_def0_1122_3344_5566_7788));
        assert_ne!(made_up, like);
        let shape = |text: &str| -> String {
            let class = |c: char| match c {
                '0'..='9' => '0',
                'a'..='f' => 'a',
                other => other,
            };
            text.chars().map(class).collect()
        };
        assert_eq!(shape(&made_up.0), shape(&like.0));
    }

    #[test]
    fn an_etag_made_up_for_a_store_of_short_ones_is_long_enough_to_be_new() {
        let made_up = made_up(&etag("\"17\""), Nonce(7));
        assert_eq!(made_up, etag("\"00000000000000000000000000000007\""));
    }

    #[test]
    fn a_report_is_prose_for_people() {
        let safe = StoreReport::safe("b", "locks/.s3-lock-check", EtagForm::Unquoted, true);
        assert_eq!(
            safe.to_string(),
            "the store of bucket b honours conditional writes, as far as a check of \
             locks/.s3-lock-check can tell: it creates no object over an existing one, and replaces an \
             object only under its current ETag, sent without its quotes; that it compares and writes \
             in one step was not tested (no race was decided); the store's clock tells how old a lock \
             is"
        );
        let raced = safe.raced(1).to_string();
        assert!(raced.contains("was not refuted in 1 race;"), "{raced}");
    }

    #[test]
    fn a_store_that_ignores_create_if_absent_is_not_said_to_honour_the_rest() {
        let report = StoreReport::broken("b", "k", Finding::CreateIgnored);
        assert!(!report.is_safe() && !report.honours_create_if_absent());
        assert_eq!(report.honours_replace_if_match(), None);
        assert_eq!(report.etag_form(), None);
    }
}
