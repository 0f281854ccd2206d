//! Credentials, and who has them, so that advice about them names the right place.

use std::sync::Arc;

use rusoto_core::credential::AwsCredentials;

/// Credentials to sign with.
#[derive(Clone)]
pub(crate) struct Found {
    pub keys: AwsCredentials,
    /// For people: where they were found. No part of them is in it.
    pub origin: Arc<str>,
}

impl Found {
    pub(super) fn new(keys: AwsCredentials, origin: impl Into<Arc<str>>) -> Found {
        let origin = origin.into();
        Found { keys, origin }
    }
}
