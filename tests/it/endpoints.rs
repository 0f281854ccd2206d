//! Where requests go: endpoints of code, variables and profiles, buckets in the host's name, paths in front of all
//! others.

use std::process::Command;
use std::time::{Duration, Instant};

use s3_lock::{Client, LockError, LockStatus, S3Lock};

use crate::child::{self, Home};
use crate::conformance;
use crate::support::{ACCESS_KEY, BUCKET, Fault, Match, Quirk, REGION, SECRET_KEY, Server};
use crate::{KEY, builder, checking_builder_at, client_builder_at, lock_of, requests_of, storage};

/// The port of nobody.
const NOBODY: &str = "http://127.0.0.1:1";

/// A child with keys, and a profile `p` with these lines besides.
fn profiled(home: &Home, lines: &str) -> Command {
    home.write("config", &format!("[profile p]\n{lines}\n"));
    let mut command = child::bare_command("complain");
    command
        .env("HOME", home.path())
        .env("AWS_PROFILE", "p")
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

#[test]
fn client_uses_the_endpoint_of_a_profile() {
    let (server, home) = (Server::start(), Home::new("endpoint"));
    let command = profiled(&home, &format!("endpoint_url = {}", server.endpoint()));
    assert_eq!(child::complaint(command), "none");
    assert!(server.object(KEY).is_some());
}

#[test]
fn client_uses_the_endpoint_of_the_services_section_before_that_of_its_profile() {
    let (server, home) = (Server::start(), Home::new("services"));
    let lines = format!(
        "endpoint_url = {NOBODY}\nservices = local\n[services local]\ns3 =\n  endpoint_url = {}\n",
        server.endpoint()
    );
    assert_eq!(child::complaint(profiled(&home, &lines)), "none");
}

#[test]
fn client_uses_the_endpoint_of_a_variable_before_that_of_a_profile() {
    let (server, home) = (Server::start(), Home::new("variable"));
    let mut command = profiled(&home, &format!("endpoint_url = {NOBODY}"));
    command.env("AWS_ENDPOINT_URL", server.endpoint());
    assert_eq!(child::complaint(command), "none");
}

#[test]
fn client_uses_the_region_of_the_profile_that_names_its_endpoint() {
    let (server, home) = (Server::start(), Home::new("region"));
    server.set_region("eu-central-1");
    let lines = format!(
        "region = eu-central-1\nendpoint_url = {}",
        server.endpoint()
    );
    let mut command = profiled(&home, &lines);
    command.env_remove("AWS_REGION");
    assert_eq!(child::complaint(command), "none");
    assert!(server.requests().iter().all(|r| r.status != Some(301)));
}

#[test]
fn client_needs_no_region_for_the_endpoint_of_a_profile() {
    let (server, home) = (Server::start(), Home::new("no-region"));
    let mut command = profiled(&home, &format!("endpoint_url = {}", server.endpoint()));
    command.env_remove("AWS_REGION");
    assert_eq!(child::complaint(command), "none");
}

#[test]
fn client_tells_which_profile_or_section_names_an_endpoint_that_nobody_answers_at() {
    let home = Home::new("nobody");
    let command = profiled(&home, &format!("endpoint_url = {NOBODY}"));
    let complaint = child::complaint(command);
    let said = format!("profile \"p\" says {NOBODY}: check its port");
    assert!(complaint.contains(&said), "{complaint}");
    let lines = format!("services = s\n[services s]\ns3 =\n  endpoint_url = {NOBODY}\n");
    let complaint = child::complaint(profiled(&home, &lines));
    let said = format!("the services section \"s\" of profile \"p\" says {NOBODY}: check its port");
    assert!(complaint.contains(&said), "{complaint}");
}

/// Where a child looks for S3: in a region that there is not, so that nothing is sent.
fn looks_for(command: &mut Command) -> String {
    command.env("AWS_REGION", "eu-nowhere-9");
    let complaint = child::complaint(std::mem::replace(command, Command::new("true")));
    let told = complaint.split_once("GET ").map_or("", |(_, told)| told);
    told.split('/').take(3).collect::<Vec<_>>().join("/")
}

#[test]
fn client_ignores_endpoints_of_variables_and_profiles_if_told_to() {
    let aws = "https://s3.eu-nowhere-9.amazonaws.com";
    let home = Home::new("ignored");
    let endpoint = format!("endpoint_url = {NOBODY}");
    let mut command = profiled(&home, &endpoint);
    command.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
    assert_eq!(looks_for(&mut command), aws);
    let lines = format!("{endpoint}\nignore_configured_endpoint_urls = true");
    let mut command = profiled(&home, &lines);
    command.env("AWS_ENDPOINT_URL_S3", NOBODY);
    assert_eq!(looks_for(&mut command), aws);
    let mut command = profiled(&home, &lines);
    command.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
    assert_eq!(looks_for(&mut command), NOBODY);
}

/// A file that cannot be read may name the endpoint. Without it, the keys would go to AWS.
#[test]
fn client_sends_nothing_if_a_file_that_may_name_its_endpoint_cannot_be_read() {
    let home = Home::new("unreadable");
    let not_text = home.path().join("latin-1");
    let lines = b"[profile p]\nendpoint_url = http://127.0.0.1:1\n# caf\xe9\n";
    std::fs::write(&not_text, lines).unwrap();
    for (variable, file) in [
        ("AWS_CONFIG_FILE", home.path()),
        ("AWS_CONFIG_FILE", &not_text),
        ("AWS_SHARED_CREDENTIALS_FILE", home.path()),
        ("AWS_SHARED_CREDENTIALS_FILE", &not_text),
    ] {
        for profile in ["p", ""] {
            let mut command = profiled(&home, "region = eu-nowhere-9");
            home.write("credentials", "[p]\nregion = eu-nowhere-9\n");
            command
                .env("AWS_REGION", "eu-nowhere-9")
                .env("AWS_PROFILE", profile)
                .env(variable, file);
            let complaint = child::complaint(command);
            let named = format!("cannot be relied on: {} cannot be read: ", file.display());
            assert!(complaint.starts_with("Config: "), "{complaint}");
            assert!(complaint.contains(&named), "{complaint}");
        }
    }
}

/// Whoever names the endpoint in code needs no file to be sure of it.
#[test]
fn client_with_an_endpoint_in_code_needs_no_file_that_can_be_read() {
    let (server, home) = (Server::start(), Home::new("not-needed"));
    let mut command = as_part(profiled(&home, ""), "without region");
    command
        .env("AWS_CONFIG_FILE", home.path())
        .env_remove("AWS_REGION")
        .env("TEST_ENDPOINT", server.endpoint());
    child::ends_well(command);
}

#[test]
fn client_looks_for_s3_at_the_endpoints_that_are_wanted() {
    let home = Home::new("variants");
    let mut command = profiled(&home, "use_dualstack_endpoint = true");
    command.env("AWS_USE_FIPS_ENDPOINT", "true");
    let both = "https://s3-fips.dualstack.eu-nowhere-9.amazonaws.com";
    assert_eq!(looks_for(&mut command), both);
    let mut command = profiled(&home, "use_fips_endpoint = true");
    command.env("AWS_USE_FIPS_ENDPOINT", "false");
    let usual = "https://s3.eu-nowhere-9.amazonaws.com";
    assert_eq!(looks_for(&mut command), usual);
}

#[test]
fn client_uses_an_endpoint_that_is_set_whatever_kind_of_aws_is_wanted() {
    let (server, home) = (Server::start(), Home::new("fips-set"));
    let mut command = profiled(&home, &format!("endpoint_url = {}", server.endpoint()));
    command
        .env("AWS_USE_FIPS_ENDPOINT", "true")
        .env("AWS_USE_DUALSTACK_ENDPOINT", "true");
    assert_eq!(child::complaint(command), "none");
}

#[test]
fn acquire_checks_the_store_that_a_profile_names() {
    let (server, home) = (Server::start(), Home::new("checked"));
    let command = profiled(&home, &format!("endpoint_url = {}", server.endpoint()));
    assert_eq!(child::complaint(command), "none");
    let checked = "locks/.s3-lock-check";
    let first = server.requests().remove(0);
    assert_eq!(
        (first.method.as_str(), first.key.as_str()),
        ("GET", checked)
    );
    assert!(server.object(checked).is_some());
}

#[test]
fn acquire_is_refused_by_an_unsafe_store_that_a_profile_names() {
    let (server, home) = (Server::start(), Home::new("unsafe"));
    server.set_quirk(Quirk::IgnoresIfNoneMatch);
    let command = profiled(&home, &format!("endpoint_url = {}", server.endpoint()));
    let complaint = child::complaint(command);
    assert!(complaint.starts_with("UnsafeStore: "), "{complaint}");
    assert!(server.object(KEY).is_none());
}

#[test]
#[cfg(unix)]
fn acquire_writes_nothing_while_it_is_not_known_which_store_it_is() {
    let (server, home) = (Server::start(), Home::new("hangs"));
    let fifo = home.path().join("config");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let mut command = profiled(&home, "");
    command
        .env("AWS_CONFIG_FILE", &fifo)
        .env("AWS_ENDPOINT_URL_S3", server.endpoint());
    let start = Instant::now();
    let complaint = child::complaint(command);
    assert!(
        complaint.starts_with("Storage: the profile's files, which may name the endpoint"),
        "{complaint}"
    );
    // A request's time, which is 5 s, and that of a new process.
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(server.requests().len(), 0);
}

#[test]
#[cfg(unix)]
fn client_reads_no_file_if_code_names_an_http_endpoint_and_a_region() {
    let (server, home) = (Server::start(), Home::new("unread"));
    let fifo = home.path().join("config");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let mut command = as_part(child::command("given", &server.endpoint()), "given");
    command
        .env("AWS_CONFIG_FILE", &fifo)
        .env("AWS_SHARED_CREDENTIALS_FILE", &fifo);
    // Who opened that file would wait for its writer for ever.
    child::ends_well(command);
}

#[test]
fn release_by_name_is_refused_by_an_unsafe_store_that_a_profile_names() {
    let (server, home) = (Server::start(), Home::new("unsafe-release"));
    let client = client_builder_at(&server.endpoint()).build().unwrap();
    let _ = lock_of(&client).acquire("me").unwrap().detach();
    server.set_quirk(Quirk::IgnoresIfNoneMatch);
    let held = server.object(KEY).unwrap().etag;
    let lines = format!("endpoint_url = {}", server.endpoint());
    child::ends_well(as_part(profiled(&home, &lines), "release"));
    assert_eq!(server.object(KEY).unwrap().etag, held);
}

#[test]
#[cfg(unix)]
fn client_reads_a_profile_again_that_it_could_not_read_in_time() {
    for part in ["again", "waits"] {
        let (server, home) = (Server::start(), Home::new(part));
        let mut command = as_part(profiled(&home, ""), part);
        let lines = format!("[profile p]\nendpoint_url = {}\n", server.endpoint());
        home.write("later", &lines);
        let fifo = home.path().join(".aws").join("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        command.env("AWS_CONFIG_FILE", &fifo);
        child::ends_well(command);
        assert!(server.object(KEY).is_some());
    }
}

/// What children of these tests do.
pub const PARTS: &str = "endpoints";

fn as_part(mut command: Command, part: &str) -> Command {
    command.env(child::PART, format!("{PARTS}: {part}"));
    command
}

pub fn play(part: &str) {
    match part {
        "given" => {
            let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").unwrap();
            let client = client_builder_at(&endpoint).build().unwrap();
            lock_of(&client)
                .acquire("child")
                .unwrap()
                .release()
                .unwrap();
        }
        "without region" => {
            let endpoint = std::env::var("TEST_ENDPOINT").unwrap();
            let client = Client::builder().endpoint(endpoint).build().unwrap();
            lock_of(&client)
                .try_acquire("child")
                .unwrap()
                .release()
                .unwrap();
        }
        "release" => {
            let refused = lock_of(&Client::new().unwrap()).release("me").unwrap_err();
            assert!(matches!(refused, LockError::UnsafeStore(_)), "{refused:?}");
        }
        "again" => {
            let lock = hasty_lock();
            let late = storage(lock.status().unwrap_err());
            assert!(late.is_retryable(), "{late}");
            make_readable();
            lock.acquire("child").unwrap().release().unwrap();
        }
        "waits" => {
            let lock = hasty_lock();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_secs(1));
                    make_readable();
                });
                let guard = lock.acquire_within("child", Duration::from_secs(60));
                guard.unwrap().release().unwrap();
            });
        }
        _ => panic!("no such part: {part}"),
    }
}

/// A lock whose requests soon time out.
fn hasty_lock() -> S3Lock {
    let client = Client::builder().request_timeout(Duration::from_millis(300));
    lock_of(&client.build().unwrap())
}

/// Puts a file that can be read into the place of the one that hangs.
fn make_readable() {
    let path = std::path::PathBuf::from(std::env::var_os("AWS_CONFIG_FILE").unwrap());
    std::fs::rename(path.with_file_name("later"), path).unwrap();
}

#[test]
fn client_takes_capitals_in_scheme_and_host() {
    let server = Server::start();
    let loud = server
        .endpoint()
        .replace("http://127.0.0.1", "HTTP://LocalHost");
    let lock = lock_of(&client_builder_at(&loud).build().unwrap());
    lock.acquire("me").unwrap().release().unwrap();
    assert!(server.object(KEY).is_some());
}

/// The server takes a path in front of all others for its bucket, and all that follows for a key. It checks the
/// signature over all of it.
#[test]
fn acquire_and_release_sign_a_path_that_stands_before_all_others() {
    for (path, before) in [
        ("", ""),
        ("/", ""),
        ("/s3", "s3/"),
        ("/s3/v1.0/", "s3/v1.0/"),
    ] {
        let server = Server::start();
        let endpoint = format!("{}/{BUCKET}{path}", server.endpoint());
        let client = checking_builder_at(&endpoint).build().unwrap();
        let lock = S3Lock::builder("other-bucket", "nightly").client(client);
        let lock = lock.folder("locks").build().unwrap();
        lock.acquire("me").unwrap().release().unwrap();
        assert_eq!(lock.status().unwrap(), LockStatus::Free);
        let key = format!("{before}other-bucket/locks/nightly.lock");
        assert!(server.object(&key).is_some(), "{path}");
    }
}

/// The server's URL by a name before which a bucket can stand.
fn by_name(server: &Server) -> String {
    server.endpoint().replace("127.0.0.1", "localhost")
}

fn hosted(server: &Server) -> Client {
    let client = client_builder_at(&by_name(server)).virtual_hosted();
    client.build().unwrap()
}

#[test]
fn client_puts_the_bucket_into_the_hosts_name() {
    let server = Server::start();
    let lock = lock_of(&hosted(&server));
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    for request in server.requests() {
        let host = by_name(&server).replace("http://", &format!("{BUCKET}."));
        assert_eq!(request.header("host"), Some(host.as_str()));
        let path = format!("{}/{}", request.bucket, request.key);
        assert_eq!(path, KEY);
    }
    guard.release().unwrap();
    assert!(server.object(KEY).is_some());
}

#[test]
fn client_with_the_bucket_in_the_hosts_name_does_all_that_others_do() {
    let server = Server::start();
    conformance::suite(BUCKET, &|| hosted(&server));
    conformance::queue_suite(BUCKET, &|| {
        let client = checking_builder_at(&by_name(&server)).virtual_hosted();
        client.build().unwrap()
    });
}

#[test]
fn list_asks_for_the_bucket_in_the_hosts_name() {
    let server = Server::start();
    let client = hosted(&server);
    let _guard = lock_of(&client).acquire("me").unwrap();
    server.clear_requests();
    let names: Vec<_> = client.list(BUCKET, "locks").unwrap();
    assert_eq!(names[0].name(), "nightly");
    let list = server.requests().remove(0);
    assert_eq!((list.bucket.as_str(), list.key.as_str()), ("", ""));
    assert!(list.query.contains("list-type=2"), "{}", list.query);
}

#[test]
fn check_store_asks_about_versions_of_the_bucket_in_the_hosts_name() {
    let server = Server::start();
    server.set_quirk(Quirk::IgnoresIfNoneMatch);
    let lock = lock_of(&hosted(&server));
    let refused = lock.check_store();
    assert!(matches!(refused, Err(LockError::UnsafeStore(_))));
    let asked = server
        .requests()
        .into_iter()
        .find(|r| r.query == "versioning=");
    let asked = asked.expect("it asks");
    assert_eq!((asked.bucket.as_str(), asked.key.as_str()), ("", ""));
}

#[test]
fn client_goes_to_the_region_that_s3_names_with_the_bucket_in_the_hosts_name() {
    let server = Server::start();
    server.set_region("eu-central-1");
    let lock = lock_of(&hosted(&server));
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "GET", "PUT"]);
    guard.release().unwrap();
}

#[test]
fn acquire_follows_no_temporary_redirect_of_a_store_that_is_not_aws_in_any_style() {
    let server = Server::start();
    let lock = lock_of(&hosted(&server));
    let host = format!("{BUCKET}.s3.amazonaws.com");
    let body = format!("<Error><Code>TemporaryRedirect</Code><Endpoint>{host}</Endpoint></Error>");
    let redirect = Fault::RawAnswer {
        status: 307,
        headers: Vec::new(),
        body: body.into(),
    };
    server.fault(Match::put(), redirect);
    let (sent, refused) = requests_of(&server, || lock.acquire("me"));
    assert_eq!(sent, ["GET", "PUT"]);
    refused.unwrap_err();
}

#[test]
fn list_refuses_a_bucket_that_cannot_be_in_a_hosts_name() {
    let server = Server::start();
    let refused = hosted(&server).list("my_bucket", "locks").unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("invalid bucket \"my_bucket\"")
    );
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn builder_takes_a_bucket_that_can_be_in_a_hosts_name() {
    let client = Client::builder().region(REGION).virtual_hosted().build();
    assert!(builder(&client.unwrap()).build().is_ok());
}
