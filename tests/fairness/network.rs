//! What lies between the clients and the store: how long requests take, which are lost, and what the store makes of
//! requests for the queue.

use std::time::Duration;

use crate::dice::Dice;

/// How long a request may take before its client has given up on it.
pub const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Network {
    /// The shortest and longest time of one way.
    pub way: (Duration, Duration),
    /// One request in so many never arrives; 0 for none.
    pub lost_requests: u64,
    /// One reply in so many never arrives; 0 for none.
    pub lost_replies: u64,
    /// One request in so many arrives only after its client has given up on it; 0 for none.
    pub late: u64,
    /// The least time between two writes of the queue. Others are refused with 429.
    pub queue_interval: Duration,
    /// When the queue may not be read, and when it may not be written.
    pub unreadable: Option<Span>,
    pub unwritable: Option<Span>,
}

/// From one moment to another.
pub type Span = (Duration, Duration);

/// When a request arrives at the store, and when the reply arrives at its client. None for never.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub there: Option<Duration>,
    pub back: Option<Duration>,
}

impl Network {
    /// One on which every request takes this long there and back.
    pub fn of(round_trip: Duration) -> Network {
        Network {
            way: (round_trip / 2, round_trip / 2),
            lost_requests: 0,
            lost_replies: 0,
            late: 0,
            queue_interval: Duration::ZERO,
            unreadable: None,
            unwritable: None,
        }
    }

    pub fn way(&self, dice: &mut Dice) -> Way {
        let (least, most) = self.way;
        let mut one_way = || dice.between(least, most);
        let (mut there, mut back) = (Some(one_way()), Some(one_way()));
        let mut happens = |one_in: u64| one_in > 0 && dice.one_in(one_in);
        if happens(self.late) {
            there = there.map(|there| there + TIMEOUT + Duration::from_secs(1));
            back = None;
        }
        if happens(self.lost_requests) {
            (there, back) = (None, None);
        }
        if happens(self.lost_replies) {
            back = None;
        }
        Way { there, back }
    }
}

pub fn is_in(span: Option<Span>, now: Duration) -> bool {
    span.is_some_and(|(from, to)| from <= now && now < to)
}
