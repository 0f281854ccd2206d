//! What a status and an error code mean: whether a write was certainly refused, and what kind of
//! error it is.

use crate::protocol::Refusal;
use crate::types::errors::StorageErrorKind as Kind;

/// How the store has refused a write. None unless the store itself refused it, before it wrote
/// anything.
///
/// Everything else leaves a write unresolved. Proxies between a client and its store answer
/// requests that they have passed on whole. They answer with 408, 425 or 499 when they time out,
/// and with 403 or a page of their own when they reject the reply. So only the store's own error
/// counts: in XML, and with a code. Of those codes, only those count that S3 documents as a
/// decision about the request. S3 takes that decision before it stores anything: see "List of error
/// codes" under [Error responses][list] in the S3 API reference. A failed condition needs no body:
/// nothing else evaluates a condition, and a read always follows.
///
/// A conflict (409) and "too many requests" (429, `SlowDown`) are the store's own reply, too. But
/// they may be the reply to the second copy of a write because of the first.
///
/// [list]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
pub(super) fn refusal(status: u16, code: Option<&str>) -> Option<Refusal> {
    match (status, code) {
        (412, _) | (404, Some("NoSuchKey")) => Some(Refusal::Condition),
        (409, Some("ConditionalRequestConflict" | "OperationAborted")) => Some(Refusal::Conflict),
        (429, _) | (300..500, Some("RequestTimeout" | "SlowDown")) => Some(Refusal::Busy),
        // The bucket is elsewhere, or nowhere: there is nothing to write to.
        (300..400 | 404, Some(_)) => Some(Refusal::Denied),
        // "The request is not valid with the current state of the bucket."
        (409, Some("InvalidBucketState")) => Some(Refusal::Denied),
        (400 | 401 | 403 | 405 | 411, Some(code)) if precedes_a_write(code) => {
            Some(Refusal::Denied)
        }
        _ => None,
    }
}

/// Whether S3 documents a code as its reply to what is wrong with the request itself, its sender,
/// or the bucket's rules.
///
/// Two kinds of 4xx are not on the list. One is what tells of trouble on the way (`BadDigest`,
/// `IncompleteBody`, `RequestTimeout`, `XAmzContentSHA256Mismatch`): the store may well accept the
/// same write when it is sent again. The other is what this crate does not know.
fn precedes_a_write(code: &str) -> bool {
    const CODES: [&str; 38] = [
        // Who asks, and how it is signed.
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "MissingSecurityHeader",
        "NotSignedUp",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        // What the sender may do.
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "InvalidPayer",
        "MethodNotAllowed",
        // Which object of which bucket, and in what state.
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
        "InvalidBucketName",
        "InvalidObjectState",
        "InvalidURI",
        "KeyTooLongError",
        // The shape of the request.
        "EntityTooLarge",
        "EntityTooSmall",
        "InvalidArgument",
        "InvalidDigest",
        "InvalidRequest",
        "InvalidStorageClass",
        "InvalidTag",
        "MetadataTooLarge",
        "MissingContentLength",
        "RequestHeaderSectionTooLarge",
        "UnexpectedContent",
        // The encryption that it asks for, or that the bucket has.
        "InvalidEncryptionAlgorithmError",
        "KMS.DisabledException",
        "KMS.InvalidKeyUsageException",
        "KMS.InvalidStateException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
    ];
    CODES.contains(&code)
}

/// The kind of error that a status and a code are.
pub(super) fn kind(status: u16, code: Option<&str>) -> Kind {
    match (status, code) {
        (_, Some("RequestTimeTooSkewed")) => Kind::ClockSkewed,
        (_, Some("NoSuchBucket" | "InvalidBucketName")) => Kind::NoSuchBucket,
        (_, Some(code)) if is_about_credentials(code) => Kind::Credentials,
        (_, Some("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")) => {
            Kind::WrongRegion
        }
        (_, Some("NotImplemented" | "InvalidObjectState")) | (501, _) => Kind::Unexpected,
        (_, Some("RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable")) => {
            Kind::Unavailable
        }
        // What proxies reply when the client or the store was too slow, or the request too early.
        (408 | 425 | 429 | 499, _) => Kind::Unavailable,
        (400, Some("BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch")) => {
            Kind::Unavailable
        }
        (409, Some("ConditionalRequestConflict" | "OperationAborted"))
        | (412, _)
        | (404, Some("NoSuchKey")) => Kind::Contended,
        // The network requires a sign-in (RFC 6585): the store was not reached.
        (511, _) => Kind::Unreachable,
        (401, _) => Kind::Credentials,
        (403, _) => Kind::AccessDenied,
        (500..600, _) => Kind::Unavailable,
        _ => Kind::Unexpected,
    }
}

pub(super) fn is_about_credentials(code: &str) -> bool {
    const CODES: [&str; 7] = [
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    ];
    CODES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_may_have_said_is_no_refusal() {
        for status in 300..600 {
            let told = refusal(status, None);
            match status {
                412 => assert_eq!(told, Some(Refusal::Condition)),
                429 => assert_eq!(told, Some(Refusal::Busy)),
                _ => assert_eq!(told, None, "{status}"),
            }
        }
    }

    #[test]
    fn a_status_of_impatience_is_no_refusal_whatever_its_code() {
        for status in [408, 425, 499] {
            assert_eq!(refusal(status, Some("AccessDenied")), None, "{status}");
        }
        assert_eq!(refusal(409, Some("AccessDenied")), None);
        assert_eq!(refusal(409, Some("SomethingNew")), None);
    }

    #[test]
    fn a_code_that_s3_does_not_document_is_no_refusal() {
        for status in [400, 403, 405] {
            assert_eq!(refusal(status, Some("SomethingNew")), None, "{status}");
        }
    }

    #[test]
    fn a_code_that_s3_documents_is_one_with_its_own_status_alone() {
        assert_eq!(refusal(403, Some("AccessDenied")), Some(Refusal::Denied));
        assert_eq!(refusal(400, Some("ExpiredToken")), Some(Refusal::Denied));
        assert_eq!(
            refusal(307, Some("TemporaryRedirect")),
            Some(Refusal::Denied)
        );
        for status in [200, 500, 503] {
            assert_eq!(refusal(status, Some("AccessDenied")), None, "{status}");
        }
    }

    #[test]
    fn whatever_rejects_the_credentials_has_written_nothing() {
        for code in ["ExpiredToken", "InvalidToken", "SignatureDoesNotMatch"] {
            assert!(is_about_credentials(code) && precedes_a_write(code));
        }
    }
}
