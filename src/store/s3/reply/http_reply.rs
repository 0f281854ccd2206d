//! A parsed reply, and what it says without regard to its request.

use chrono::DateTime;
use hyper::HeaderMap;

use crate::protocol::{Refusal, StoreSeconds};
use crate::store::s3::reply::s3_error::S3Error;
use crate::store::s3::reply::verdict;
use crate::store::s3::settings::region::is_region;

/// A whole HTTP reply, as far as the lock needs it.
#[derive(Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    pub(super) date: Option<StoreSeconds>,
    pub(super) modified: Option<StoreSeconds>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
    region: Option<String>,
    /// Never set for a success: its body is a lock, which may hold any text.
    error: Option<S3Error>,
}

impl Reply {
    /// Parses a reply. Headers that are not text count as absent.
    pub fn new(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Reply {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let is_error = status >= 300;
        Reply {
            status,
            etag: text("etag").filter(|e| !e.is_empty()).map(str::to_owned),
            date: text("date").and_then(http_date),
            modified: text("last-modified").and_then(http_date),
            region: text("x-amz-bucket-region").map(str::to_owned),
            location: text("location").map(str::to_owned),
            error: is_error.then(|| S3Error::read(&body)).flatten(),
            body,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the same request may succeed later. For services other than S3.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.status, 429 | 500..)
    }

    /// The body as it came.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bucket's region, if the store refused the request because of the region.
    pub fn other_region(&self, used: &str) -> Option<String> {
        if !matches!(self.status, 301 | 302 | 307 | 308 | 400) {
            return None;
        }
        let named = self.region.clone().or_else(|| self.element("Region"))?;
        (named != used && is_region(&named)).then_some(named)
    }

    /// Whether the credentials are wrong, and not the permissions.
    pub fn rejects_credentials(&self) -> bool {
        let code = self.code().filter(|_| (400..500).contains(&self.status));
        code.is_some_and(verdict::is_about_credentials)
    }

    /// Whether the store itself says that it did nothing. Then the same request may be sent again
    /// in another way: to another region, or with other credentials.
    pub(crate) fn did_nothing(&self) -> bool {
        self.refusal() == Some(Refusal::Denied)
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        verdict::refusal(self.status, self.code())
    }

    /// The host that the store asks to use for the time being. The store itself has done nothing.
    pub(crate) fn temporary_host(&self) -> Option<String> {
        let is_meant = self.status == 307 && self.code() == Some("TemporaryRedirect");
        is_meant.then(|| self.element("Endpoint"))?
    }

    /// The code of an S3 error. AWS's other services write theirs as S3 does.
    pub(crate) fn code(&self) -> Option<&str> {
        self.error.as_ref().map(|error| error.code.as_str())
    }

    /// The message of such an error.
    pub(crate) fn message(&self) -> Option<String> {
        self.error.as_ref()?.message()
    }

    /// The text of an element of such an error.
    pub(super) fn element(&self, name: &str) -> Option<String> {
        self.error.as_ref()?.element(name)
    }
}

/// Reads a date as HTTP servers send it: `Mon, 23 Nov 2026 02:00:00 GMT`.
fn http_date(text: &str) -> Option<StoreSeconds> {
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(status: u16, body: &str) -> Option<String> {
        Reply::new(status, &HeaderMap::new(), body.into()).temporary_host()
    }

    #[test]
    fn a_temporary_redirect_names_its_host_in_the_body() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>TemporaryRedirect</Code>\
                    <Message>Please re-send this request to the specified temporary endpoint.</Message>\
                    <Endpoint>my-bucket.s3-us-west-2.amazonaws.com</Endpoint><Bucket>my-bucket</Bucket></Error>";
        let named = Some("my-bucket.s3-us-west-2.amazonaws.com".to_owned());
        assert_eq!(host(307, body), named);
        assert_eq!(host(301, body), None);
        assert_eq!(host(307, &body.replace("Temporary", "Permanent")), None);
        assert_eq!(host(307, "<Endpoint>s3.amazonaws.com</Endpoint>"), None);
    }
}
