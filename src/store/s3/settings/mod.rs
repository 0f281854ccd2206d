//! What the environment and AWS's shared files say: variables, profiles, endpoints, regions.

pub(super) mod endpoint;
mod ini;
pub(super) mod named;
pub(super) mod profile;
pub(super) mod region;
pub(super) mod shared_files;
pub(super) mod tls_files;
pub(super) mod variables;
