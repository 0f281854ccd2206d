//! How far the way to a host got, so that an error can say where the time went.

use std::sync::Arc;

use crate::store::s3::network::connect_error::{ConnectError, Step};
use crate::sys::sync::{Mutex, lock};

/// What is being done on the way to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its name is looked up.
    LookUp,
    /// One of its addresses is connected to, as TCP does it.
    #[default]
    Dialing,
    /// There is a connection. TLS comes next, if it is needed.
    Dialed,
    /// A proxy has been reached, and is to pass the connection on.
    ProxyAsked,
    /// The proxy has passed it on. TLS comes next.
    Passed,
}

impl Phase {
    /// The error if there is no connection with a host or a proxy within some time.
    pub(super) fn late(self, host: &str, limit: &str) -> ConnectError {
        let (step, what) = match self {
            Phase::LookUp => (
                Step::Name,
                format!("no address of {host} was found within {limit}"),
            ),
            Phase::Dialing => (
                Step::Silent,
                format!("no connection to {host}: nobody answered within {limit}"),
            ),
            Phase::Dialed | Phase::ProxyAsked | Phase::Passed => (
                Step::Tls,
                format!("connected to {host}, but no TLS handshake within {limit}"),
            ),
        };
        ConnectError::new(step, what)
    }
}

/// The phase of one attempt. Its clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Mutex<Phase>>);

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        *lock(&self.0)
    }

    pub(super) fn reached(&self, phase: Phase) {
        *lock(&self.0) = phase;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_told_as_its_own_step() {
        for (phase, step, told) in [
            (
                Phase::LookUp,
                Step::Name,
                "no address of host:1 was found within 3 s",
            ),
            (
                Phase::Dialing,
                Step::Silent,
                "no connection to host:1: nobody answered within 3 s",
            ),
            (
                Phase::Dialed,
                Step::Tls,
                "connected to host:1, but no TLS handshake within 3 s",
            ),
        ] {
            let error = phase.late("host:1", "3 s");
            assert_eq!((error.step, error.to_string().as_str()), (step, told));
        }
    }

    #[test]
    fn an_attempt_begins_with_dialing_because_an_address_is_not_looked_up() {
        assert_eq!(Progress::default().phase(), Phase::Dialing);
    }
}
