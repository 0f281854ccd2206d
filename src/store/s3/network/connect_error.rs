//! Why there is no connection: how far it got, and what helps.

use std::error::Error;
use std::fmt;

use crate::types::errors::LockError;

/// The step at which the way to a host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its name has no address.
    Name,
    /// Its machine, or one on the way, refused the connection.
    Refused,
    /// Nobody answered, or there is no route.
    Silent,
    /// A proxy did not pass the connection on.
    Proxy,
    /// A proxy would pass it on, and did not reach the host.
    BeyondProxy,
    /// The TLS handshake failed.
    Tls,
    /// Something answered that does not speak TLS.
    NotTls,
    /// The certificate there is for other names.
    OtherName,
    /// Something answered that does not speak HTTP/1.1.
    Http,
    /// What was reached without TLS ended the connection instead of a reply.
    Ended,
}

/// A connection that could not be made. Nothing of the request was sent.
#[derive(Debug)]
pub(crate) struct ConnectError {
    pub step: Step,
    /// What happened, with the host and the cause.
    what: String,
    /// What helps, if the step itself tells. Otherwise it depends on what set the host.
    pub remedy: Option<String>,
    /// What may be done instead, if anything.
    pub alternative: Option<String>,
    /// What is wrong on this machine, if anything is: a file or a setting. This is the error to return then.
    pub local_error: Option<Box<LockError>>,
}

impl ConnectError {
    pub(crate) fn new(step: Step, what: impl Into<String>) -> ConnectError {
        ConnectError {
            step,
            what: what.into(),
            remedy: None,
            alternative: None,
            local_error: None,
        }
    }

    /// A connection that was not even tried, because of this machine.
    pub(crate) fn of_this_machine(error: impl Into<LockError>) -> ConnectError {
        let error = error.into();
        ConnectError {
            local_error: Some(Box::new(error.clone())),
            ..ConnectError::new(Step::Tls, error.to_string())
        }
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> ConnectError {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, if there may be a way around the trouble.
    pub(super) fn or(mut self, alternative: Option<String>) -> ConnectError {
        self.alternative = alternative;
        self
    }

    /// The same with more at the end of what helps.
    pub(super) fn and_remedy(mut self, more: &str) -> ConnectError {
        if let Some(remedy) = self.remedy.as_mut().or(self.alternative.as_mut()) {
            remedy.push_str(more);
        }
        self
    }

    /// The same, if a proxy passed the bytes on.
    pub(super) fn through(mut self, proxy: &impl fmt::Display) -> ConnectError {
        self.what = format!("{} through {proxy}", self.what);
        self
    }

    /// The error of this kind among the causes of another.
    pub(crate) fn among<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ConnectError> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for ConnectError {}

/// An error and what caused it, the outermost first.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The innermost error: the layers above it say the same in more words.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let innermost = causes(error).last();
    innermost.map_or_else(String::new, ToString::to_string)
}
