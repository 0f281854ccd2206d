//! Makes connections, with and without TLS, within one time limit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper::service::Service;
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use tokio::net::TcpStream;

use crate::store::s3::network::connect_error::{ConnectError, Step};
use crate::store::s3::network::dialer::Dialer;
use crate::store::s3::network::final_dot::{DialsThis, without_final_dot};
use crate::store::s3::network::no_fork::NoFork;
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::tls::Tls;
use crate::types::text::seconds;

/// A connector with one time limit for all of it: name lookup, connecting and the TLS handshake.
/// Hyper's own connect timeout covers only the middle one.
#[derive(Clone)]
pub(crate) struct Connector {
    dialer: Dialer,
    tls: Arc<Tls>,
    limit: Duration,
}

type Stream = MaybeHttpsStream<TcpStream>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Connector {
    pub(crate) fn new(resolver: Resolver, tls: Arc<Tls>, limit: Duration) -> Connector {
        let dialer = Dialer::new(resolver);
        Connector { dialer, tls, limit }
    }

    async fn connect(mut self, uri: Uri) -> Result<Stream, ConnectError> {
        if uri.scheme() == Some(&Scheme::HTTP) {
            return Ok(MaybeHttpsStream::Http(self.dialer.call(uri).await?));
        }
        let host = host_of(&uri);
        // Most of the time: files that take all of it are to be told as such.
        let connector = self.tls.connector(self.limit * 9 / 10).await?;
        let name = without_final_dot(&uri);
        let dialer = self.dialer;
        let mut https = HttpsConnector::from((DialsThis { dialer, uri }, connector.into()));
        let connected = https.call(name).await;
        match connected.map_err(|error: BoxError| error.downcast::<ConnectError>()) {
            Ok(stream) => Ok(stream),
            Err(Ok(error)) => Err(*error),
            Err(Err(error)) => Err(self.tls.failed(&host, error).await),
        }
    }
}

fn host_of(uri: &Uri) -> String {
    uri.authority()
        .map_or_else(String::new, ToString::to_string)
}

impl Service<Uri> for Connector {
    type Response = NoFork<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<NoFork<Stream>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        let is_tls = uri.scheme() != Some(&Scheme::HTTP);
        let host = host_of(&uri);
        let connect = NoFork::new(Box::pin(self.clone().connect(uri)), is_tls);
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connect).await;
            let late = |_| {
                let what = format!(
                    "no connection to {host}: nobody answered within {}",
                    seconds(&limit)
                );
                ConnectError::new(Step::Silent, what)
            };
            let stream = connected.map_err(late)??;
            Ok(NoFork::new(stream, is_tls))
        })
    }
}
