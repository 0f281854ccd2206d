//! What names, folders, owners and settings are allowed, and how a refusal reads.

use std::time::Duration;

use s3_lock::{Client, LockError, S3Lock, S3LockBuilder};

/// The field that a build is refused for, and the message.
fn refusal<T: std::fmt::Debug>(built: Result<T, LockError>) -> (String, String) {
    match built {
        Err(LockError::Config(error)) => (error.field().to_owned(), error.to_string()),
        other => panic!("not refused: {other:?}"),
    }
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
fn bad_names_are_refused_by_the_field_that_holds_them() {
    let long = "x".repeat(1020);
    let cases: [(&str, &str, &str, &str, &str); 25] = [
        ("", "f", "n", "bucket", "it is empty"),
        (
            "ab",
            "f",
            "n",
            "bucket",
            "its length is not between 3 and 63",
        ),
        (
            &long,
            "f",
            "n",
            "bucket",
            "its length is not between 3 and 63",
        ),
        (
            "buc\nket",
            "f",
            "n",
            "bucket",
            "it holds a control character",
        ),
        ("bucket/x", "f", "n", "bucket", "only letters, digits"),
        ("/bucket", "f", "n", "bucket", "it starts with a '/'"),
        (".", "f", "n", "bucket", "it is '.' or '..'"),
        ("..", "f", "n", "bucket", "it is '.' or '..'"),
        ("my-bucket", "f", "", "name", "it is empty"),
        ("my-bucket", "f", &long, "name", "longer than 1024 bytes"),
        (
            "my-bucket",
            "f",
            "a\u{7f}b",
            "name",
            "it holds a control character",
        ),
        (
            "my-bucket",
            "f",
            "a\u{85}b",
            "name",
            "it holds a control character",
        ),
        (
            "my-bucket",
            "f",
            ".",
            "name",
            "it has a segment '.' or '..'",
        ),
        (
            "my-bucket",
            "f",
            "..",
            "name",
            "it has a segment '.' or '..'",
        ),
        ("my-bucket", "f", "a/b", "name", "it holds a '/'"),
        ("my-bucket", "f", "/a", "name", "it holds a '/'"),
        ("my-bucket", "/f", "n", "folder", "it starts with a '/'"),
        ("my-bucket", "/", "n", "folder", "it starts with a '/'"),
        (
            "my-bucket",
            "f//g",
            "n",
            "folder",
            "it has an empty segment",
        ),
        ("my-bucket", "f//", "n", "folder", "it has an empty segment"),
        (
            "my-bucket",
            "f/./g",
            "n",
            "folder",
            "it has a segment '.' or '..'",
        ),
        (
            "my-bucket",
            "../f",
            "n",
            "folder",
            "it has a segment '.' or '..'",
        ),
        (
            "my-bucket",
            "f/..",
            "n",
            "folder",
            "it has a segment '.' or '..'",
        ),
        (
            "my-bucket",
            "f\tg",
            "n",
            "folder",
            "it holds a control character",
        ),
        ("my-bucket", &long, "n", "folder", "longer than 1024 bytes"),
    ];
    for (bucket, folder, name, field, reason) in cases {
        let (refused, message) = refusal(named(bucket, folder, name));
        assert_eq!(refused, field, "{message}");
        assert!(
            message.starts_with(&format!("invalid {field} ")),
            "{message}"
        );
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn the_longest_key_has_1024_bytes() {
    named("my-bucket", "", &"x".repeat(1024 - ".lock".len())).unwrap();
    refusal(named("my-bucket", "", &"x".repeat(1025 - ".lock".len())));
}

#[test]
fn an_empty_folder_is_the_root_and_one_trailing_slash_makes_no_difference() {
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
fn any_unicode_is_allowed_in_names_owners_and_purposes() {
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
fn bad_owners_are_refused_wherever_an_owner_is_named() {
    let lock = named("my-bucket", "f", "n").unwrap();
    let long = "x".repeat(513);
    let cases = [
        ("", "it is empty"),
        ("a\nb", "it holds a control character"),
        (&long, "it is longer than 512 bytes"),
    ];
    for (owner, reason) in cases {
        let refusals = [
            refusal(lock.acquire(owner)),
            refusal(lock.acquire_within(owner, Duration::ZERO)),
            refusal(lock.try_acquire(owner)),
            refusal(lock.release(owner)),
        ];
        for (field, message) in refusals {
            assert_eq!(field, "owner");
            assert!(message.contains(reason), "{message}");
        }
    }
    lock.acquire("x".repeat(512)).unwrap().release().unwrap();
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let day = Duration::from_secs(24 * 3600);
    let ms = Duration::from_millis;
    let cases = [
        ("max_operation", set(|b| b.max_operation(Duration::ZERO))),
        (
            "acquire_allowance",
            set(|b| b.acquire_allowance(Duration::ZERO)),
        ),
        ("lease", set(|b| b.max_operation(day * 7))),
        ("clock_margin", set(|b| b.clock_margin(ms(1999)))),
        (
            "clock_margin",
            set(|b| b.without_store_clock().clock_margin(ms(99))),
        ),
        (
            "poll_interval",
            set(|b| b.poll_interval(Duration::ZERO, ms(10))),
        ),
        ("poll_interval", set(|b| b.poll_interval(ms(20), ms(10)))),
        ("purpose", set(|b| b.purpose("x".repeat(2049)))),
    ];
    for (field, built) in cases {
        let (refused, message) = refusal(built);
        assert!(refused.starts_with(field), "{field}: {message}");
    }
}

#[test]
fn the_longest_lease_is_seven_days() {
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
fn the_lease_is_rounded_up_to_whole_milliseconds() {
    let lock = set(|b| {
        b.max_operation(Duration::from_nanos(1_000_000_001))
            .acquire_allowance(Duration::from_millis(1))
    });
    let guard = lock.unwrap().acquire("me").unwrap();
    assert_eq!(guard.info().lease(), Duration::from_millis(1002));
}

#[test]
fn endpoints_that_cannot_work_are_refused() {
    let cases = [
        ("localhost:9000", "it needs a scheme"),
        ("ftp://localhost", "it needs a scheme"),
        ("http://", "it has no host"),
        ("http://:9000", "it has no host"),
        ("http://host:port", "a port that is none"),
        ("http://host:99999", "a port that is none"),
        ("http://host/path", "nothing may follow"),
        ("http://host?x", "nothing may follow"),
        ("http://user:secret@host", "set them separately"),
        ("http://a b", "it has no host"),
    ];
    for (endpoint, reason) in cases {
        let (field, message) = refusal(Client::builder().endpoint(endpoint).build());
        assert_eq!(field, "endpoint");
        assert!(message.contains(reason), "{message}");
    }
    for endpoint in [
        "http://127.0.0.1:9000/",
        "https://s3.example.com",
        "http://[::1]:9000",
    ] {
        Client::builder().endpoint(endpoint).build().unwrap();
    }
}

#[test]
fn an_endpoint_with_a_password_is_not_quoted_back() {
    let (_, message) = refusal(
        Client::builder()
            .endpoint("http://user:hunter2@host")
            .build(),
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn client_settings_that_cannot_work_are_refused() {
    let client = Client::builder;
    let cases = [
        ("region", client().region("eu central").build()),
        ("region", client().region("").build()),
        (
            "request_timeout",
            client().request_timeout(Duration::ZERO).build(),
        ),
        (
            "connect_timeout",
            client().connect_timeout(Duration::from_secs(301)).build(),
        ),
        (
            "expected_bucket_owner",
            client().expected_bucket_owner("1234").build(),
        ),
        (
            "credentials",
            client().credentials("", "secret", None).build(),
        ),
        (
            "credentials",
            client().credentials("key", "sec\nret", None).build(),
        ),
        (
            "credentials",
            client().credentials("key", "secret", Some("")).build(),
        ),
    ];
    for (field, built) in cases {
        assert_eq!(refusal(built).0, field);
    }
}
