//! What the store or the environment has wrong, told so that the reader knows what to do.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{Client, LockError, S3Lock, StorageErrorKind};

use crate::child::Home;
use crate::support::{ACCESS_KEY, BUCKET, Fault, Match, RegionReply, SECRET_KEY, Server};
use crate::{KEY, builder, child, client_builder, lock, lock_of, requests_of, storage};

fn denied() -> Fault {
    Fault::answer(403, "AccessDenied")
}

#[test]
fn acquire_tells_of_a_missing_bucket_by_its_name() {
    let server = Server::start();
    let lock = S3Lock::builder("no-such-bucket", "n").client(crate::client(&server));
    let error = storage(lock.build().unwrap().acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoSuchBucket);
    assert!(
        error
            .to_string()
            .contains("create the bucket no-such-bucket"),
        "{error}"
    );
}

#[test]
fn acquire_names_the_permission_for_a_forbidden_read() {
    let server = Server::start();
    drop(lock(&server).acquire("me").unwrap());
    server.fault(Match::get().always(), denied());
    let error = storage(lock(&server).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::AccessDenied);
    assert!(
        error.to_string().contains(&format!(
            "grant s3:GetObject on arn:aws:s3:::{BUCKET}/{KEY}"
        )),
        "{error}"
    );
}

#[test]
fn acquire_names_the_permission_for_a_forbidden_write() {
    let server = Server::start();
    server.fault(Match::put().always(), denied());
    let error = storage(lock(&server).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::AccessDenied);
    assert!(
        error.to_string().contains(&format!(
            "grant s3:PutObject on arn:aws:s3:::{BUCKET}/{KEY}"
        )),
        "{error}"
    );
}

#[test]
fn acquire_creates_an_absent_lock_even_where_listing_is_not_permitted() {
    let server = Server::start();
    let lock = lock(&server);
    server.fault(Match::get(), denied());
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    assert!(guard.is_held());
}

#[test]
fn acquire_tells_a_wrong_secret_apart_from_a_missing_permission() {
    let server = Server::start();
    let client = client_builder(&server)
        .credentials(ACCESS_KEY, "wrong", None)
        .build();
    let error = storage(lock_of(&client.unwrap()).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Credentials);
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
}

#[test]
fn acquire_tells_an_unknown_key_apart_from_a_missing_permission() {
    let server = Server::start();
    let client = client_builder(&server)
        .credentials("UNKNOWN", SECRET_KEY, None)
        .build();
    let error = storage(lock_of(&client.unwrap()).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Credentials);
}

#[test]
fn client_uses_the_region_that_s3_names_once_and_remembers_it() {
    for reply in [RegionReply::Redirect, RegionReply::Malformed] {
        let server = Server::start();
        server.set_region("eu-central-1");
        server.set_region_reply(reply);
        let lock = lock(&server);
        let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
        assert_eq!(sent, ["GET", "GET", "PUT"]);
        let (sent, released) = requests_of(&server, || guard.release());
        released.unwrap();
        assert_eq!(sent, ["PUT"]);
    }
}

#[test]
fn client_tells_the_user_to_set_a_region_that_s3_does_not_name() {
    let server = Server::start();
    server.fault(Match::any(), Fault::answer(301, "PermanentRedirect"));
    let error = storage(lock(&server).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::WrongRegion);
    assert!(
        error
            .to_string()
            .contains("says us-east-1: the bucket is not there"),
        "{error}"
    );
}

#[test]
fn client_asks_two_stores_that_name_each_other_only_once() {
    let server = Server::start();
    server.set_region("eu-central-1");
    let elsewhere = vec![("x-amz-bucket-region".to_owned(), "ap-south-1".to_owned())];
    let fault = Fault::RawAnswer {
        status: 301,
        headers: elsewhere,
        body: Vec::new(),
    };
    server.fault(Match::any().skip(1).times(1), fault);
    let lock = lock(&server);
    let (sent, refused) = requests_of(&server, || lock.status());
    assert_eq!(sent, ["GET", "GET"]);
    refused.unwrap_err();
}

#[test]
fn try_acquire_tells_of_a_closed_port_at_once() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = unreachable(&format!("http://{address}"), Duration::from_secs(3));
    assert!(error.contains("says http://127.0.0.1:"), "{error}");
    assert!(error.contains("check its port"), "{error}");
}

#[test]
fn client_tells_of_a_host_that_does_not_accept_within_the_connect_timeout() {
    let (_listener, _fillers, address) = full_backlog();
    let timeout = Duration::from_millis(300);
    let start = Instant::now();
    unreachable(&format!("http://{address}"), timeout);
    assert!(start.elapsed() >= timeout);
}

/// The error of an acquire, which must come within the connect timeout and a second, long before
/// the wait limit.
fn unreachable(endpoint: &str, timeout: Duration) -> String {
    let client = Client::builder()
        .endpoint(endpoint)
        .credentials("key", "secret", None)
        .connect_timeout(timeout)
        .build()
        .unwrap();
    let start = Instant::now();
    let error = storage(lock_of(&client).acquire("me").unwrap_err());
    assert!(start.elapsed() < timeout + Duration::from_secs(1));
    assert_eq!(error.kind(), StorageErrorKind::Unreachable);
    assert!(error.is_retryable() && !error.is_outcome_unknown());
    assert!(error.to_string().contains(endpoint), "{error}");
    error.to_string()
}

/// A listener whose queue of connections is full, so that another gets no answer at all.
fn full_backlog() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        fillers.push(filler);
        assert!(fillers.len() < 20_000, "the backlog never fills");
    }
    (listener, fillers, address)
}

#[test]
fn client_tells_a_host_that_does_not_accept_apart_even_if_requests_are_given_less_time() {
    let (_listener, _fillers, address) = full_backlog();
    let client = Client::builder()
        .endpoint(format!("http://{address}"))
        .credentials("key", "secret", None)
        .request_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let start = Instant::now();
    let error = storage(lock_of(&client).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unreachable);
    assert!(start.elapsed() < Duration::from_millis(1500));
}

#[test]
fn status_that_nobody_answers_names_the_request() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::builder()
        .endpoint(&endpoint)
        .credentials("key", "secret", None)
        .request_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let error = storage(lock_of(&client).status().unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoAnswer);
    assert!(error.to_string().contains(&endpoint), "{error}");
}

#[test]
fn acquire_gives_up_a_peer_that_accepts_and_never_answers_within_the_documented_bound() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_millis(200);
    let client = Client::builder()
        .endpoint(format!("http://{}", silent.local_addr().unwrap()))
        .credentials("key", "secret", None)
        .request_timeout(timeout)
        .build()
        .unwrap();
    let start = Instant::now();
    let error = storage(lock_of(&client).try_acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoAnswer);
    assert!(start.elapsed() < 6 * timeout + Duration::from_secs(1));
}

#[test]
fn status_refuses_an_object_of_ten_megabytes() {
    let server = Server::start();
    server.put_object(KEY, vec![b' '; 10 << 20]);
    let refused = lock(&server).status().unwrap_err();
    assert!(
        refused.to_string().contains("larger than 65536 bytes"),
        "{refused}"
    );
}

#[test]
fn acquire_asks_an_overloaded_store_again() {
    let server = Server::start();
    server.fault(Match::any().times(2), Fault::answer(503, "SlowDown"));
    assert!(lock(&server).acquire("me").unwrap().is_held());
}

#[test]
fn try_acquire_does_not_ask_an_overloaded_store_again() {
    let server = Server::start();
    server.fault(Match::get().always(), Fault::answer(503, "SlowDown"));
    let lock = lock(&server);
    let (sent, refused) = requests_of(&server, || lock.try_acquire("me"));
    assert_eq!(sent, ["GET"]);
    let error = storage(refused.unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    assert!(error.is_retryable());
}

#[test]
fn client_is_not_harmed_by_a_header_that_is_not_text() {
    let server = Server::start();
    for name in ["x-odd", "date", "last-modified"] {
        let odd = Fault::EditHeader {
            name: name.to_owned(),
            value: vec![0xff, 0xfe],
        };
        server.fault(Match::any().times(2), odd);
        drop(lock(&server).acquire("me").unwrap());
    }
}

#[test]
fn client_without_credentials_is_told_where_they_were_looked_for() {
    let server = Server::start();
    let home = Home::new("none");
    let mut command = child::bare_command("complain");
    command
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL", server.endpoint());
    let complaint = child::complaint(command);
    for part in [
        "no credentials found",
        "AWS_ACCESS_KEY_ID",
        ".aws/credentials",
        ".aws/config",
        "\"default\"",
    ] {
        assert!(complaint.contains(part), "{part}: {complaint}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn client_needs_nothing_but_the_environment() {
    let server = Server::start();
    let command = child::command("complain", &server.endpoint());
    assert_eq!(child::complaint(command), "none");
}

#[test]
fn client_uses_the_keys_and_the_region_of_a_profile() {
    let server = Server::start();
    server.set_region("eu-central-1");
    let home = Home::new("profile");
    let keys = format!(
        "[build]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    );
    home.write("credentials", &keys);
    home.write("config", "[profile build]\nregion = eu-central-1\n");
    let mut command = child::bare_command("complain");
    command
        .env("HOME", home.path())
        .env("AWS_PROFILE", "build")
        .env("AWS_ENDPOINT_URL_S3", server.endpoint());
    assert_eq!(child::complaint(command), "none");
    // Signed for that region from the start.
    assert!(server.requests().iter().all(|r| r.status != Some(301)));
}

#[test]
fn client_without_a_home_runs_no_command_of_the_current_directory() {
    for home in [None, Some(""), Some("."), Some("sub/..")] {
        let here = Home::new("stranger");
        std::fs::create_dir_all(here.path().join("sub")).unwrap();
        let process = "[default]\ncredential_process = touch ran\n";
        here.write("config", process);
        here.write("credentials", process);
        let mut command = child::bare_command("complain");
        command
            .current_dir(here.path())
            .env_remove("HOME")
            .env_remove("USERPROFILE")
            .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
        if let Some(home) = home {
            command.env("HOME", home);
        }
        let complaint = child::complaint(command);
        assert!(!here.path().join("ran").exists(), "{home:?}: {complaint}");
        let told = complaint.contains("there is no home directory");
        // Else it is that of the system's list of users, if that has one.
        assert!(told || home.is_none_or(str::is_empty), "{complaint}");
    }
}

#[test]
fn client_without_a_home_takes_a_path_in_it_for_none_of_the_current_directory() {
    for variable in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        for path in ["~/config", "~you/config"] {
            let here = Home::new("tilde");
            for folder in ["~", "~you"] {
                std::fs::create_dir_all(here.path().join(folder)).unwrap();
                let process = "[default]\ncredential_process = touch ran\n";
                std::fs::write(here.path().join(folder).join("config"), process).unwrap();
            }
            let mut command = child::bare_command("complain");
            command
                .current_dir(here.path())
                .env("HOME", ".")
                .env(variable, path)
                .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
            let complaint = child::complaint(command);
            assert!(!here.path().join("ran").exists(), "{path}: {complaint}");
        }
    }
}

#[test]
fn client_tells_of_a_region_that_there_is_not_with_who_named_it_and_no_word_of_an_endpoint_to_check()
 {
    let mut command = child::bare_command("complain");
    command
        .env("AWS_REGION", "us-nowhere-9")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let complaint = child::complaint(command);
    assert!(
        complaint.contains("AWS_REGION says us-nowhere-9: check that there is such a region"),
        "{complaint}"
    );
    assert!(!complaint.contains("check its port"), "{complaint}");
}

#[test]
fn client_tells_of_an_endpoint_that_nobody_answers_at_with_who_set_it() {
    let mut command = child::bare_command("complain");
    command
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_REGION", "us-nowhere-9")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let complaint = child::complaint(command);
    assert!(
        complaint.contains("AWS_ENDPOINT_URL says http://127.0.0.1:1: check its port"),
        "{complaint}"
    );
    assert!(!complaint.contains("us-nowhere-9"), "{complaint}");
}

/// Answers each connection with these bytes, and never as a store; as long as the tests live.
fn stranger(bytes: &'static [u8]) -> String {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(bytes);
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn acquire_at_what_is_no_store_is_told_at_once() {
    for (bytes, told) in [
        // The settings of HTTP/2, and what says good-bye in it.
        (
            &b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x00\x08\x07\x00"[..],
            "HTTP/2",
        ),
        (b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/2"),
        (
            b"HTTP/1.1 511 Network Authentication Required\r\ncontent-length: 6\r\n\r\n<html>",
            "requires a sign-in",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://login.test/?x\r\ncontent-length: 0\r\n\r\n",
            "redirects to http://login.test",
        ),
    ] {
        for checks in [true, false] {
            let endpoint = stranger(bytes);
            let client = if checks {
                crate::checking_builder_at(&endpoint)
            } else {
                crate::client_builder_at(&endpoint)
            };
            let lock = lock_of(&client.build().unwrap());
            let start = Instant::now();
            let error = storage(lock.acquire("me").unwrap_err());
            assert!(start.elapsed() < Duration::from_secs(10), "{error}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}

#[test]
fn acquire_waits_out_a_login_page_amid_a_stores_answers() {
    let server = Server::start();
    let lock = lock(&server);
    drop(lock.acquire("me").unwrap());
    let login = Fault::RawAnswer {
        status: 511,
        headers: Vec::new(),
        body: b"<html>log in</html>".to_vec(),
    };
    server.fault(Match::any().times(2), login);
    lock.acquire("me").unwrap().release().unwrap();
}

#[test]
fn status_reads_a_lock_whose_purpose_looks_like_rejected_credentials_once() {
    let server = Server::start();
    let purpose = "<Error><Code>ExpiredToken</Code></Error>";
    let lock = builder(&crate::client(&server)).purpose(purpose);
    let _guard = lock.build().unwrap().acquire("me").unwrap();
    let home = Home::new("purpose");
    home.write(
        "config",
        &format!(
            "[default]\ncredential_process = sh -c 'echo x >> ran; echo \"{{\\\"Version\\\":1,\
             \\\"AccessKeyId\\\":\\\"{ACCESS_KEY}\\\",\\\"SecretAccessKey\\\":\\\"{SECRET_KEY}\\\"}}\"'\n"
        ),
    );
    let mut command = child::bare_command("complain");
    command
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL_S3", server.endpoint());
    let complaint = child::complaint(command);
    assert!(complaint.starts_with("Held"), "{complaint}");
    let ran = std::fs::read_to_string(home.path().join("ran")).unwrap();
    assert_eq!(ran, "x\n", "the credentials were fetched anew");
}

#[test]
fn client_never_shows_a_secret() {
    let server = Server::start();
    let lock = builder(&crate::client(&server)).build().unwrap();
    let builder = client_builder(&server);
    let wrong = client_builder(&server)
        .credentials(ACCESS_KEY, "hunter2", None)
        .build()
        .unwrap();
    let error = lock_of(&wrong).acquire("me").unwrap_err();
    for shown in [
        format!("{lock:?}"),
        format!("{builder:?}"),
        format!("{error:?} {error}"),
    ] {
        assert!(
            !shown.contains(SECRET_KEY) && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

/// What a child without credentials does: eight threads at once ask for locks, and it says how long
/// the last of them had to wait, in milliseconds.
pub fn crowd() {
    let client = s3_lock::Client::new().unwrap();
    let same = lock_of(&client);
    let another = |number: usize| {
        let lock = S3Lock::builder(BUCKET, format!("lock-{number}")).client(client.clone());
        lock.build().unwrap()
    };
    let all_fail = |ask: &(dyn Fn(usize) -> bool + Sync)| {
        let start = Instant::now();
        thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || assert!(ask(number)));
            }
        });
        start.elapsed().as_millis()
    };
    let is_told = |got| matches!(got, Err(LockError::Config(e)) if e.field() == "credentials");
    let tries = all_fail(&|number| is_told(another(number).try_acquire("me").map(drop)));
    let queue = all_fail(&|_| is_told(same.acquire("me").map(drop)));
    println!("complaint: {tries} {queue}");
}

#[test]
fn client_without_credentials_tells_a_crowd_as_soon_as_a_single_one() {
    let server = Server::start();
    // An address that accepts and never answers, where an instance's metadata would be.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let mut command = child::bare_command("crowd");
    command
        .env("AWS_ENDPOINT_URL_S3", server.endpoint())
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent)
        .env("HOME", "/nonexistent");
    for took in child::complaint(command).split(' ') {
        let took: u64 = took.parse().unwrap();
        assert!(took < 3_000, "the last was told after {took} ms");
    }
}
