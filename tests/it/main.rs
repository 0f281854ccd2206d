//! The lock against a real S3 server in this process: real HTTP, real signatures.

#[path = "../support/mod.rs"]
mod support;
