//! What calls take and return.

pub(crate) mod errors;
pub(crate) mod info;
pub(crate) mod names;
pub(crate) mod renewal_trouble;
pub(crate) mod request_counts;
pub(crate) mod request_prices;
pub(crate) mod storage_error;
pub(crate) mod store_report;
pub(crate) mod text;
