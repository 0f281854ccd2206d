//! What a client keeps of a lock on which it waits, or on which it has seen that others do. Most locks have
//! nothing of it, and then it takes no memory: a client may know thousands of locks.

use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::protocol::instant::Instant;
use crate::protocol::object::{Condition, ETag};
use crate::protocol::queue::Queue;
use crate::protocol::record::Nonce;

/// What is known of a lock's queue, and of this client's own wait. Without memory of its own while nothing is.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Option<Box<Known>>);

/// What there is to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Known {
    pub sight: Option<Sight>,
    pub own: Option<Own>,
    /// The state of the lock that this client watches, and since when.
    pub watched: Option<(Watched, Instant)>,
    /// When it last asked for the queue, with or without an answer.
    pub asked: Option<Instant>,
    /// The free version that it has looked at the queue for.
    pub looked_for: Option<ETag>,
    /// No ticket is taken before this.
    pub resting_until: Option<Instant>,
    /// The queue cannot be used, and is not tried again before this.
    pub unusable_until: Option<Instant>,
    /// The queue was full when this ticket had been served last.
    pub full_at: Option<u64>,
}

/// The queue as this client saw it last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sight {
    pub sent: Instant,
    pub queue: Queue,
    /// Under which a write replaces what was seen. None once this client has tried.
    pub condition: Option<Condition>,
    pub is_hidden: bool,
}

/// This client's own ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Own {
    pub nonce: Nonce,
    /// None while it is not known to be in the queue.
    pub number: Option<u64>,
    /// How long it says that this client may take to react.
    pub react: Duration,
}

/// A state of the lock that does not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Watched {
    /// The holding with this token.
    Held(u64),
    /// Free since the holding with this token.
    Free(u64),
}

static NOTHING: Known = Known {
    sight: None,
    own: None,
    watched: None,
    asked: None,
    looked_for: None,
    resting_until: None,
    unusable_until: None,
    full_at: None,
};

impl Waiting {
    /// Notes that the wait is over. What is known of the queue stays.
    pub(super) fn end(&mut self) {
        let Some(known) = &mut self.0 else {
            return;
        };
        known.resting_until = None;
        known.watched = None;
        if **known == NOTHING {
            self.0 = None;
        }
    }
}

impl Deref for Waiting {
    type Target = Known;

    fn deref(&self) -> &Known {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Waiting {
    fn deref_mut(&mut self) -> &mut Known {
        self.0.get_or_insert_with(|| Box::new(NOTHING.clone()))
    }
}

// Nothing with memory is the same as nothing without.
impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        **self == **other
    }
}

impl Eq for Waiting {}

impl Hash for Waiting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
