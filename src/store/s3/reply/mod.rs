//! What a reply means. Pure: bytes and headers in, one of the protocol's answers out.

mod advice;
mod asked;
mod http_reply;
mod meaning;
#[cfg(feature = "internals")]
mod properties;
mod s3_error;
mod verdict;

pub use asked::Asked;
pub use http_reply::Reply;
#[cfg(feature = "internals")]
pub use properties::reply_properties;
