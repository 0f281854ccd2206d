//! The request that a reply answers, as far as it matters for the reply's meaning.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::Location;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::proxy::one_proxy::Proxy;

/// The request that a reply answers.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    /// The object. A list of the bucket has an empty key.
    pub at: Location,
    /// The region that it was signed for.
    pub(in crate::store::s3) region: Named,
    /// This machine's wall clock, to tell how much it is off.
    pub wall: SystemTime,
    /// The endpoint that was set. None if it went to AWS's own.
    pub(in crate::store::s3) endpoint: Option<Named>,
    /// Where the keys were found that have signed it, for people.
    pub keys_from: Arc<str>,
    /// The proxy that read it, and may have answered itself.
    pub(in crate::store::s3) forwarded_by: Option<Proxy>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { bucket, key } = &self.at;
        match key.as_str() {
            "" => write!(f, "a list of bucket {bucket}"),
            key => write!(f, "{} of {key} in bucket {bucket}", self.method),
        }
    }
}
