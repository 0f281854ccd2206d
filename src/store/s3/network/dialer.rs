//! Opens a stream of bytes to a host: finds its addresses and connects to one of them.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::client::HttpConnector;
use hyper::client::connect::dns::Name;
use hyper::service::Service;
use tokio::net::TcpStream;

use crate::store::s3::network::connect_error::{ConnectError, Step, causes, root_cause};
use crate::store::s3::network::progress::{Phase, Progress};
use crate::store::s3::network::resolver::{Addresses, NameError, Resolver};
use crate::store::s3::url::authority;

/// Makes TCP connections.
#[derive(Clone)]
pub(super) struct Dialer {
    tcp: HttpConnector<WatchedResolver>,
    progress: Progress,
}

impl Dialer {
    /// A dialer that tells how far it is by `progress`.
    pub(super) fn new(resolver: Resolver, progress: Progress) -> Dialer {
        let mut tcp = HttpConnector::new_with_resolver(WatchedResolver {
            resolver,
            progress: progress.clone(),
        });
        tcp.enforce_http(false);
        // A request is one small packet. Waiting to fill a larger one only delays it.
        tcp.set_nodelay(true);
        Dialer { tcp, progress }
    }

    async fn dial(mut self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let dialed = self.tcp.call(uri.clone()).await;
        let stream = dialed.map_err(|error| not_connected(authority(&uri), &error))?;
        self.progress.reached(Phase::Dialed);
        Ok(stream)
    }
}

/// A resolver that tells when it begins and when it has ended. An address is never looked up.
#[derive(Clone)]
struct WatchedResolver {
    resolver: Resolver,
    progress: Progress,
}

impl Service<Name> for WatchedResolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.resolver.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        self.progress.reached(Phase::LookUp);
        let (found, progress) = (self.resolver.call(name), self.progress.clone());
        Box::pin(async move {
            let found = found.await;
            progress.reached(Phase::Dialing);
            found
        })
    }
}

fn not_connected(host: &str, error: &(dyn Error + 'static)) -> ConnectError {
    let cause = root_cause(error);
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    if io.is_some_and(NameError::is_in) {
        return ConnectError::new(
            Step::Name,
            format!("no address is known for {host} ({cause})"),
        );
    }
    let is_refused = io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused);
    let step = if is_refused {
        Step::Refused
    } else {
        Step::Silent
    };
    ConnectError::new(step, format!("no connection to {host} ({cause})"))
}

impl Service<Uri> for Dialer {
    type Response = TcpStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TcpStream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}
