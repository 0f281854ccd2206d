//! What a reply means. Pure: a status, headers and a body go in, one of the protocol's answers
//! comes out.

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
