//! What every look-up of credentials needs: settings, connections, threads, and how to ask a
//! provider.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{self, HeaderValue};
use hyper::{Body, Request};

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::credentials::errors::{HANGING_FILE, failed, misconfigured, no_thread};
use crate::store::s3::credentials::sign_in::unsaved_tokens::UnsavedTokens;
use crate::store::s3::credentials::source::Source;
use crate::store::s3::network::connect_error::Step;
use crate::store::s3::network::transport::{Told, Transport};
use crate::store::s3::reply::Reply;
use crate::store::s3::settings::aws_settings::AwsSettings;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::service::Service;
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::store::s3::settings::variables::expanded;
use crate::sys::clock::Clock;
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::text::seconds;

/// What a look-up needs.
#[derive(Clone)]
pub(crate) struct LookUpContext {
    pub source: Source,
    /// The region, if the caller or the environment named one.
    pub region: Option<Named>,
    pub transport: Arc<Transport>,
    /// For providers on this machine or next to it: it never uses a proxy.
    pub direct: Arc<Transport>,
    pub threads: BlockingThreads,
    pub clock: Clock,
    /// How long each request of a look-up may take, and each reading of files. Less than a request to S3.
    pub limit: Duration,
    /// Renewed tokens of people who have signed in, where they could not be written down.
    pub unsaved_tokens: UnsavedTokens,
}

/// More bytes than any token has.
const MAX_TOKEN_FILE: u64 = 64 << 10;

/// Why a provider gave no credentials.
pub(super) enum NoCredentials {
    /// It has none. The note is for people: what was looked at, and the result.
    Nothing(String),
    /// Nothing answers at an address that answers on other machines. `note` is the same as above.
    /// `error` is for the case that it answered before.
    Silent { note: String, error: LockError },
    /// It is set up, and failed.
    Failed(LockError),
}

impl<E: Into<LockError>> From<E> for NoCredentials {
    fn from(error: E) -> NoCredentials {
        NoCredentials::Failed(error.into())
    }
}

/// What to check if a provider on this machine or next to it does not answer.
fn check_the_provider(_: Step) -> String {
    "check its address, the network and that it is up".to_owned()
}

impl LookUpContext {
    /// Asks a provider on this machine or next to it, never through a proxy.
    pub(super) async fn ask_directly(
        &self,
        place: &str,
        request: hyper::http::Result<Request<Body>>,
        limit: Duration,
    ) -> Result<Reply, LockError> {
        let request = request.map_err(|_| malformed(place))?;
        send_by(&self.direct, place, request, &check_the_provider, limit).await
    }

    /// Asks a provider, which has until `limit` to answer in full. Errors name it as `place`,
    /// because its URL may be a secret. `advice` says what to check if nothing answers.
    pub(super) async fn ask(
        &self,
        place: &str,
        request: hyper::http::Result<Request<Body>>,
        advice: &(dyn Fn(Step) -> String + Send + Sync),
        limit: Duration,
    ) -> Result<Reply, LockError> {
        let request = request.map_err(|_| malformed(place))?;
        self.send(place, request, advice, limit).await
    }

    /// The same with a request that is one.
    pub(super) async fn send(
        &self,
        place: &str,
        request: Request<Body>,
        advice: &(dyn Fn(Step) -> String + Send + Sync),
        limit: Duration,
    ) -> Result<Reply, LockError> {
        send_by(&self.transport, place, request, advice, limit).await
    }

    /// Reads AWS's shared files.
    pub(super) async fn shared_files(&self) -> Result<SharedFiles, LockError> {
        let files = SharedFiles::read(&self.threads);
        self.in_time("AWS's shared files", files).await
    }

    /// What a file brings, unless it hangs.
    pub(super) async fn in_time<T>(
        &self,
        file: &str,
        reading: impl Future<Output = io::Result<T>>,
    ) -> Result<T, LockError> {
        let read = tokio::time::timeout(self.limit, reading).await;
        let hangs = |_| {
            let limit = seconds(&self.limit);
            let what = format!(
                "the look-up of the credentials read {file} for {limit} without an end; {HANGING_FILE}"
            );
            failed(StorageErrorKind::NoAnswer, what)
        };
        read.map_err(hangs)?.map_err(no_thread)
    }

    /// Reads a short text file, such as a token.
    pub(super) async fn read(&self, file: &str) -> Result<io::Result<String>, LockError> {
        let path = self.in_time(file, expanded(file, &self.threads)).await?;
        let Some(path) = path else {
            let what = "there is no such home directory";
            return Ok(Err(io::Error::new(io::ErrorKind::NotFound, what)));
        };
        let text = self.threads.read(path, MAX_TOKEN_FILE);
        self.in_time(file, text).await
    }

    /// Where a service other than S3 is: in `region`, else in the client's. The files are read each time,
    /// because what they say may change between two look-ups.
    pub(super) async fn endpoint_of(
        &self,
        service: Service,
        region: Option<Named>,
    ) -> Result<ServiceEndpoint, LockError> {
        let files = self.shared_files().await?;
        let settings = AwsSettings::among(&files, self.source.profile());
        let region = match region.or_else(|| self.region.clone()) {
            Some(region) => region,
            None => settings.region()?.unwrap_or_else(Named::usual_region),
        };
        Ok(settings.service_endpoint(service, &region)?)
    }
}

fn malformed(place: &str) -> LockError {
    misconfigured(format!(
        "{place} cannot be asked: its URL or token is malformed"
    ))
}

async fn send_by(
    transport: &Transport,
    place: &str,
    mut request: Request<Body>,
    advice: &(dyn Fn(Step) -> String + Send + Sync),
    limit: Duration,
) -> Result<Reply, LockError> {
    // A provider is asked about once an hour: no connection is kept for that.
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(header::CONNECTION, close);
    let what = format!("a request for credentials to {place}");
    let told = Told {
        what: &what,
        advice,
    };
    let proxy = transport.forwarding_proxy(request.uri()).cloned();
    let reply = transport.send(told, request, limit).await;
    let reply = reply.map_err(|error| LockError::from(error).before_sending())?;
    match proxy {
        Some(proxy) if reply.status() == 407 => {
            let by = proxy.set_by();
            Err(misconfigured(format!(
                "{what} was answered 407 by {proxy}; put a user and a password into {by}, \
                 percent-encoded, or correct them{}",
                proxy.note()
            )))
        }
        _ => Ok(reply),
    }
}
