//! Each permission by itself: what it is for, and what its lack means.

use s3_lock::LockError;
use s3_lock::inspection::{Inspector, Place, Probed, Seen};

use crate::commands::doctor::permissions::{ForAbsent, Permission, of_read, of_write};
use crate::output::doctor::{Finding, Permit, Status};

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";
const LIST: &str = "s3:ListBucket";

/// The longest body that is sent back as it stands. Locks and queues are shorter.
const LONGEST: usize = 64 << 10;

/// What the store may be asked, by what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It was seen to honour conditions.
    Proven,
    /// It is AWS, which does, although that could not be seen here.
    Aws,
    /// Nothing is known of it, so that it is not asked to refuse anything.
    None,
}

impl ForAbsent {
    /// Reads and writes under a name that no object has. If the store ignores the condition, that object is removed.
    pub fn seen_by(inspector: &Inspector, at: Where) -> Result<ForAbsent, LockError> {
        Ok(ForAbsent {
            is_aws: at.is_aws,
            read: inspector.look(Place::Absent).seen,
            write: inspector.probe(Place::Absent, None)?,
        })
    }
}

/// What is to be known of the store beforehand.
#[derive(Clone, Copy)]
pub struct Where {
    pub is_aws: bool,
    /// Whether a client refuses this store without a check.
    pub is_needed: bool,
}

/// What was seen of the scratch object.
pub struct Scratch {
    pub read: Result<Seen, LockError>,
    pub write: Option<Probed>,
    /// Whether locks in this store need it.
    pub is_needed: bool,
}

/// Asks for what was not seen yet, and tells of all.
pub fn examine(
    inspector: &Inspector,
    lock: &Result<Seen, LockError>,
    scratch: &Scratch,
    absent: &ForAbsent,
    trust: Trust,
) -> Result<Vec<Permit>, LockError> {
    let queue = inspector.look(Place::Queue).seen;
    let proven = Elsewhere::of(scratch, absent);
    let mut permits = Vec::new();
    for (place, seen) in [(Place::Lock, lock), (Place::Queue, &queue)] {
        let written = probe(inspector, place, seen, absent, trust)?;
        let read = of_read(seen, written.as_ref(), absent);
        let write = of_write(written.as_ref(), seen, absent, proven.write);
        permits.push(told(inspector, place, GET, &read, proven.read));
        permits.push(told(inspector, place, PUT, &write, proven.write));
    }
    permits.extend(of_scratch(inspector, scratch, absent));
    permits.push(of_list(inspector));
    Ok(permits)
}

/// What is permitted with another object of the same folder.
#[derive(Clone, Copy)]
struct Elsewhere {
    read: bool,
    write: bool,
}

impl Elsewhere {
    fn of(scratch: &Scratch, absent: &ForAbsent) -> Elsewhere {
        let written = scratch.write.as_ref();
        let read = of_read(&scratch.read, written, absent);
        let write = of_write(written, &scratch.read, absent, false);
        Elsewhere {
            read: matches!(read, Permission::Granted),
            write: matches!(write, Permission::Granted),
        }
    }
}

/// Sends a write that cannot succeed, if the store is known to refuse it.
fn probe(
    inspector: &Inspector,
    place: Place,
    seen: &Result<Seen, LockError>,
    absent: &ForAbsent,
    trust: Trust,
) -> Result<Option<Probed>, LockError> {
    // A store may compare where there is an object, and write where there is none.
    let refuses = matches!(absent.write, Probed::Refused | Probed::NoSuchKey);
    let refuses_absent = refuses || trust == Trust::Aws;
    let version = match seen {
        Ok(Seen::Object(version)) if version.size() <= LONGEST => Some(version),
        Ok(Seen::Absent | Seen::Hidden(_)) if refuses_absent => None,
        _ => return Ok(None),
    };
    if trust == Trust::None {
        return Ok(None);
    }
    inspector.probe(place, version).map(Some)
}

fn of_scratch(inspector: &Inspector, scratch: &Scratch, absent: &ForAbsent) -> [Permit; 2] {
    let written = scratch.write.as_ref();
    let read = of_read(&scratch.read, written, absent);
    let write = of_write(written, &scratch.read, absent, false);
    [(GET, read), (PUT, write)].map(|(action, permission)| {
        let purpose = Purpose {
            what_for: "to check a store that is not AWS",
            // The check itself fails without it, if it is needed.
            lack: if scratch.is_needed {
                Status::Fail
            } else {
                Status::Warn
            },
            consequence: "a client refuses such a store unless --assume-conditional-writes is given",
        };
        purpose.permit(inspector.key(Place::Scratch), action, &permission, false)
    })
}

fn of_list(inspector: &Inspector) -> Permit {
    let purpose = Purpose {
        what_for: "for `s3-lock list` alone",
        lack: Status::Warn,
        consequence: "`s3-lock list` fails",
    };
    let listed = inspector.list();
    let permission = match &listed {
        Ok(()) => Permission::Granted,
        Err(error) => Permission::Missing(error),
    };
    purpose.permit(inspector.bucket().to_owned(), LIST, &permission, false)
}

fn told(
    inspector: &Inspector,
    place: Place,
    action: &'static str,
    permission: &Permission<'_>,
    elsewhere: bool,
) -> Permit {
    let purpose = match (place, action) {
        (Place::Lock, GET) => Purpose {
            what_for: "to see who holds the lock, and what became of a write without a reply",
            lack: Status::Fail,
            consequence: "no lock is acquired",
        },
        (Place::Lock, _) => Purpose {
            what_for: "to acquire, renew and release the lock",
            lack: Status::Fail,
            consequence: "no lock is acquired",
        },
        _ => Purpose {
            what_for: "to wait in order of arrival",
            lack: Status::Warn,
            consequence: "who waits is not served in order, and may wait for long where many do",
        },
    };
    purpose.permit(inspector.key(place), action, permission, elsewhere)
}

/// What a permission is for.
struct Purpose {
    what_for: &'static str,
    lack: Status,
    /// What follows from its lack.
    consequence: &'static str,
}

impl Purpose {
    fn permit(
        &self,
        resource: String,
        action: &'static str,
        permission: &Permission<'_>,
        elsewhere: bool,
    ) -> Permit {
        Permit {
            finding: self.finding(&resource, permission, elsewhere),
            action,
            resource,
            is_required: self.lack == Status::Fail,
        }
    }

    fn finding(&self, resource: &str, permission: &Permission<'_>, elsewhere: bool) -> Finding {
        let about = |text: String| format!("{resource}: {text}");
        match permission {
            Permission::Granted => Finding::ok(about(self.what_for.to_owned())),
            Permission::Likely if elsewhere => {
                let what = format!("{}; as far as can be told of what is absent", self.what_for);
                Finding::ok(about(what))
            }
            Permission::Missing(error) => {
                let finding = Finding::of_error(self.lack, error);
                let found = about(format!(
                    "without it {}: {}",
                    self.consequence, finding.found
                ));
                Finding { found, ..finding }
            }
            Permission::Likely | Permission::Untold => {
                let why = "cannot be told while there is no such object";
                let status = self.when_untold(elsewhere);
                let remedy = "acquire the lock once, and ask again";
                Finding::new(status, about(why.to_owned())).with_remedy(remedy)
            }
            Permission::Failed(error) if self.lack == Status::Fail => Finding::failed(error),
            Permission::Failed(error) => Finding::of_error(Status::Warn, error),
            Permission::Unsafe => {
                let what = "the store wrote although the condition did not hold (If-Match)";
                Finding::new(Status::Fail, about(what.to_owned()))
                    .with_remedy("keep locks in another store")
            }
            Permission::NotTried => {
                let why = "not tried: the store was not seen to refuse such a write";
                let status = match self.lack {
                    Status::Fail => Status::Unknown,
                    _ => Status::NotTried,
                };
                Finding::new(status, about(why.to_owned()))
            }
        }
    }

    /// What is permitted beside it, probably is permitted here.
    fn when_untold(&self, elsewhere: bool) -> Status {
        if elsewhere || self.lack == Status::Warn {
            Status::Warn
        } else {
            Status::Unknown
        }
    }
}
