//! Proxies: which connections go through one, how one is asked for a tunnel, and what helps if it
//! refuses.

mod exceptions;
pub(in crate::store::s3) mod one_proxy;
pub(in crate::store::s3) mod proxies;
pub(super) mod tunnel;
pub(super) mod tunnel_reply;
