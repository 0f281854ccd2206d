//! Opens a stream of bytes to a host, directly or through a proxy.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::service::Service;
use hyper_tls::MaybeHttpsStream;
use tokio::net::TcpStream;

use crate::store::s3::network::connect_error::{ConnectError, Step};
use crate::store::s3::network::dialer::Dialer;
use crate::store::s3::network::progress::{Phase, Progress};
use crate::store::s3::network::tls_dialer::TlsDialer;
use crate::store::s3::network::tunnel;
use crate::store::s3::network::tunnel_reply::way_around;
use crate::store::s3::settings::proxy::one_proxy::Proxy;
use crate::store::s3::settings::proxy::proxies::Proxies;
use crate::store::s3::url::{authority, host_and_port, is_https};

/// A stream to a host or to a proxy. With TLS if it is to a proxy that wants that.
pub(super) type RawStream = MaybeHttpsStream<TcpStream>;

/// Makes one stream.
#[derive(Clone)]
pub(super) struct ProxiedDialer {
    dialer: Dialer,
    tls: TlsDialer,
    proxies: Proxies,
    progress: Progress,
}

impl ProxiedDialer {
    /// Dials with `dialer`, which tells how far it is by `progress`.
    pub(super) fn new(
        dialer: Dialer,
        tls: TlsDialer,
        proxies: Proxies,
        progress: Progress,
    ) -> ProxiedDialer {
        ProxiedDialer {
            dialer,
            tls,
            proxies,
            progress,
        }
    }

    /// The proxy on the way to the host of a URL.
    pub(super) fn proxy_to(&self, uri: &Uri) -> Option<&Proxy> {
        self.proxies.of(uri)
    }

    /// The error if there is no connection to a host within some time. It tells how far this attempt
    /// got.
    pub(super) fn late(&self, uri: &Uri, limit: &str) -> ConnectError {
        let phase = self.progress.phase();
        let Some(proxy) = self.proxy_to(uri) else {
            return phase.late(authority(uri), limit);
        };
        match phase {
            Phase::LookUp | Phase::Dialing | Phase::Dialed => {
                not_reached(proxy, phase.late(authority(proxy.uri()), limit))
            }
            Phase::ProxyAsked => {
                let to = &host_and_port(uri);
                let what = format!("{proxy} made no connection to {to} within {limit}");
                let error = ConnectError::new(Step::BeyondProxy, what).or(way_around(proxy, to));
                error.and_remedy(&proxy.note())
            }
            Phase::Passed => {
                let through = format!("{} through {proxy}", authority(uri));
                phase.late(&through, limit)
            }
        }
    }

    async fn open(mut self, uri: Uri) -> Result<RawStream, ConnectError> {
        let Some(proxy) = self.proxy_to(&uri).cloned() else {
            return Ok(MaybeHttpsStream::Http(self.dialer.call(uri).await?));
        };
        let reached = self.reach(&proxy).await;
        let mut stream = reached.map_err(|error| not_reached(&proxy, error))?;
        self.progress.reached(Phase::ProxyAsked);
        if is_https(&uri) {
            let opened = tunnel::open(&mut stream, &host_and_port(&uri), &proxy).await;
            opened.map_err(|error| error.and_remedy(&proxy.note()))?;
            self.progress.reached(Phase::Passed);
        }
        Ok(stream)
    }

    async fn reach(&self, proxy: &Proxy) -> Result<RawStream, ConnectError> {
        let mut dialer = self.dialer.clone();
        let uri = proxy.uri().clone();
        if !is_https(&uri) {
            return Ok(MaybeHttpsStream::Http(dialer.call(uri).await?));
        }
        self.tls.connect(dialer, uri).await
    }
}

fn not_reached(proxy: &Proxy, error: ConnectError) -> ConnectError {
    if error.local_error.is_some() {
        // It was not even tried.
        return error;
    }
    let own = || remedy(error.step, proxy);
    let remedy = error.remedy.clone().unwrap_or_else(own);
    let what = format!("{proxy} was not reached: {error}");
    let error = ConnectError::new(Step::Proxy, what).with_remedy(remedy);
    error.and_remedy(&proxy.note())
}

/// What helps if the way to a proxy ends at this step.
fn remedy(step: Step, proxy: &Proxy) -> String {
    let by = proxy.set_by();
    match step {
        Step::Name => {
            format!("check the spelling of the proxy's host in {by}, and this machine's DNS")
        }
        Step::Refused => format!("check the port in {by}, and that the proxy is up"),
        Step::Silent | Step::Proxy | Step::BeyondProxy | Step::Http | Step::Ended => {
            format!("check the host and port in {by}, and the network")
        }
        Step::Tls | Step::NotTls | Step::OtherName => format!(
            "check whether the proxy is https:// itself: most in {by} are http://, also for https \
             destinations"
        ),
    }
}

impl Service<Uri> for ProxiedDialer {
    type Response = RawStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<RawStream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().open(uri))
    }
}
