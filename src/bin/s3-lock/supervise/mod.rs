//! `run` and `hold`: a lock is held while something else goes on.

mod acquire;
mod acquired;
mod alarms;
mod environment;
mod hold;
mod interrupts;
mod lease_schedule;
mod not_started;
mod on_lost;
mod outcome;
mod report;
mod run;
mod running;
mod schedule;
mod waiting;
mod watchdog;

pub use hold::hold;
pub use run::run;
