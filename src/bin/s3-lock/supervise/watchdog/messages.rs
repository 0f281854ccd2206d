//! What s3-lock and its watchdog tell each other, as messages of a fixed length.

use std::time::Duration;

use rustix::process::Signal;

use crate::supervise::schedule::Schedule;
use crate::system::clock::Moment;

/// What the watchdog tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The command has got SIGTERM.
    Ending,
    /// The command gets SIGKILL now.
    Killing,
    /// The terminal has sent the command a signal.
    Terminal(Signal),
}

pub const ORDER: usize = 16;
pub const NOTICE: usize = 2;

/// When the watchdog is to end the command, as s3-lock tells it.
pub fn order(schedule: Schedule) -> [u8; ORDER] {
    let mut bytes = [0; ORDER];
    bytes[..8].copy_from_slice(&nanoseconds(schedule.end).to_ne_bytes());
    bytes[8..].copy_from_slice(&nanoseconds(schedule.kill).to_ne_bytes());
    bytes
}

pub fn ordered(bytes: [u8; ORDER]) -> Schedule {
    let moment = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        Moment(Duration::from_nanos(u64::from_ne_bytes(number)))
    };
    Schedule {
        end: moment(0),
        kill: moment(8),
    }
}

/// 500 years of them fit.
fn nanoseconds(Moment(at): Moment) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

impl Notice {
    pub fn to_bytes(self) -> [u8; NOTICE] {
        match self {
            Notice::Ending => [1, 0],
            Notice::Killing => [2, 0],
            Notice::Terminal(signal) => [3, u8::try_from(signal.as_raw()).unwrap_or(0)],
        }
    }

    pub fn of_bytes([kind, signal]: [u8; NOTICE]) -> Option<Notice> {
        match kind {
            1 => Some(Notice::Ending),
            2 => Some(Notice::Killing),
            _ => Signal::from_named_raw(i32::from(signal)).map(Notice::Terminal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_notices_arrive_as_they_were_sent() {
        let at = |seconds| Moment(Duration::new(seconds, 123_456_789));
        let schedule = Schedule {
            end: at(4_000_000),
            kill: at(5_000_000),
        };
        assert_eq!(ordered(order(schedule)), schedule);
        for notice in [
            Notice::Ending,
            Notice::Killing,
            Notice::Terminal(Signal::INT),
        ] {
            assert_eq!(Notice::of_bytes(notice.to_bytes()), Some(notice));
        }
    }
}
