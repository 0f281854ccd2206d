//! S3 over HTTP: signed requests in, the store's three kinds of answer out.
//!
//! rusoto signs requests and writes the query of a list. It does not send: its PUT has no precondition
//! fields, and its dispatcher folds "never left" and "no answer" into one, which is the difference that a
//! lock lives by.

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
