//! An in-process S3 server for tests, examples and benches.
//!
//! [`Server::start`] gives an endpoint on the loopback that checks signatures and preconditions as AWS does, keeps its
//! objects in memory, writes down every request, and misbehaves on demand. HTTP parsing, XML and signatures come from
//! `s3s`; what AWS does and `s3s` does not (a clock of its own, regions, lost replies) is done around it.
//!
//! A request passes through the files in this order: `connections` accepts it, `front` logs it and looks for a scripted
//! fault, `refusal` checks clock and region, `s3s` the signature, `backend` translates, and `store` decides.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each binary that includes this module uses another part of it"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the server's clock and waits are its own, not the crate's"
)]

#[cfg(unix)]
mod authority;
mod backend;
mod cable;
mod clock;
mod closings;
#[cfg(unix)]
mod connect_proxy;
mod connections;
mod dice;
mod faults;
mod file_store;
mod front;
mod journal;
#[cfg(unix)]
mod proxy;
mod quirks;
mod refusal;
mod reply;
mod server;
mod settings;
mod stand_in;
mod store;
#[cfg(unix)]
mod tls;
#[cfg(unix)]
mod tls_front;

#[cfg(unix)]
pub use authority::{Authority, Issued, Valid, openssl};
pub use cable::Cable;
#[cfg(unix)]
pub use connect_proxy::{ConnectProxy, Verdict};
pub use dice::Dice;
pub use faults::{Fault, Gate, Match};
pub use file_store::FileStore;
pub use journal::Request;
#[cfg(unix)]
pub use proxy::message::Message;
#[cfg(unix)]
pub use proxy::{Counts, Dates, FATES, Fate, Fates, Passenger, Proxy};
pub use quirks::Quirk;
pub use server::Server;
pub use settings::{DateHeader, RegionReply};
pub use stand_in::{Answer, Asked, StandIn};
pub use store::StoredObject;
#[cfg(unix)]
pub use tls::{Terms, Tls};
#[cfg(unix)]
pub use tls_front::{Certificate, TlsFront};

/// The bucket that every server has from the start.
pub const BUCKET: &str = "locks-test";
/// The only access key that the server knows.
pub const ACCESS_KEY: &str = "AKIDLOCKSTEST";
/// The secret that goes with [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "locks-test-secret";
/// A region to sign for; without [`Server::set_region`] any other does as well.
pub const REGION: &str = "us-east-1";
