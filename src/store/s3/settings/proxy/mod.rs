//! Proxies: which connections go through which one. Tunnels through them are in `network/`.
//!
//! `proxies.rs` has the rules of the variables, with `NO_PROXY` in `exceptions.rs`; `one_proxy.rs` reads
//! the URL of a proxy.

mod exceptions;
pub(in crate::store::s3) mod one_proxy;
pub(in crate::store::s3) mod proxies;
