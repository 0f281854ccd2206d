//! Connections: from the name of a host to a stream of bytes, with and without a proxy and TLS, and
//! requests and replies over it. What goes wrong on the way is told by the step at which it did.

pub(super) mod connect_error;
mod connector;
mod dialer;
mod no_fork;
mod proxied_dialer;
pub(super) mod proxy;
pub(super) mod resolver;
mod tls;
mod tls_over;
pub(super) mod transport;
