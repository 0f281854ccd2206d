//! What the environment and AWS's shared files say: variables, profiles, endpoints, regions.
//!
//! From text to meaning: `ini.rs` reads the text of a file, `shared_files.rs` both files,
//! `profile.rs` one profile of them, `variables.rs` the environment. `aws_settings.rs` asks them all,
//! in AWS's order. What it finds: a value and who says it (`named.rs`), where a service is
//! (`service_endpoint.rs`), and the files for TLS (`tls_files.rs`). `proxy/` has the rules of proxies.
//!
//! What AWS has where: `service.rs` (the services, and their hosts), `partition.rs` (domains),
//! `aws_host.rs` (which hosts are S3's). What may be a URL or the name of a region: `endpoint.rs`,
//! `region.rs`.

pub(super) mod aws_host;
pub(super) mod aws_settings;
pub(super) mod endpoint;
pub(super) mod ini;
pub(super) mod named;
pub(super) mod partition;
pub(super) mod profile;
pub(super) mod proxy;
pub(super) mod region;
pub(super) mod service;
pub(super) mod service_endpoint;
pub(super) mod shared_files;
pub(super) mod tls_files;
pub(super) mod variables;
