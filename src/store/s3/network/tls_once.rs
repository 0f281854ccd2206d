//! What a client trusts, built when it is first needed.

use std::sync::{Arc, OnceLock};

use hyper_tls::native_tls::TlsConnector;

use crate::store::s3::network::connect_error::ConnectError;
use crate::store::s3::network::tls;

/// Makes TLS handshakes. Built when first needed: it reads the machine's certificates, which takes
/// megabytes.
#[derive(Clone, Default)]
pub(super) struct TlsOnce(Arc<OnceLock<TlsConnector>>);

impl TlsOnce {
    pub(super) fn connector(&self) -> Result<TlsConnector, ConnectError> {
        if let Some(built) = self.0.get() {
            return Ok(built.clone());
        }
        let built = tls::connector()?;
        Ok(self.0.get_or_init(|| built).clone())
    }
}
