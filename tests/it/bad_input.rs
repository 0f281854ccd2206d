//! Everything that can be wrong with what the crate is given, and what exactly it says then: by the
//! caller, the environment, the stored object, or the store. One row for each, in tables by origin.
//!
//! A row is a call, and the whole text of its error. `SERVER` stands for the URL of the test's server,
//! `HOME` for the home directory of a child, and other words in capitals for what is in [`WORDS`].

mod arguments;
mod certificates;
mod environment;
mod proxies;
mod records;
mod replies;

use s3_lock::LockError;

/// Compares the text of each call's error with the one that is expected, and shows all that differ.
macro_rules! table {
    ($($call:expr => $text:expr;)+) => {
        $crate::bad_input::compare(&[$((stringify!($call), $call, $text)),+])
    };
}
use table;

/// What tables write for what many errors say, each in full.
#[rustfmt::skip]
const WORDS: [(&str, &str); 29] = [
    ("CORRECT IT", "correct it, or call ClientBuilder::no_proxy if this client needs none"),
    ("REFUSED ", "GET https://store.test/locks-test/locks/nightly.lock was not sent: proxy PROXY (from ClientBuilder::proxy) refused to connect to store.test:443: "),
    ("NOT SENT: ", "GET https://store.test/locks-test/locks/nightly.lock was not sent: proxy PROXY (from ClientBuilder::proxy) "),
    ("IS IT A PROXY AT ALL", "check that an HTTP proxy is at the host and port that ClientBuilder::proxy names, and whether it is http:// or https:// there"),
    ("ENOENT", "No such file or directory (os error 2)"),
    ("GET: ", "GET of locks/nightly.lock in bucket locks-test was answered "),
    ("CHECK: ", "GET of locks/.s3-lock-check in bucket locks-test was answered "),
    ("KEYS OF CODE", "the keys are from ClientBuilder::credentials"),
    ("IS IT RIGHT", "ClientBuilder::endpoint says https://store.test: check its spelling and its port, and that the proxy can reach it"),
    ("PUT: ", "PUT of locks/nightly.lock in bucket locks-test was answered "),
    ("LIST: ", "a list of bucket locks-test was answered "),
    ("IS IT S3", "ClientBuilder::endpoint says SERVER: check that it is an S3 store with conditional writes, and that no proxy answers in its place"),
    ("IT IS A PROXY", "a proxy or firewall seems to answer in the store's place; ClientBuilder::endpoint says SERVER: check it, and the way to it"),
    ("IS IT A PROXY", "and check that no proxy or firewall answers in the store's place"),
    ("HTTP OR HTTPS", "ClientBuilder::endpoint says SERVER: check whether it is https or http there; it may also speak HTTP/2 alone, or another protocol"),
    ("MAYBE HTTPS", "ClientBuilder::endpoint says SERVER: if that goes on, check whether it is https there"),
    ("GRANT GET", "grant s3:GetObject on arn:aws:s3:::locks-test/locks/nightly.lock (and, to tell an absent lock from a forbidden one, s3:ListBucket on the bucket)"),
    ("FOREIGN (", "the object locks/nightly.lock is not a lock of ours ("),
    ("UNUSABLE (", "the lock locks/nightly.lock cannot be used ("),
    ("), UPDATE OR MEND", "), and is left alone; a newer version of this library seems to have written it: update this program. If there is none, stop all participants, wait 3 s, delete the object, and start them again"),
    ("), MEND IT", "), and is left alone; something other than this library has changed it: stop all participants, wait 3 s, delete the object or put the record right, and start them again"),
    ("), MOVE IT", "), and is left alone; choose another lock name or move the object away, and check that the endpoint is an S3 store"),
    ("NOT SENT: ", "GET SERVER/locks-test/locks/nightly.lock was not sent: "),
    ("NAME THE CA", "if your company or a proxy of it has signed, name a file with the certificate of that CA in AWS_CA_BUNDLE or ClientBuilder::ca_bundle"),
    ("IS IT HTTP", "ClientBuilder::endpoint says SERVER: begin it with http:// if there is no TLS, or else correct its port, and check that no proxy or firewall answers in its place"),
    ("NO HTTP (", "was answered with something that is not HTTP ("),
    ("CHECK THE FILE", "correct the path, or check what writes the file"),
    ("AND ALL THE REST", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI (not set), the metadata of an EC2 instance (AWS_EC2_METADATA_DISABLED is true); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile that has keys in AWS_PROFILE, give the machine or container a role, or call ClientBuilder::credentials"),
    ("LOOKED AT ", "no credentials found: looked at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set), AWS_WEB_IDENTITY_TOKEN_FILE (not set), "),
];

/// The same text with the words of tables in it.
fn in_words(told: &str) -> String {
    let replaced = WORDS.iter();
    let told = replaced.fold(told.to_owned(), |told, (word, text)| {
        told.replace(text, word)
    });
    // As much as is ever quoted of a value, and of what a store says.
    told.replace(&format!("{}\"…", "x".repeat(80)), "LONG\"")
        .replace(&format!("{}hunt)", "hunter2 ".repeat(37)), "HUNTERS)")
}

fn compare(rows: &[(&str, String, &str)]) {
    let rows = rows
        .iter()
        .map(|(call, told, text)| (call, in_words(told), text));
    let rows: Vec<_> = rows.collect();
    let differing = rows.iter().filter(|(_, told, text)| told != *text);
    let shown: Vec<_> = differing
        .map(|(call, told, text)| format!("{call}\n  says  {told}\n  not   {text}\n"))
        .collect();
    let (count, all) = (shown.len(), rows.len());
    assert!(
        shown.is_empty(),
        "{count} of {all} rows differ:\n{}",
        shown.concat()
    );
}

fn told<T>(result: Result<T, LockError>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(LockError::Config(error)) => {
            let (field, told) = (error.field(), error.to_string());
            let is_named = told.starts_with(&format!("invalid {field}"));
            assert!(is_named || field == "credentials", "{field}: {told}");
            told
        }
        Err(error) => error.to_string(),
    }
}
