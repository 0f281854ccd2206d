//! What every source of credentials works with: a way to ask, and a way to fail.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use hyper::{Body, Request};
use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::Source;
use crate::store::s3::dispatch::{Dispatcher, SendError};
use crate::store::s3::helpers::Helpers;
use crate::store::s3::named::Named;
use crate::store::s3::profile;
use crate::store::s3::reply::Reply;
use crate::sys::clock::Clock;
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};

/// What a look-up needs.
pub(crate) struct Tools {
    pub source: Source,
    /// The region, if the caller or the environment named one.
    pub region: Option<Named>,
    pub dispatcher: Arc<Dispatcher>,
    pub helpers: Helpers,
    pub clock: Clock,
    /// How long each place may take: less than a request, which waits for it and tells its error.
    pub limit: Duration,
}

/// More bytes than any token.
const MAX_TOKEN: u64 = 64 << 10;

/// Credentials, without a way to print them by accident.
pub(super) struct Found(pub AwsCredentials);

/// What looking in one place came to.
pub(super) enum Looked {
    Found(Found),
    /// There are none; for people, what was looked at and what became of it.
    Nothing(String),
    /// Nobody answers where on other machines somebody would; the same, and the error that it is
    /// where somebody did answer before.
    Silent {
        note: String,
        failure: Failure,
    },
}

/// Why a place that should have credentials gave none.
#[derive(Clone)]
pub(super) enum Failure {
    /// Somebody has to correct something.
    Config(ConfigError),
    /// The source was asked and did not deliver; its kind tells whether it may do so later.
    Storage(StorageError),
}

impl Failure {
    pub(super) fn config(message: impl Into<String>) -> Failure {
        Failure::Config(ConfigError::new("credentials", message))
    }

    pub(super) fn storage(kind: StorageErrorKind, what: impl Into<String>) -> Failure {
        Failure::Storage(StorageError::new(kind, what).before_sending())
    }

    pub(super) fn no_thread(error: io::Error) -> Failure {
        SendError::NotSent(LockError::of_this_machine(error)).into()
    }

    pub(super) fn kind(&self) -> Option<StorageErrorKind> {
        match self {
            Failure::Config(_) => None,
            Failure::Storage(error) => Some(error.kind()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Config(error)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Failure {
        match error {
            SendError::NotSent(LockError::Storage(error))
            | SendError::NoAnswer(LockError::Storage(error)) => {
                Failure::Storage(error.before_sending())
            }
            SendError::NotSent(LockError::Config(error))
            | SendError::NoAnswer(LockError::Config(error)) => Failure::Config(error),
            SendError::NotSent(other) | SendError::NoAnswer(other) => {
                Failure::config(other.to_string())
            }
        }
    }
}

impl From<Failure> for LockError {
    fn from(failure: Failure) -> LockError {
        match failure {
            Failure::Config(error) => LockError::Config(error),
            Failure::Storage(error) => LockError::Storage(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(error) => error.fmt(f),
            Failure::Storage(error) => error.fmt(f),
        }
    }
}

/// A request to a source of credentials.
pub(super) struct Ask<'a> {
    pub method: &'a str,
    pub url: &'a str,
    /// The source, for people: the URL may hold what is nobody's business.
    pub place: &'a str,
    pub header: Option<(&'a str, &'a str)>,
}

impl Tools {
    /// Asks a source, which has until `limit` to answer in full.
    pub(super) async fn ask(&self, ask: &Ask<'_>, limit: Duration) -> Result<Reply, Failure> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.url)
            .header("user-agent", USER_AGENT)
            // It is asked once an hour or so: no connection is kept for that.
            .header("connection", "close");
        if let Some((name, value)) = ask.header {
            request = request.header(name, value);
        }
        let request = request.body(Body::empty()).map_err(|_| {
            let place = ask.place;
            Failure::config(format!(
                "{place} cannot be asked: its URL or token is malformed"
            ))
        })?;
        let what = format!("a request for credentials to {}", ask.place);
        let reply = self.dispatcher.send_as(&what, request, limit).await;
        let advice = || "check its address, the network and that it is up".to_owned();
        Ok(reply.map_err(|error| error.advised(advice))?)
    }

    /// Reads a file of text that is not long, like a token.
    pub(super) async fn read(&self, file: &str) -> Result<io::Result<String>, Failure> {
        let path = profile::expanded(file, &self.helpers).await;
        let Some(path) = path.map_err(Failure::no_thread)? else {
            let what = "there is no such home directory";
            return Ok(Err(io::Error::new(io::ErrorKind::NotFound, what)));
        };
        let text = self.helpers.read(path, MAX_TOKEN).await;
        text.map_err(Failure::no_thread)
    }

    /// The region of services other than S3.
    pub(super) async fn region(&self) -> Result<Named, Failure> {
        match &self.region {
            Some(region) => Ok(region.clone()),
            // As for a store of one's own: whoever names no region hardly has several.
            None => {
                let region = profile::region(&self.source, true, &self.helpers).await;
                region.map_err(|error| SendError::NotSent(error).into())
            }
        }
    }
}

const USER_AGENT: &str = concat!("s3-lock/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_keeps_its_name() {
        let wrong = ConfigError::invalid("region", "Europe", "a region looks like eu-central-1");
        match Failure::from(SendError::NotSent(wrong.into())) {
            Failure::Config(error) => assert_eq!(error.field(), "region"),
            Failure::Storage(error) => panic!("{error}"),
        }
    }
}
