//! `s3-lock status`.

use crate::program::{bare, run};

#[test]
fn status_without_a_url_exits_with_125() {
    let ended = run(&mut bare(["status"]));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
}
