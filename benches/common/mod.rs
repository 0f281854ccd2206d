//! What the benches of whole runs have in common: a store to measure on, processes of their own, and figures.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each bench that includes this module uses another part of it"
)]

mod arguments;
mod child;
mod crew;
mod figures;
mod relay;
mod requests;
mod site;

pub use arguments::Arguments;
pub use child::{Address, FOLDER, command, micros, orders, with_queue};
pub use crew::{Crew, Event, What, await_start};
pub use figures::{Contention, Figures, folder, quantile, rounded};
pub use relay::Relay;
pub use requests::{Logged, Tally};
pub use site::Site;
