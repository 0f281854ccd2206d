//! What TLS connections are made with. It is read from files when first needed, and again when they
//! have changed.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use native_tls::TlsConnector;

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::network::connect_error::ConnectError;
use crate::store::s3::network::handshake::{Details, Failure, texts};
use crate::store::s3::network::tls_setup::{self, Contents, Setup};
#[cfg(feature = "cli")]
use crate::store::s3::settings::tls_files::NamedFile;
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
    /// Locked while files are read: who comes meanwhile uses what they brought.
    reading: tokio::sync::Mutex<()>,
}

impl Tls {
    pub(crate) fn new(files: TlsFiles, threads: BlockingThreads, clock: Clock) -> Tls {
        Tls {
            files: Arc::new(files),
            threads,
            clock,
            setup: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Which certificates are trusted, for people.
    #[cfg(feature = "cli")]
    pub(super) fn trusts(&self) -> String {
        let bundle = self.files.ca_bundle.as_ref();
        bundle.map_or("the system's certificates".to_owned(), NamedFile::shown)
    }

    /// Reads what is needed, if nothing was read so far. What goes wrong is told by the next connection.
    pub(super) async fn ready(&self, limit: Duration) {
        if lock(&self.setup).is_none() {
            let _ = self.connector(limit).await;
        }
    }

    /// Makes TLS handshakes. Files that have changed since the last connection are read again. If they
    /// cannot be used now, that changes nothing: they may be half written.
    pub(super) async fn connector(&self, limit: Duration) -> Result<TlsConnector, ConnectError> {
        if let Some(known) = self.as_it_stands() {
            return Ok(known);
        }
        // Who has a set-up already does not wait long for a disk that hangs: the handshake takes time, too.
        let limit = match *lock(&self.setup) {
            Some(_) => limit * 2 / 3,
            None => limit,
        };
        let made = match tokio::time::timeout(limit, self.renewed()).await {
            Ok(made) => made,
            Err(_) => Err(self.late(limit)),
        };
        let known = lock(&self.setup).clone();
        match (made, known) {
            (Ok(setup), _) => Ok(setup.connector),
            (Err(error), Some(known)) => {
                logs::warn!("{error}; new connections use what these files held before");
                Ok(known.connector)
            }
            (Err(error), None) => Err(ConnectError::of_this_machine(error)),
        }
    }

    /// What was made before, if there are no files that may have changed.
    fn as_it_stands(&self) -> Option<TlsConnector> {
        let setup = lock(&self.setup);
        let setup = setup.as_ref().filter(|_| self.files.is_empty());
        setup.map(|setup| setup.connector.clone())
    }

    /// Reads the files if they have changed, and makes a set-up of them.
    async fn renewed(&self) -> Result<Setup, LockError> {
        let _one_at_a_time = self.reading.lock().await;
        let before = lock(&self.setup).clone();
        let contents = if self.files.is_empty() {
            before.is_none().then(Contents::default)
        } else {
            let (files, stamps) = (
                self.files.clone(),
                before.as_ref().map(|b| b.stamps.clone()),
            );
            let work = move || Contents::read(&files, stamps);
            let read = self.threads.run("tls", work).await;
            read.map_err(LockError::of_this_machine)??
        };
        let setup = match (contents, before) {
            (None, Some(before)) => return Ok(before),
            (contents, _) => tls_setup::make(&self.files, contents.unwrap_or_default())?,
        };
        *lock(&self.setup) = Some(setup.clone());
        Ok(setup)
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
