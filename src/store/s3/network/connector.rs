//! Makes connections, with and without TLS and a proxy, within one time limit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::service::Service;
use hyper_tls::MaybeHttpsStream;

use crate::store::s3::network::connect_error::{ConnectError, Step};
use crate::store::s3::network::dialer::Dialer;
use crate::store::s3::network::no_fork::NoFork;
use crate::store::s3::network::progress::Progress;
use crate::store::s3::network::proxied_dialer::{ProxiedDialer, RawStream};
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::tls::Tls;
use crate::store::s3::network::tls_dialer::TlsDialer;
use crate::store::s3::settings::proxy::proxies::Proxies;
use crate::store::s3::url::is_https;
use crate::types::text::seconds;

/// A connector with one time limit for all of it: name lookup, connecting, the proxy's reply and the TLS
/// handshake. Hyper's own connect timeout covers only the second one.
#[derive(Clone)]
pub(crate) struct Connector {
    resolver: Resolver,
    tls: TlsDialer,
    proxies: Proxies,
    limit: Duration,
}

type Stream = MaybeHttpsStream<RawStream>;

impl Connector {
    pub(crate) fn new(
        resolver: Resolver,
        tls: Arc<Tls>,
        limit: Duration,
        proxies: Proxies,
    ) -> Connector {
        Connector {
            resolver,
            tls: TlsDialer::new(tls, limit),
            proxies,
            limit,
        }
    }

    /// What one attempt dials with.
    fn dialer(&self) -> ProxiedDialer {
        let Connector {
            resolver,
            tls,
            proxies,
            ..
        } = self.clone();
        let progress = Progress::default();
        let dialer = Dialer::new(resolver, progress.clone());
        ProxiedDialer::new(dialer, tls, proxies, progress)
    }

    /// Whether TLS is spoken on the way to the host of a URL: with that host or with a proxy.
    fn is_tls(&self, uri: &Uri) -> bool {
        let proxy = self.proxies.of(uri);
        is_https(uri) || proxy.is_some_and(|proxy| is_https(proxy.uri()))
    }
}

async fn connect(
    mut dialer: ProxiedDialer,
    tls: TlsDialer,
    uri: Uri,
) -> Result<Stream, ConnectError> {
    if !is_https(&uri) {
        return Ok(MaybeHttpsStream::Http(dialer.call(uri).await?));
    }
    let proxy = dialer.proxy_to(&uri).cloned();
    let connected = tls.connect(dialer, uri).await;
    connected.map_err(|error| match proxy {
        // The proxy may have a part in it: some end TLS themselves.
        Some(proxy) if !matches!(error.step, Step::Proxy | Step::BeyondProxy) => {
            error.through(&proxy)
        }
        _ => error,
    })
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
        let is_tls = self.is_tls(&uri);
        let is_forwarded = self.proxies.forwarding_proxy(&uri).is_some();
        let dialer = self.dialer();
        let connect = connect(dialer.clone(), self.tls.clone(), uri.clone());
        let connect = NoFork::new(Box::pin(connect), is_tls);
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connect).await;
            let late = |_| dialer.late(&uri, &seconds(&limit));
            let stream = NoFork::new(connected.map_err(late)??, is_tls);
            Ok(if is_forwarded {
                stream.of_forwarding_proxy()
            } else {
                stream
            })
        })
    }
}
