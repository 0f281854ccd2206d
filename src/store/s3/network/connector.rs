//! Makes connections, with and without TLS, within one time limit.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper::service::Service;
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use tokio::net::TcpStream;

use crate::store::s3::network::connect_error::{ConnectError, Step};
use crate::store::s3::network::dialer::Dialer;
use crate::store::s3::network::no_fork::NoFork;
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::tls;
use crate::types::text::seconds;

/// A connector with one time limit for all of it: name lookup, connecting and the TLS handshake.
/// Hyper's own connect timeout covers only the middle one.
#[derive(Clone)]
pub(crate) struct Connector {
    dialer: Dialer,
    /// Built when first needed: it reads the machine's certificates, which takes megabytes.
    tls: Arc<OnceLock<HttpsConnector<Dialer>>>,
    limit: Duration,
}

type Stream = MaybeHttpsStream<TcpStream>;

impl Connector {
    pub(crate) fn new(resolver: Resolver, limit: Duration) -> Connector {
        let (dialer, tls) = (Dialer::new(resolver), Arc::default());
        Connector { dialer, tls, limit }
    }

    async fn connect(mut self, uri: Uri) -> Result<Stream, ConnectError> {
        if uri.scheme() == Some(&Scheme::HTTP) {
            return Ok(MaybeHttpsStream::Http(self.dialer.call(uri).await?));
        }
        let host = host_of(&uri);
        let mut tls = match self.tls.get() {
            Some(tls) => tls.clone(),
            None => {
                let built = HttpsConnector::from((self.dialer, tls::connector()?.into()));
                self.tls.get_or_init(|| built).clone()
            }
        };
        let connected = tls.call(uri).await;
        connected.map_err(|error| match error.downcast::<ConnectError>() {
            Ok(error) => *error,
            Err(error) => tls::failed(&host, error.as_ref()),
        })
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
