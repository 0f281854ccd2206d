//! S3 over HTTP. A call becomes a signed request, and the store's reply becomes one of the answers
//! that the protocol knows.
//!
//! rusoto signs requests and writes the query of a list. It does not send them: its PUT has no
//! precondition fields, and its dispatcher does not tell "never left" from "no answer". A lock
//! depends on that difference.
//!
//! `s3_store.rs` implements the store; `sending.rs` sends one of its requests, with `request.rs`
//! (building and signing), `address.rs` (its URL) and `redirect.rs` (another host for the time
//! being). `site.rs` finds out where requests go, from the settings. `list.rs` and `versioning.rs`
//! are two requests of their own; `inspection.rs` tells people what a client goes by; `xml.rs` reads replies; `url.rs` parts of URLs; `blocking.rs` has
//! threads for files, commands and names.
//!
//! The folders, from the top down: `credentials/` gets keys to sign with, `network/` makes
//! connections, sends requests and reads replies, `reply/` decides what a reply of S3 means, and
//! `settings/` reads what the environment and AWS's files say.

mod address;
mod blocking;
mod credentials;
#[cfg(feature = "cli")]
mod inspection;
mod list;
mod network;
mod redirect;
pub(crate) mod reply;
mod request;
mod s3_store;
mod sending;
mod settings;
mod site;
mod url;
mod versioning;
mod xml;

pub(crate) use address::Style;
pub(crate) use credentials::Source;
pub(crate) use settings::aws_settings::AwsSettings;
pub(crate) use settings::endpoint::{Endpoint, Malformed};
pub(crate) use settings::named::Named;
pub(crate) use settings::proxy::proxies::Proxies;
pub(crate) use settings::region::is_region;
pub(crate) use settings::service::Service;
pub(crate) use settings::tls_files::{ClientIdentity, IdentityFiles, NamedFile, Pkcs12, TlsFiles};
pub(crate) use settings::variables::set;
pub(crate) use site::S3Config;
