//! Host names to addresses, by the system's own resolver, which blocks.

use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{io, vec};

use hyper::client::connect::dns::Name;
use hyper::service::Service;

use crate::store::s3::helpers::Helpers;

/// Resolves each name on a helper thread of its own. No thread is kept: a program that holds a lock
/// for an hour should not hold an idle thread for it.
#[derive(Clone)]
pub(crate) struct Resolver {
    helpers: Helpers,
}

impl Resolver {
    pub(crate) fn new(helpers: Helpers) -> Resolver {
        Resolver { helpers }
    }
}

type Addresses = vec::IntoIter<SocketAddr>;

impl Service<Name> for Resolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let helpers = self.helpers.clone();
        Box::pin(async move {
            let resolve = move || (name.as_str(), 0).to_socket_addrs();
            let resolved = helpers.run("resolver", resolve).await;
            // Told as a connection that cannot be made: nothing was sent.
            let no_thread = |e| io::Error::other(format!("no thread to resolve its name: {e}"));
            resolved.map_err(no_thread)?
        })
    }
}
