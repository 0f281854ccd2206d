//! What TLS connections are made with. It is read from files when first needed, and again when they
//! have changed.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use native_tls::TlsConnector;

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::network::connect_error::ConnectError;
use crate::store::s3::network::handshake::{Details, Failure, texts};
use crate::store::s3::network::tls_setup::{self, Setup};
use crate::store::s3::settings::tls_files::TlsFiles;
use crate::sys::clock::Clock;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::text::seconds;

/// Makes and keeps the TLS set-up of a client.
pub(crate) struct Tls {
    files: Arc<TlsFiles>,
    threads: BlockingThreads,
    clock: Clock,
    setup: Mutex<Option<Setup>>,
}

impl Tls {
    pub(crate) fn new(files: TlsFiles, threads: BlockingThreads, clock: Clock) -> Tls {
        Tls {
            files: Arc::new(files),
            threads,
            clock,
            setup: Mutex::default(),
        }
    }

    /// Makes TLS handshakes. Files that have changed since the last connection are read again. If they
    /// cannot be used now, that changes nothing: they may be half written.
    pub(super) async fn connector(&self, limit: Duration) -> Result<TlsConnector, ConnectError> {
        let known = lock(&self.setup).clone();
        if let Some(known) = known.as_ref().filter(|_| self.files.is_empty()) {
            return Ok(known.connector.clone());
        }
        let (files, before) = (self.files.clone(), known.clone());
        let work = self
            .threads
            .run("tls", move || tls_setup::renewed(&files, before));
        let made = match tokio::time::timeout(limit, work).await {
            Ok(Ok(made)) => made,
            Ok(Err(no_thread)) => Err(LockError::of_this_machine(no_thread)),
            Err(_) => Err(self.late(limit)),
        };
        match (made, known) {
            (Ok(setup), _) => {
                let connector = setup.connector.clone();
                *lock(&self.setup) = Some(setup);
                Ok(connector)
            }
            (Err(error), Some(known)) => {
                logs::warn!("{error}; new connections use what these files held before");
                Ok(known.connector)
            }
            (Err(error), None) => Err(ConnectError::of_this_machine(error)),
        }
    }

    fn late(&self, limit: Duration) -> LockError {
        let which = self.files.shown();
        let what = format!("{which} could not be read within {}", seconds(&limit));
        let error = StorageError::new(StorageErrorKind::NoAnswer, what);
        let error = error.with_hint("check the disk that they are on");
        error.before_sending().into()
    }

    /// Tells why a handshake with `host` failed. The next one reads all certificates anew: what was
    /// wrong may have been mended.
    pub(super) async fn failed(
        &self,
        host: &str,
        error: Box<dyn Error + Send + Sync>,
    ) -> ConnectError {
        *lock(&self.setup) = None;
        let text = texts(error.as_ref());
        drop(error);
        let failure = Failure::of(&text);
        let looks = failure.is_about_trust() && self.files.ca_bundle.is_none();
        let unusable = if looks {
            let look = self
                .threads
                .run("reader", tls_setup::unusable_variable)
                .await;
            // Without a thread, it is only not known.
            look.ok().flatten()
        } else {
            None
        };
        failure.told(&Details {
            host,
            text: &text,
            files: &self.files,
            wall: self.clock.wall(),
            unusable,
        })
    }

    /// Tells why `host` ended a connection that was in use, if TLS says why. With TLS 1.3, it rejects a
    /// client's certificate only then.
    pub(super) fn ended(
        &self,
        host: &str,
        error: &(dyn Error + 'static),
    ) -> Option<(String, String)> {
        Failure::after_handshake(&texts(error), host, &self.files)
    }
}
