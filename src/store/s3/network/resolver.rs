//! Resolves host names with the system's own resolver, which blocks.

use std::error::Error;
use std::future::{self, Future};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io, vec};

use hyper::client::connect::dns::Name;
use hyper::service::Service;

use crate::store::s3::blocking::BlockingThreads;

/// Resolves each name on a thread of its own. It keeps no thread: a program that holds a lock for
/// an hour should not keep an idle thread for it.
#[derive(Clone)]
pub(crate) struct Resolver {
    threads: BlockingThreads,
    look_up: fn(&str) -> io::Result<Addresses>,
}

pub(crate) type Addresses = vec::IntoIter<SocketAddr>;

impl Resolver {
    pub(crate) fn new(threads: BlockingThreads) -> Resolver {
        Resolver::with(threads, |name| (name, 0).to_socket_addrs())
    }

    /// A resolver that calls `look_up` instead of the system.
    pub(crate) fn with(
        threads: BlockingThreads,
        look_up: fn(&str) -> io::Result<Addresses>,
    ) -> Resolver {
        Resolver { threads, look_up }
    }
}

/// A name that has no address.
#[derive(Debug)]
pub(super) struct NameError(io::Error);

impl NameError {
    fn of(error: io::Error) -> io::Error {
        io::Error::other(NameError(error))
    }

    /// Whether this error says so.
    pub(super) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<NameError>())
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for NameError {}

/// Whether a name is this machine's by its ending (RFC 6761, section 6.3). Not all systems resolve such
/// names, and no other may be asked: it could name another machine. `localhost` alone they all resolve,
/// without a final dot.
fn is_of_this_machine(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = match name.strip_suffix('.') {
        Some("localhost") => return true,
        Some(rest) => rest,
        None => &name,
    };
    name.ends_with(".localhost")
}

fn loopback() -> Addresses {
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
    addresses.collect::<Vec<_>>().into_iter()
}

impl Service<Name> for Resolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if is_of_this_machine(name.as_str()) {
            return Box::pin(future::ready(Ok(loopback())));
        }
        let Resolver { threads, look_up } = self.clone();
        Box::pin(async move {
            let resolved = threads.run("resolver", move || look_up(name.as_str()));
            // Reported as a failure to connect: nothing was sent.
            let no_thread = |e| io::Error::other(format!("no thread to resolve its name: {e}"));
            resolved.await.map_err(no_thread)?.map_err(NameError::of)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_localhost_are_this_machines() {
        for name in [
            "bucket.localhost",
            "a.b.LocalHost",
            "bucket.localhost.",
            "LocalHost.",
        ] {
            assert!(is_of_this_machine(name), "{name}");
        }
        for name in [
            "localhost",
            "mylocalhost",
            "localhost.example",
            "host.local",
        ] {
            assert!(!is_of_this_machine(name), "{name}");
        }
        assert!(loopback().all(|address| address.ip().is_loopback()));
    }
}
