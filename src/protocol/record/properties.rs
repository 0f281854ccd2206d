//! What holds of whatever bytes are read as a record: for a fuzz target, and for a seeded run of the same
//! in every `cargo test`. A property that does not hold panics.

use crate::protocol::record::limits::{MAX_LEASE, MAX_TOKEN};
use crate::protocol::record::nonce::Nonce;
use crate::protocol::record::record::Record;

/// What the parser of records takes is a record that every reader takes, as it is and after every
/// transition: else one client's write would be `Foreign` to all.
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
        record.broken(nonce).renewed(Nonce(0)),
    ];
    for written in transitions {
        assert_eq!(Record::parse(&written.to_body()), Ok(written));
    }
}

/// A reason is a line that a log can take.
fn assert_is_one_line(text: &str) {
    assert!(text.len() < 4_000, "{} bytes: {text:.200}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
