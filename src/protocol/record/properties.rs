//! Properties that must hold for any bytes that are read as a record. A fuzz target checks them,
//! and every `cargo test` does with seeded inputs. A property that does not hold panics.

use crate::protocol::record::limits::{MAX_LEASE, MAX_TOKEN};
use crate::protocol::record::nonce::Nonce;
use crate::protocol::record::record::Record;

/// Checks that a record which parses can also be read after every transition. Otherwise one
/// client's write would be `Foreign` to all.
pub fn record_properties(body: &[u8]) {
    let record = match Record::parse(body) {
        Ok(record) => record,
        Err(not_ours) => return assert_is_one_line(&not_ours.reason),
    };
    assert!(record.lease() <= MAX_LEASE);
    assert!(record.fencing_token <= MAX_TOKEN);
    let nonce = Nonce(u128::MAX);
    let transitions = [
        record.clone(),
        record.renewed(nonce),
        record.released(nonce),
        record.broken(nonce),
        record.completed().released(nonce),
        record.broken(nonce).renewed(Nonce(0)),
    ];
    for written in transitions {
        assert_eq!(Record::parse(&written.to_body()), Ok(written));
    }
}

/// Checks that a reason is one line that a log can take.
fn assert_is_one_line(text: &str) {
    assert!(text.len() < 4_000, "{} bytes: {text:.200}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
