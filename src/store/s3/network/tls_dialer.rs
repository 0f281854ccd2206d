//! Makes connections with TLS, to a store or to a proxy, over the streams of another dialer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::service::Service;
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::store::s3::network::connect_error::ConnectError;
use crate::store::s3::network::final_dot::{FixedDialer, without_final_dot};
use crate::store::s3::network::tls::Tls;
use crate::store::s3::url::authority;

/// Makes connections with TLS.
#[derive(Clone)]
pub(super) struct TlsDialer {
    tls: Arc<Tls>,
    /// How long a connection may take.
    limit: Duration,
}

impl TlsDialer {
    pub(super) fn new(tls: Arc<Tls>, limit: Duration) -> TlsDialer {
        TlsDialer { tls, limit }
    }

    /// Has the host of a URL dialed, and makes the handshake with it.
    pub(super) async fn connect<D>(
        &self,
        dialer: D,
        uri: Uri,
    ) -> Result<MaybeHttpsStream<D::Response>, ConnectError>
    where
        D: Service<Uri, Error = ConnectError>,
        D::Response: AsyncRead + AsyncWrite + Send + Unpin,
        D::Future: Send + 'static,
    {
        let host = authority(&uri).to_owned();
        // Most of the time: files that take all of it are to be told as such.
        let connector = self.tls.connector(self.limit * 9 / 10).await?;
        let name = without_final_dot(&uri);
        let mut https = HttpsConnector::from((FixedDialer { dialer, uri }, connector.into()));
        let connected = https.call(name).await;
        let error = match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => error as Box<dyn Error + Send + Sync>,
        };
        match error.downcast::<ConnectError>() {
            Ok(error) => Err(*error),
            Err(error) => Err(self.tls.failed(&host, error).await),
        }
    }
}
