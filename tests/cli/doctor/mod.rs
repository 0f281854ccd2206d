//! `s3-lock doctor`.

mod at_aws;
mod elsewhere;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ended, bare, run};
use crate::store::{KEY, URL, lock, stored};
use crate::support::{ACCESS_KEY, Fault, Gate, Match, Quirk, REGION, SECRET_KEY, Server};

/// The object that stores are checked with.
const SCRATCH: &str = "locks/.s3-lock-check";
const QUEUE: &str = "locks/nightly.queue";

/// The doctor, with these arguments besides, set up for a server.
fn doctor(server: &Server, arguments: &[&str]) -> Command {
    let mut command = bare(["doctor", URL].iter().chain(arguments));
    command
        .env("AWS_ENDPOINT_URL_S3", server.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

/// What it says of a server, and the same as JSON. It never shows the secret.
fn examined(server: &Server) -> (Ended, Value) {
    let told = both(doctor(server, &[]), doctor(server, &["--json"]));
    for ended in [&told.0, &told.1] {
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains(SECRET_KEY), "{said}");
    }
    let json = told.1.json();
    (told.0, json)
}

fn both(mut text: Command, mut json: Command) -> (Ended, Ended) {
    let (text, json) = (run(&mut text), run(&mut json));
    assert_eq!(text.code(), json.code(), "{text:?} {json:?}");
    (text, json)
}

/// The lines about something.
fn lines<'a>(ended: &'a Ended, about: &str) -> Vec<&'a str> {
    let is_meant = |line: &&str| line.get(6..).is_some_and(|rest| rest.starts_with(about));
    ended.stdout.lines().filter(is_meant).collect()
}

fn line<'a>(ended: &'a Ended, about: &str) -> &'a str {
    let lines = lines(ended, about);
    assert_eq!(lines.len(), 1, "{about}: {}", ended.stdout);
    lines[0]
}

/// A file of a test's own with this text.
fn temporary(name: &str, text: &str) -> PathBuf {
    let name = format!("s3-lock-doctor-{}-{name}", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// Status and remedy of a permission.
fn permit(json: &Value, action: &str, resource: &str) -> (String, String) {
    let permits = json["permissions"].as_array().unwrap();
    let mut found = permits
        .iter()
        .filter(|p| p["action"] == action && p["resource"] == resource);
    let permit = found
        .next()
        .unwrap_or_else(|| panic!("{action} {resource}: {json}"));
    let text = |name: &str| permit[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("remedy"))
}

fn status(json: &Value, part: &str) -> String {
    json[part]["status"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn doctor_finds_a_good_store_good_on_one_screen() {
    let server = Server::start();
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.lines().count() <= 40, "{}", ended.stdout);
    let is_ok = |line: &str| line.starts_with("ok ");
    assert!(ended.stdout.lines().all(is_ok), "{}", ended.stdout);
    assert!(line(&ended, "verdict").contains("locks work here"));
    assert!(line(&ended, "endpoint").contains("(AWS_ENDPOINT_URL_S3)"));
    assert!(line(&ended, "credentials").contains("the environment (AWS_ACCESS_KEY_ID)"));
    assert_eq!(json["locks_work"], true);
    assert_eq!(json["exit_status"], 0);
    assert_eq!(json["conditional_writes"]["uses_store_clock"], true);
    assert_eq!(json["round_trips"]["put"]["n"], 20);
}

#[test]
fn doctor_names_the_options_that_set_something() {
    let server = Server::start();
    let endpoint = server.endpoint();
    let mut command = doctor(
        &server,
        &["--region", "eu-west-1", "--endpoint-url", &endpoint],
    );
    let ended = run(&mut command);
    assert!(line(&ended, "region").ends_with("eu-west-1 (--region)"));
    assert!(line(&ended, "endpoint").ends_with("(--endpoint-url)"));
    assert!(!ended.stdout.contains("ClientBuilder"), "{}", ended.stdout);
}

#[test]
fn doctor_sends_as_many_requests_as_it_is_said_to() {
    let server = Server::start();
    run(&mut doctor(&server, &[]));
    let requests = server.requests();
    assert!(requests.len() <= 75, "{}", requests.len());
    let scratch = requests
        .iter()
        .filter(|r| r.method == "PUT" && r.key == SCRATCH);
    assert!(scratch.count() <= 30);
    assert_eq!(server.count("DELETE"), 0);
}

#[test]
fn doctor_tells_every_field_in_json_whatever_failed() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::start();
    let mut nobody = doctor(&server, &["--json", "--race"]);
    nobody.env("AWS_ENDPOINT_URL_S3", format!("http://{closed}"));
    let mut wrong = doctor(&server, &["--json", "--race"]);
    wrong.env("AWS_ENDPOINT_URL_S3", "no-scheme:9000");
    for mut command in [doctor(&server, &["--json"]), nobody, wrong] {
        let json = run(&mut command).json();
        let fields: [(&str, &[&str]); 12] = [
            (
                "",
                &["url", "bucket", "key", "locks_work", "exit_status", "race"],
            ),
            (
                "settings",
                &["region", "endpoint", "is_aws", "proxy", "certificates"],
            ),
            (
                "credentials",
                &[
                    "access_key_id",
                    "source",
                    "files",
                    "is_temporary",
                    "expires_at",
                ],
            ),
            ("reachable", &[]),
            ("lock", &[]),
            (
                "conditional_writes",
                &["is_safe", "etag_form", "races", "uses_store_clock"],
            ),
            ("clock", &["ahead_seconds", "give_or_take_seconds"]),
            ("round_trips", &["get", "put"]),
            ("costs", &["currency", "cycle_warm", "cycle_cold"]),
            (
                "costs",
                &["waiter_hour", "waiter_hour_among_several", "held_day"],
            ),
            ("settings", &["status", "found", "remedy"]),
            ("costs", &["status", "found", "remedy"]),
        ];
        for (part, names) in fields {
            let object = if part.is_empty() { &json } else { &json[part] };
            let object = object
                .as_object()
                .unwrap_or_else(|| panic!("{part}: {json}"));
            let always: &[&str] = if part.is_empty() {
                &[]
            } else {
                &["status", "found", "remedy"]
            };
            for name in names.iter().chain(always) {
                assert!(object.contains_key(*name), "{part}.{name}: {json}");
            }
        }
        assert!(json["permissions"].is_array());
    }
}

#[test]
fn doctor_says_what_to_do_without_credentials() {
    let server = Server::start();
    let without = |arguments: &[&str]| {
        let mut command = doctor(&server, arguments);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        command
    };
    let (ended, json) = both(without(&[]), without(&["--json"]));
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(line(&ended, "credentials").starts_with("FAIL"));
    assert!(ended.stdout.contains("to do: set AWS_ACCESS_KEY_ID and"));
    assert!(!ended.stdout.contains("ClientBuilder"), "{}", ended.stdout);
    assert!(line(&ended, "bucket").contains("not tried: there are no credentials"));
    assert_eq!(status(&json.json(), "credentials"), "fail");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn doctor_names_the_profile_and_its_files() {
    let server = Server::start();
    let keys =
        format!("[ci]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    let file = temporary("credentials", &keys);
    let mut command = doctor(&server, &["--profile", "ci"]);
    command.env("AWS_SHARED_CREDENTIALS_FILE", &file);
    let ended = run(&mut command);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let told = line(&ended, "credentials");
    assert!(told.contains("AKID…TEST from profile \"ci\" in "), "{told}");
    assert!(
        told.contains(&format!("{} (read)", file.display())),
        "{told}"
    );
}

#[test]
fn doctor_tells_when_keys_expire() {
    let server = Server::start();
    let keys = format!("\"AccessKeyId\":\"{ACCESS_KEY}\",\"SecretAccessKey\":\"{SECRET_KEY}\"");
    let json = format!("{{\"Version\":1,{keys},\"Expiration\":\"2096-11-23T02:00:00Z\"}}");
    let command = format!("[profile p]\ncredential_process = echo '{json}'\n");
    let file = temporary("config", &command);
    let mut command = doctor(&server, &["--profile", "p"]);
    let ended = run(command.env("AWS_CONFIG_FILE", &file));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let told = line(&ended, "credentials");
    assert!(
        told.contains("the credential_process of profile \"p\""),
        "{told}"
    );
    assert!(told.ends_with("until 2096-11-23T02:00:00Z"), "{told}");
}

#[test]
fn doctor_finds_that_nothing_is_permitted_and_doubts_the_keys() {
    let server = Server::start();
    server.fault(Match::any().always(), Fault::answer(403, "AccessDenied"));
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert_eq!(status(&json, "reachable"), "warn");
    assert!(line(&ended, "bucket").contains("permits nothing"));
    assert!(
        ended.stdout.contains("to do: check the access key"),
        "{}",
        ended.stdout
    );
}

#[test]
fn doctor_tells_that_keys_are_wrong_and_where_they_are_from() {
    let server = Server::start();
    let mut command = doctor(&server, &[]);
    command.env("AWS_SECRET_ACCESS_KEY", "hunter2-wrong");
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(line(&ended, "bucket").starts_with("FAIL"));
    assert!(
        ended.stdout.contains("the keys are from the environment"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("hunter2"));
}

#[test]
fn doctor_tells_that_a_bucket_is_not_there() {
    let server = Server::start();
    let mut command = bare(["doctor", "s3://no-such-bucket/nightly"]);
    command
        .env("AWS_ENDPOINT_URL_S3", server.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("create the bucket no-such-bucket"),
        "{}",
        ended.stdout
    );
}

#[test]
fn doctor_tells_that_the_lock_may_not_be_read() {
    let server = Server::start();
    lock(&server)
        .acquire("somebody")
        .unwrap()
        .release()
        .unwrap();
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::get().key(KEY).always(), denied);
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let (status, remedy) = permit(&json, "s3:GetObject", KEY);
    assert_eq!(status, "fail");
    assert!(remedy.contains("grant s3:GetObject on arn:aws:s3:::locks-test/locks/nightly.lock"));
    assert_eq!(permit(&json, "s3:PutObject", KEY).0, "ok");
    assert_eq!(permit(&json, "s3:GetObject", SCRATCH).0, "ok");
}

#[test]
fn doctor_tells_that_the_lock_may_not_be_written() {
    let server = Server::start();
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::put().key(KEY).always(), denied);
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let (status, remedy) = permit(&json, "s3:PutObject", KEY);
    assert_eq!(status, "fail");
    assert!(remedy.contains("grant s3:PutObject on arn:aws:s3:::locks-test/locks/nightly.lock"));
    assert_eq!(permit(&json, "s3:GetObject", KEY).0, "ok");
    assert_eq!(permit(&json, "s3:PutObject", QUEUE).0, "ok");
}

#[test]
fn doctor_does_not_say_that_locks_work_where_it_could_not_ask_whether_the_lock_may_be_written() {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    let denied = Fault::answer(403, "AccessDenied");
    // The store cannot be checked, so it is not asked to refuse a write of the lock.
    server.fault(Match::get().key(SCRATCH).always(), denied.clone());
    server.fault(Match::put().key(KEY).always(), denied);
    let ended = run(&mut doctor(&server, &["--assume-conditional-writes"]));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
}

#[test]
fn doctor_tells_that_nothing_may_be_written() {
    let server = Server::start();
    let guard = lock(&server).acquire("somebody").unwrap();
    guard.release().unwrap();
    server.clear_requests();
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::put().always(), denied);
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert_eq!(permit(&json, "s3:PutObject", SCRATCH).0, "fail");
    assert_eq!(permit(&json, "s3:GetObject", KEY).0, "ok");
    assert_eq!(status(&json, "conditional_writes"), "fail");
    // Nobody has seen that this store refuses what it must.
    let puts = server.requests();
    assert!(!puts.iter().any(|r| r.method == "PUT" && r.key == KEY));
}

#[test]
fn doctor_warns_that_the_queue_may_not_be_used() {
    let server = Server::start();
    for rule in [Match::put(), Match::get()] {
        let denied = Fault::answer(403, "AccessDenied");
        server.fault(rule.key(QUEUE).always(), denied);
    }
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(permit(&json, "s3:GetObject", QUEUE).0, "warn");
    assert_eq!(permit(&json, "s3:PutObject", QUEUE).0, "warn");
}

#[test]
fn doctor_warns_that_the_bucket_may_not_be_listed() {
    let server = Server::start();
    server.fault(Match::list().always(), Fault::answer(403, "AccessDenied"));
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let (status, remedy) = permit(&json, "s3:ListBucket", "locks-test");
    assert_eq!(status, "warn");
    assert!(remedy.contains("grant s3:ListBucket"), "{remedy}");
}

#[test]
fn doctor_warns_that_it_cannot_tell_of_what_is_absent_where_that_is_hidden() {
    let server = Server::start();
    // As S3 answers those who may not list.
    server.fault(Match::list().always(), Fault::answer(403, "AccessDenied"));
    for rule in [
        Match::get().key(KEY),
        Match::get().key(QUEUE),
        Match::get().key_prefix("locks/.s3-lock-race-"),
    ] {
        server.fault(rule.always(), Fault::answer(403, "AccessDenied"));
    }
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(permit(&json, "s3:GetObject", KEY).0, "warn");
    assert_eq!(permit(&json, "s3:PutObject", KEY).0, "ok");
    assert!(
        ended.stdout.contains("to do: acquire the lock once"),
        "{}",
        ended.stdout
    );
}

#[test]
fn doctor_writes_neither_lock_nor_queue_of_a_store_that_ignores_conditions() {
    for quirk in [
        Quirk::IgnoresIfMatch,
        Quirk::IgnoresIfNoneMatch,
        Quirk::TakesWrongEtagsOnly,
    ] {
        let server = Server::start();
        let guard = lock(&server).acquire("somebody").unwrap();
        let before = server.object(KEY);
        server.set_quirk(quirk);
        server.clear_requests();
        let (ended, json) = examined(&server);
        assert_eq!(ended.code(), Some(1), "{quirk:?}: {ended:?}");
        assert_eq!(json["conditional_writes"]["is_safe"], false);
        assert!(
            ended.stdout.contains("would break the lock"),
            "{}",
            ended.stdout
        );
        let requests = server.requests();
        let writes = requests.iter().filter(|request| request.method != "GET");
        let others = writes.filter(|r| !r.key.starts_with("locks/.s3-lock-"));
        assert_eq!(others.count(), 0, "{quirk:?}");
        assert_eq!(server.object(KEY), before);
        guard.detach();
    }
}

#[test]
fn doctor_finds_a_store_good_that_takes_unquoted_etags_alone() {
    let server = Server::start();
    server.set_quirk(Quirk::UnquotedIfMatchOnly);
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(json["conditional_writes"]["etag_form"], "unquoted");
    assert_eq!(permit(&json, "s3:PutObject", KEY).0, "ok");
}

#[test]
fn doctor_warns_of_a_clock_that_is_off_by_minutes() {
    let server = Server::start();
    server.set_clock_offset(300);
    let (ended, json) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(status(&json, "clock"), "warn");
    let ahead = json["clock"]["ahead_seconds"].as_i64().unwrap();
    assert!((-302..=-298).contains(&ahead), "{ahead}");
    assert!(line(&ended, "clock").contains("s behind the store's"));
}

#[test]
fn doctor_tells_that_a_clock_is_too_far_off_for_signatures() {
    let server = Server::start();
    server.set_clock_offset(3_600);
    let (ended, _) = examined(&server);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(line(&ended, "bucket").contains("RequestTimeTooSkewed"));
    assert!(
        ended.stdout.contains("s behind: set it"),
        "{}",
        ended.stdout
    );
}

#[test]
fn doctor_tells_that_nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::start();
    let mut command = doctor(&server, &[]);
    command.env("AWS_ENDPOINT_URL_S3", format!("http://{closed}"));
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(line(&ended, "bucket").starts_with("FAIL"));
    assert!(line(&ended, "clock").contains("not tried"));
    assert!(
        ended.stdout.contains("AWS_ENDPOINT_URL_S3 says"),
        "{}",
        ended.stdout
    );
}

#[test]
fn doctor_tells_that_a_variable_is_wrong() {
    let server = Server::start();
    let mut command = doctor(&server, &[]);
    command.env("HTTP_PROXY", "socks5://me:hunter2@proxy");
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let told = line(&ended, "settings");
    assert!(told.contains("invalid proxy in HTTP_PROXY"), "{told}");
    assert!(!ended.stdout.contains("hunter2"));
}

#[test]
fn doctor_shows_a_proxy_without_its_password() {
    let server = Server::start();
    let mut command = doctor(&server, &["--json"]);
    command
        .env_remove("no_proxy")
        .env("HTTP_PROXY", "http://me:hunter2@127.0.0.1:9");
    let ended = run(&mut command);
    assert_eq!(
        ended.json()["settings"]["proxy"]["value"],
        "http://127.0.0.1:9"
    );
    assert_eq!(ended.json()["settings"]["proxy"]["set_by"], "HTTP_PROXY");
    assert!(!format!("{ended:?}").contains("hunter2"));
}

#[test]
fn doctor_ends_soon_at_a_store_that_hangs() {
    for rule in [Match::any(), Match::put()] {
        let server = Server::start();
        let gate = Gate::default();
        server.fault(rule.always(), Fault::HoldAt(gate.clone()));
        let began = Instant::now();
        let ended = run(&mut doctor(&server, &[]));
        // It has taken one request's time or two, and is promised to take some 20 s at most.
        assert!(began.elapsed() < Duration::from_secs(40), "{ended:?}");
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        assert!(
            ended.stdout.contains("had no answer within"),
            "{}",
            ended.stdout
        );
        gate.open();
    }
}

#[test]
fn doctor_does_not_know_of_a_store_that_is_busy() {
    let server = Server::start();
    server.fault(Match::any().always(), Fault::answer(503, "SlowDown"));
    let mut command = doctor(&server, &["--json"]);
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    assert_eq!(ended.json()["locks_work"], Value::Null);
}

#[test]
fn doctor_leaves_a_lock_alone_that_is_held_and_its_queue() {
    let server = Server::start();
    let guard = lock(&server).acquire("host-17").unwrap();
    server.put_object(QUEUE, "{\"format\":1}");
    let before = (server.object(KEY), server.object(QUEUE));
    let (ended, _) = examined(&server);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(line(&ended, "lock").contains("host-17"), "{}", ended.stdout);
    assert_eq!((server.object(KEY), server.object(QUEUE)), before);
    guard.renew().unwrap();
    assert!(guard.is_held());
    guard.release().unwrap();
}

#[test]
fn doctor_makes_neither_lock_nor_queue() {
    let server = Server::start();
    examined(&server);
    assert!(stored(&server).is_none());
    assert!(server.object(QUEUE).is_none());
    let requests = server.requests();
    let rest = requests
        .iter()
        .filter(|r| r.method == "PUT" && !r.key.starts_with("locks/.s3-lock-"));
    // Each names an ETag that no version had.
    for probe in rest {
        assert!(
            probe.headers.iter().any(|(name, _)| name == "if-match"),
            "{probe:?}"
        );
    }
}

#[test]
fn doctor_tells_that_the_object_is_no_lock() {
    let server = Server::start();
    server.put_object(KEY, "not a lock");
    let (ended, _) = examined(&server);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(line(&ended, "lock").contains("is not a lock of ours"));
}

#[test]
fn doctor_races_the_store_over_all_endpoints_and_says_how_many_requests() {
    let server = Server::start();
    let arguments = ["--race=3", "--also", &server.endpoint(), "--json"];
    let ended = run(&mut doctor(&server, &arguments));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("in 3 rounds: up to 71 requests"),
        "{}",
        ended.stderr
    );
    let race = &ended.json()["race"];
    assert_eq!(race["races"], 7);
    assert_eq!(race["endpoints"].as_array().unwrap().len(), 2);
}

#[test]
fn doctor_tells_that_a_race_has_refuted_the_store() {
    let server = Server::start();
    server.set_quirk(Quirk::TwoStepsToReplaceSome);
    let ended = run(&mut doctor(&server, &["--race=5"]));
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(line(&ended, "race").starts_with("FAIL"), "{}", ended.stdout);
}

#[test]
fn doctor_refuses_rounds_out_of_range() {
    for rounds in ["--race=0", "--race=1001", "--race=some"] {
        let ended = run(&mut bare(["doctor", URL, rounds]));
        assert_eq!(ended.code(), Some(125), "{ended:?}");
        assert!(ended.stderr.contains("--race"), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn doctor_cannot_say_it_to_a_full_disk() {
    let server = Server::start();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return };
    let ended = run(doctor(&server, &[]).stdout(full));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot write to standard output"),
        "{ended:?}"
    );
}
