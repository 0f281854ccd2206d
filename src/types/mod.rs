//! The types that calls take and return: errors, names, lock infos, reports and counts. They send
//! nothing. `lib.rs` re-exports the public ones.

pub(crate) mod errors;
pub(crate) mod info;
#[cfg(feature = "cli")]
pub(crate) mod inspection;
mod json;
pub(crate) mod lock_url;
pub(crate) mod names;
pub(crate) mod renewal_trouble;
pub(crate) mod request_counts;
pub(crate) mod request_prices;
pub(crate) mod storage_error;
pub(crate) mod store_report;
pub(crate) mod text;
pub(crate) mod wait_status;
