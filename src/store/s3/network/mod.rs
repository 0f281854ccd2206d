//! Connections: from the name of a host to a stream of bytes, with and without a proxy and TLS, and
//! requests and replies over it. What goes wrong on the way is told by the step at which it did.

pub(super) mod advice;
pub(super) mod connect_error;
mod connector;
mod dialer;
mod final_dot;
mod handshake;
mod no_fork;
mod pem;
mod proxied_dialer;
pub(super) mod proxy;
pub(super) mod resolver;
pub(super) mod tls;
mod tls_dialer;
mod tls_setup;
pub(super) mod transport;
mod url;
