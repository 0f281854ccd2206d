//! TLS over a stream that something else opens: to a store, or to a proxy.

use std::sync::{Arc, OnceLock};

use hyper::Uri;
use hyper::service::Service;
use hyper_tls::native_tls::TlsConnector;
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::store::s3::network::connect_error::ConnectError;
use crate::store::s3::network::tls;

/// Makes connections with TLS.
#[derive(Clone, Default)]
pub(super) struct TlsOver {
    /// Built when first needed: it reads the machine's certificates, which takes megabytes.
    built: Arc<OnceLock<TlsConnector>>,
}

impl TlsOver {
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
        let host = uri
            .authority()
            .map_or_else(String::new, ToString::to_string);
        let mut https = HttpsConnector::from((dialer, self.connector()?.into()));
        let connected = https.call(uri).await;
        connected.map_err(|error| match error.downcast::<ConnectError>() {
            Ok(error) => *error,
            Err(error) => tls::failed(&host, error.as_ref()),
        })
    }

    fn connector(&self) -> Result<TlsConnector, ConnectError> {
        if let Some(built) = self.built.get() {
            return Ok(built.clone());
        }
        let built = tls::connector()?;
        Ok(self.built.get_or_init(|| built).clone())
    }
}
