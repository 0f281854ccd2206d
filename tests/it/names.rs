//! What names, folders, owners and settings are allowed. How a refusal reads is in `bad_input`.

use std::time::Duration;

use s3_lock::{Client, LockError, S3Lock, S3LockBuilder};

fn refusal<T: std::fmt::Debug>(built: Result<T, LockError>) {
    assert!(matches!(built, Err(LockError::Config(_))), "{built:?}");
}

fn named(bucket: &str, folder: &str, name: &str) -> Result<S3Lock, LockError> {
    S3Lock::builder(bucket, name)
        .folder(folder)
        .client(Client::in_memory())
        .build()
}

fn set(change: impl FnOnce(S3LockBuilder) -> S3LockBuilder) -> Result<S3Lock, LockError> {
    change(S3Lock::builder("my-bucket", "name").client(Client::in_memory())).build()
}

#[test]
fn builder_takes_a_name_whose_queue_has_a_key_of_1024_bytes_at_the_longest() {
    named("my-bucket", "", &"x".repeat(1024 - ".queue".len())).unwrap();
    refusal(named("my-bucket", "", &"x".repeat(1025 - ".queue".len())));
}

#[test]
fn folder_that_is_empty_is_the_root_and_one_trailing_slash_makes_no_difference() {
    let client = Client::in_memory();
    let at = |folder: &str| {
        let lock = S3Lock::builder("my-bucket", "n")
            .folder(folder)
            .client(client.clone());
        lock.build().unwrap()
    };
    let _root = at("").acquire("me").unwrap();
    let _folder = at("a/b").acquire("me").unwrap();
    assert!(matches!(
        at("a/b/").try_acquire("you"),
        Err(LockError::Held(_))
    ));
}

#[test]
fn builder_allows_any_unicode_in_names_owners_and_purposes() {
    let lock = S3Lock::builder("my-bucket", "näme 名前 🔒 +%?#")
        .folder("földer/ßub dir")
        .purpose("a \"purpose\"\nof two lines\u{0}")
        .client(Client::in_memory())
        .build()
        .unwrap();
    let guard = lock.acquire("мы \"and\" 🦀").unwrap();
    assert_eq!(guard.info().owner(), "мы \"and\" 🦀");
}

#[test]
fn acquire_takes_an_owner_of_512_bytes_at_the_longest() {
    let lock = named("my-bucket", "f", "n").unwrap();
    lock.acquire("x".repeat(512)).unwrap().release().unwrap();
    refusal(lock.acquire("x".repeat(513)));
}

#[test]
fn builder_takes_a_lease_of_seven_days_at_the_longest() {
    let week = Duration::from_secs(7 * 24 * 3600);
    let allowance = Duration::from_secs(1);
    set(|b| {
        b.acquire_allowance(allowance)
            .max_operation(week - allowance)
    })
    .unwrap();
    let beyond = week - allowance + Duration::from_nanos(1);
    refusal(set(|b| {
        b.acquire_allowance(allowance).max_operation(beyond)
    }));
}

#[test]
fn builder_rounds_the_lease_up_to_whole_milliseconds() {
    let lock = set(|b| {
        b.max_operation(Duration::from_nanos(1_000_000_001))
            .acquire_allowance(Duration::from_secs(1))
    });
    let guard = lock.unwrap().acquire("me").unwrap();
    assert_eq!(guard.info().lease(), Duration::from_millis(2001));
}

#[test]
fn client_takes_an_endpoint_with_a_scheme_and_a_host_and_perhaps_a_port_and_a_slash() {
    for endpoint in [
        "http://127.0.0.1:9000/",
        "https://s3.example.com",
        "http://[::1]:9000",
        "http://my_minio:65535",
    ] {
        Client::builder().endpoint(endpoint).build().unwrap();
    }
}
