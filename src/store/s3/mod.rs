//! S3 over HTTP. A call becomes a signed request, and the store's reply becomes one of the answers
//! that the protocol knows.
//!
//! rusoto signs requests and writes the query of a list. It does not send them: its PUT has no
//! precondition fields, and its dispatcher does not tell "never left" from "no answer". A lock
//! depends on that difference.

mod blocking;
mod connector;
mod credentials;
mod endpoint;
mod list;
mod named;
mod no_fork;
mod profile;
mod redirect;
mod region;
pub(crate) mod reply;
mod request;
mod resolver;
mod s3_store;
mod sending;
mod transport;
mod variables;
mod versioning;
mod xml;

pub(crate) use credentials::Source;
pub(crate) use endpoint::{Endpoint, Malformed};
pub(crate) use named::Named;
pub(crate) use region::is_region;
pub(crate) use s3_store::S3Config;
pub(crate) use variables::variable;
