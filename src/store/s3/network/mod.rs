//! Connections: from the name of a host to a stream of bytes, with and without a proxy and TLS, and
//! requests and replies over it. What goes wrong on the way is told by the step at which it did.
//!
//! From the top down: `transport.rs` sends a request over a pooled connection and reads the reply.
//! `connector.rs` makes a connection within its time: by `proxied_dialer.rs`, through a proxy if one is
//! set, of which `tunnel.rs` asks a tunnel (`tunnel_reply.rs`); by `tls_dialer.rs`, with TLS; and by `dialer.rs`, which connects to an address that
//! `resolver.rs` has found. `progress.rs` is how far that got. `no_fork.rs` keeps forks out of TLS, `final_dot.rs` a dot out of its names.
//!
//! For TLS, `tls.rs` keeps the set-up that `tls_setup.rs` makes from files, which `pem.rs` reads.
//! `handshake.rs` tells why a handshake failed. `connect_error.rs` is the error of them all, and
//! `advice.rs` says what helps.

pub(super) mod advice;
pub(super) mod connect_error;
mod connector;
mod dialer;
mod final_dot;
mod handshake;
mod no_fork;
mod pem;
mod progress;
mod proxied_dialer;
pub(super) mod resolver;
pub(super) mod tls;
mod tls_dialer;
mod tls_setup;
pub(super) mod transport;
mod tunnel;
mod tunnel_reply;
