//! What the environment and AWS's shared files say: variables, profiles, endpoints, regions.

pub(super) mod aws_host;
pub(super) mod aws_settings;
pub(super) mod endpoint;
pub(super) mod ini;
pub(super) mod named;
pub(super) mod partition;
pub(super) mod profile;
pub(super) mod region;
pub(super) mod service;
pub(super) mod service_endpoint;
pub(super) mod shared_files;
pub(super) mod tls_files;
pub(super) mod variables;
