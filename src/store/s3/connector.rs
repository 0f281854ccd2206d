//! Makes connections, with and without TLS, within one time limit.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::client::HttpConnector;
use hyper::http::uri::Scheme;
use hyper::service::Service;
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use tokio::net::TcpStream;

use crate::store::s3::no_fork::NoFork;
use crate::store::s3::resolver::Resolver;
use crate::types::text::seconds;

/// A connector with one time limit for all of it: name lookup, connecting and the TLS handshake.
/// Hyper's own connect timeout covers only the middle one.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<Resolver>,
    /// Built when first needed: it reads the machine's certificates, which takes megabytes.
    tls: Arc<OnceLock<HttpsConnector<HttpConnector<Resolver>>>>,
    limit: Duration,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TcpStream>;

impl Connector {
    pub(crate) fn new(resolver: Resolver, limit: Duration) -> Connector {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        // A request is one small packet. Waiting to fill a larger one only delays it.
        tcp.set_nodelay(true);
        let tls = Arc::default();
        Connector { tcp, tls, limit }
    }

    async fn connect(mut self, uri: Uri) -> Result<Stream, BoxError> {
        if uri.scheme() == Some(&Scheme::HTTP) {
            return Ok(MaybeHttpsStream::Http(self.tcp.call(uri).await?));
        }
        let mut tls = match self.tls.get() {
            Some(tls) => tls.clone(),
            None => {
                let built = native_tls::TlsConnector::new()?;
                let built = HttpsConnector::from((self.tcp, built.into()));
                self.tls.get_or_init(|| built).clone()
            }
        };
        tls.call(uri).await
    }
}

impl Service<Uri> for Connector {
    type Response = NoFork<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<NoFork<Stream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        let is_tls = uri.scheme() != Some(&Scheme::HTTP);
        let connect = NoFork::new(Box::pin(self.clone().connect(uri)), is_tls);
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connect).await;
            let late = |_| format!("nobody answered within {}", seconds(&limit));
            let stream = connected.map_err(late)??;
            Ok(NoFork::new(stream, is_tls))
        })
    }
}
