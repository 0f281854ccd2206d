//! Credentials from wherever a program runs. Each source is a stand-in on the loopback, or a script;
//! the lock is taken with what it gave, in a process with an environment of its own.

mod aws_cli;
mod botocore;
mod identity;
mod login;
mod moto;
mod rgw;
mod roles;
mod sso;

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use chrono::{DateTime, Utc};
use s3_lock::internals::Time;
use s3_lock::{Client, LockError, LockGuard, S3Lock};

use crate::child::{self, Home};
use crate::support::{
    ACCESS_KEY, Answer, Asked, Fault, Match, REGION, SECRET_KEY, Server, StandIn,
};

/// The part of a child that makes calls with whatever credentials it finds.
pub const PART: &str = "credentials";
/// What it calls, one word after another: `try`, `acquire`, `renew` for a while, a `crowd` of looks; and
/// `found` says where it has logged that it found credentials.
const CALLS: &str = "S3_LOCK_TEST_CALLS";
/// For how long it goes on renewing (by its own clock), in seconds, and how long a request may take, in milliseconds.
const RENEW_FOR: &str = "S3_LOCK_TEST_RENEW_FOR";
const TIMEOUT: &str = "S3_LOCK_TEST_TIMEOUT";
/// Set where the check of the store is to come first.
const CHECKED: &str = "S3_LOCK_TEST_CHECKED";
/// The profile that the child's code names, if it names one.
const PROFILE: &str = "S3_LOCK_TEST_PROFILE";
/// The lease, in milliseconds.
const LEASE: &str = "S3_LOCK_TEST_LEASE";

const HUNTER: &str = "hunter2-hunter2-hunter2";

/// Files in the child's home: it makes the one at `meet`, and goes on when its parent has made the other.
const HERE: &str = "here";
const MET: &str = "met";
/// Set where the child's clock is to jump once a command has begun, and has made the file `HERE`: by so many
/// seconds, or else over the command's time.
const JUMP: &str = "S3_LOCK_TEST_JUMP";

/// How far `nap` moves the child's clock.
const NAP: Duration = Duration::from_secs(15);

/// Makes the calls that its parent wants, and says how each went, and how many milliseconds it took.
pub fn play() {
    log::set_logger(&Listener).expect("nobody else logs in this process");
    log::set_max_level(log::LevelFilter::Trace);
    let calls = env::var(CALLS).expect("the parent named the calls");
    let time = Time::default();
    let lock = lock(&time);
    if let Ok(jump) = env::var(JUMP) {
        let jump = Duration::from_secs(jump.parse().unwrap_or(56));
        let time = time.clone();
        thread::spawn(move || {
            crate::eventually("the command begins", || here().exists());
            time.advance(jump);
        });
    }
    let mut guard = None;
    let told: Vec<_> = calls
        .split_whitespace()
        .map(|call| {
            let start = Instant::now();
            if call == "found" {
                return FOUND.lock().unwrap().join(" ");
            }
            let outcome = match call {
                "try" => lock.try_acquire("child").map(|g| guard = Some(g)),
                "acquire" => lock.acquire("child").map(|g| guard = Some(g)),
                "renew" => renew(guard.as_ref().expect("it was acquired before"), &time),
                "crowd" => crowd(&lock),
                "queue" => queue(&lock),
                "keep" => keep(guard.as_ref().expect("it was acquired before")),
                "within" => lock
                    .acquire_within("child", Duration::from_millis(500))
                    .map(|g| guard = Some(g)),
                "release" => guard.take().map_or(Ok(()), LockGuard::release),
                "drop" => {
                    drop(guard.take());
                    Ok(())
                }
                "nap" => {
                    time.advance(NAP);
                    Ok(())
                }
                "wait" => {
                    thread::sleep(Duration::from_millis(1500));
                    Ok(())
                }
                "meet" => {
                    fs::write(here(), "").expect("its home is its own");
                    crate::eventually("its parent comes", || here().with_file_name(MET).exists());
                    Ok(())
                }
                "ignore-children" => {
                    // SAFETY: a plain system call; no handler is set.
                    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
                    Ok(())
                }
                "no-threads" => {
                    allow_no_threads();
                    Ok(())
                }
                "nobody" => {
                    become_nobody();
                    Ok(())
                }
                "unwind" => {
                    let held = guard.take();
                    let failing = AssertUnwindSafe(move || {
                        let _held = held;
                        panic!("the main operation failed");
                    });
                    let _ = catch_unwind(failing);
                    Ok(())
                }
                other => panic!("no such call: {other}"),
            };
            let told = match outcome {
                Ok(()) => "none".to_owned(),
                Err(error) => format!("{error:?} | {error}").replace('\n', " "),
            };
            format!("{told} [{}]", start.elapsed().as_millis())
        })
        .collect();
    // With the client goes what it runs in the background.
    drop((guard, lock));
    println!("complaint: {} children {}", told.join(" && "), children());
}

/// A file in the child's own home.
fn here() -> PathBuf {
    let home = env::var_os("HOME").expect("it has a home");
    PathBuf::from(home).join(HERE)
}

/// From here on this process can start neither a thread nor another process.
fn allow_no_threads() {
    let none = libc::rlimit {
        rlim_cur: 1,
        rlim_max: 1,
    };
    // SAFETY: a plain system call. The limit does not bind root, so root becomes nobody.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_NPROC, &raw const none), 0);
    }
    become_nobody();
    assert!(thread::Builder::new().spawn(|| ()).is_err(), "no limit");
}

/// Root may do anything, so it becomes nobody.
fn become_nobody() {
    // SAFETY: two plain system calls.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
        }
    }
}

/// Where credentials were found, as it was logged.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Panics at the first secret that is logged, at whatever level.
struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        assert!(!shows_a_secret(&text), "logged: {text}");
        if let Some((_, way)) = text.split_once("credentials found: ") {
            FOUND.lock().unwrap().push(way.to_owned());
        }
    }

    fn flush(&self) {}
}

fn shows_a_secret(text: &str) -> bool {
    text.contains(SECRET_KEY) || text.contains(HUNTER)
}

fn lock(time: &Time) -> S3Lock {
    let milliseconds = env::var(TIMEOUT).map_or(5000, |t| t.parse().unwrap());
    let mut client = Client::builder().request_timeout(Duration::from_millis(milliseconds));
    if env::var(CHECKED).is_err() {
        // The check of the store would have requests of its own.
        client = client.assume_conditional_writes();
    }
    if let Ok(profile) = env::var(PROFILE) {
        client = client.profile(&profile);
    }
    let client = time.of(client).build();
    let client = client.expect("the parent set what is needed");
    // Short enough for a test that waits for nothing to happen.
    let mut builder = crate::builder(&client).wait_limit(Duration::from_secs(20));
    if let Ok(lease) = env::var(LEASE) {
        let lease = Duration::from_millis(lease.parse().unwrap());
        builder = builder
            .max_operation(lease / 10)
            .acquire_allowance(lease * 9 / 10);
    }
    builder.build().expect("the settings are valid")
}

fn renew(guard: &LockGuard, time: &Time) -> Result<(), LockError> {
    const TIMES: u32 = 50;
    let span = env::var(RENEW_FOR).expect("the parent said for how long");
    let span = Duration::from_secs(span.parse().unwrap());
    for _ in 0..TIMES {
        guard.renew()?;
        time.advance(span / TIMES);
        // What is fetched meanwhile takes real time.
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Eight threads that look at the same moment; the first error.
fn crowd(lock: &S3Lock) -> Result<(), LockError> {
    thread::scope(|scope| {
        let looks: Vec<_> = (0..8).map(|_| scope.spawn(|| lock.status())).collect();
        let ends = looks.into_iter().map(|look| look.join().unwrap().map(drop));
        ends.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Eight threads that queue for the lock; the first error.
fn queue(lock: &S3Lock) -> Result<(), LockError> {
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| lock.acquire("child")))
            .collect();
        let ends = calls.into_iter().map(|call| call.join().unwrap().map(drop));
        ends.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Has the lock kept alive for a while.
fn keep(guard: &LockGuard) -> Result<(), LockError> {
    let span = env::var(RENEW_FOR).expect("the parent said for how long");
    guard.keep_alive()?;
    thread::sleep(Duration::from_secs(span.parse().unwrap()));
    guard.check()
}

/// How many processes this one has started and not waited for, once there has been time to do so.
fn children() -> usize {
    let mut left = usize::MAX;
    for _ in 0..3000 {
        let Ok(threads) = fs::read_dir("/proc/self/task") else {
            // Only Linux tells.
            return 0;
        };
        let threads = threads.flatten();
        let of_thread = |t: fs::DirEntry| fs::read_to_string(t.path().join("children"));
        let all: String = threads.filter_map(|t| of_thread(t).ok()).collect();
        left = all.split_whitespace().count();
        if left == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    left
}

/// A child that makes `calls` to `server`, and has a home without credentials.
fn command(server: &Server, home: &Home, calls: &str) -> Command {
    let mut command = child::bare_command(PART);
    command
        .env(CALLS, calls)
        .env("HOME", home.path())
        .env("AWS_REGION", REGION)
        .env("AWS_ENDPOINT_URL_S3", server.endpoint());
    command
}

/// How a child's calls went.
struct Told(Vec<String>);

impl Told {
    fn of(command: Command) -> Told {
        let told = child::complaint(command);
        let (told, children) = told.split_once(" children ").expect("it counts them");
        assert_eq!(children.trim(), "0", "left behind, after {told}");
        Told(told.split(" && ").map(str::to_owned).collect())
    }

    fn error(&self, call: usize) -> &str {
        let told = &self.0[call];
        assert!(!told.starts_with("none"), "no error");
        assert!(!shows_a_secret(told), "{told}");
        told
    }

    #[track_caller]
    fn has(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.error(0).contains(part), "{part}: {}", self.0[0]);
        }
    }

    fn took(&self, call: usize) -> Duration {
        let told = self.0[call].trim_end_matches(']');
        let milliseconds = told.rsplit('[').next().unwrap().parse().unwrap();
        Duration::from_millis(milliseconds)
    }

    #[track_caller]
    fn all_went_well(&self) {
        assert!(self.0.iter().all(|t| t.starts_with("none")), "{:?}", self.0);
    }
}

fn in_(span: Duration) -> String {
    let at: DateTime<Utc> = (SystemTime::now() + span).into();
    at.to_rfc3339()
}

const HOUR: Duration = Duration::from_secs(3600);

/// What endpoints answer: the server's keys, and a session token by which they can be told apart.
fn keys(token: &str, good_for: Duration) -> Answer {
    keys_of(ACCESS_KEY, token, good_for)
}

fn keys_of(id: &str, token: &str, good_for: Duration) -> Answer {
    let expiration = in_(good_for);
    Answer::Say(
        200,
        format!(
            r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"{SECRET_KEY}","Token":"{token}","Expiration":"{expiration}"}}"#
        ),
    )
}

fn say(status: u16, body: &str) -> Answer {
    Answer::Say(status, body.to_owned())
}

/// The session tokens that reached S3, without repetition.
fn tokens(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let sent = requests.iter().map(|r| r.header("x-amz-security-token"));
    let mut sent: Vec<_> = sent.map(|t| t.unwrap_or("none").to_owned()).collect();
    sent.dedup();
    sent
}

// Containers.

fn container(server: &Server, home: &Home, stand_in: &StandIn, calls: &str) -> Command {
    let mut command = command(server, home, calls);
    let url = format!("{}/get/{HUNTER}", stand_in.endpoint());
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    command
}

#[test]
fn client_in_a_container_has_the_keys_that_its_endpoint_gives() {
    let (server, home) = (Server::start(), Home::new("container"));
    let endpoint = StandIn::start(|_| keys("t", HOUR));
    let mut command = container(&server, &home, &endpoint, "try");
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer of news");
    Told::of(command).all_went_well();
    let asked = endpoint.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, format!("/get/{HUNTER}"));
    assert_eq!(asked[0].header("authorization"), Some("Bearer of news"));
    assert_eq!(tokens(&server), ["t"]);
}

#[test]
fn client_renews_expiring_credentials_while_the_lock_is_held() {
    let (server, home) = (Server::start(), Home::new("expiring"));
    // By the child's clock each is good for 200 s, and comes 100 s after the one before.
    let endpoint = StandIn::start(|so_far| {
        let number = so_far.len();
        let good_for = Duration::from_secs(100) * (number as u32 + 1);
        keys(&format!("t{number}"), good_for)
    });
    let mut command = container(&server, &home, &endpoint, "acquire renew");
    command.env(RENEW_FOR, "280");
    Told::of(command).all_went_well();
    // Each was used for half of its life, and no longer.
    assert_eq!(endpoint.requests().len(), 3);
    assert_eq!(tokens(&server), ["t1", "t2", "t3"]);
}

#[test]
fn client_reads_the_file_of_a_containers_token_each_time() {
    let (server, home) = (Server::start(), Home::new("token-file"));
    let file = home.path().join("token");
    fs::write(&file, "first\n").unwrap();
    let rotated = file.clone();
    let endpoint = StandIn::start(move |_| {
        fs::write(&rotated, "second\n").unwrap();
        keys("t", Duration::from_secs(100))
    });
    let mut command = container(&server, &home, &endpoint, "acquire renew");
    command
        .env(RENEW_FOR, "150")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file);
    Told::of(command).all_went_well();
    let asked = endpoint.requests();
    assert_eq!(asked[0].header("authorization"), Some("first"));
    assert_eq!(asked[1].header("authorization"), Some("second"));
}

#[test]
fn client_uses_credentials_that_cannot_be_renewed_until_they_expire_and_leaves_their_source_in_peace()
 {
    let (server, home) = (Server::start(), Home::new("ageing"));
    let endpoint = StandIn::start(|so_far| match so_far.len() {
        1 => keys("t", Duration::from_secs(600)),
        _ => say(500, ""),
    });
    let mut command = container(&server, &home, &endpoint, "acquire renew");
    command.env(RENEW_FOR, "450");
    Told::of(command).all_went_well();
    let fetched = endpoint.requests().len();
    let sent = server.requests().len();
    assert!(
        (2..=6).contains(&fetched) && sent > 30,
        "{fetched} for {sent}"
    );
}

#[test]
fn client_fetches_anew_what_s3_rejects_and_sends_the_request_again() {
    let (server, home) = (Server::start(), Home::new("rejected"));
    let endpoint = StandIn::start(|so_far| match so_far.len() {
        1 => keys_of("UNKNOWN", "t", HOUR),
        _ => keys("t", HOUR),
    });
    Told::of(container(&server, &home, &endpoint, "try")).all_went_well();
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn release_goes_well_whose_credentials_were_replaced_meanwhile() {
    let (server, home) = (Server::start(), Home::new("rotated"));
    let endpoint = StandIn::start(|so_far| keys(&format!("t{}", so_far.len()), HOUR));
    server.fault(Match::put().skip(1), Fault::answer(400, "ExpiredToken"));
    Told::of(container(&server, &home, &endpoint, "acquire release")).all_went_well();
    assert_eq!(crate::stored_state(&server).as_deref(), Some("released"));
    assert_eq!(tokens(&server), ["t1", "t2"]);
}

#[test]
fn client_does_not_send_what_s3_rejects_again_with_the_same_keys() {
    let (server, home) = (Server::start(), Home::new("rejected-again"));
    let endpoint = StandIn::start(|_| keys_of("UNKNOWN", "t", HOUR));
    let told = Told::of(container(&server, &home, &endpoint, "try"));
    told.has(&["InvalidAccessKeyId"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
#[cfg(unix)]
fn client_gives_a_token_file_that_hangs_no_longer_than_a_request() {
    let (server, home) = (Server::start(), Home::new("fifo"));
    let fifo = home.path().join("token");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let endpoint = StandIn::start(|_| keys("t", HOUR));
    let mut command = container(&server, &home, &endpoint, "try");
    command
        .env(TIMEOUT, "1000")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &fifo);
    let told = Told::of(command);
    told.has(&["Storage: ", "the look-up of the credentials read "]);
    assert!(told.took(0) < Duration::from_secs(3), "{:?}", told.took(0));
}

#[test]
#[cfg(unix)]
fn client_gives_a_profile_file_that_hangs_no_longer_than_a_request() {
    let (server, home) = (Server::start(), Home::new("fifo-profile"));
    let fifo = home.path().join(".aws").join("config");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let mut command = command(&server, &home, "try");
    command
        .env(TIMEOUT, "1000")
        // Else the profile is first asked whether it says so, and for certificates.
        .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")
        .env("AWS_CA_BUNDLE", "/dev/null");
    let told = Told::of(command);
    told.has(&[
        "Storage: ",
        "the look-up of the credentials read AWS's shared files",
    ]);
    assert!(told.took(0) < Duration::from_secs(3), "{:?}", told.took(0));
}

#[test]
fn client_does_not_remember_a_failure() {
    let (server, home) = (Server::start(), Home::new("forgotten"));
    let endpoint = StandIn::start(|so_far| match so_far.len() {
        1 => say(404, ""),
        _ => keys("t", HOUR),
    });
    let told = Told::of(container(&server, &home, &endpoint, "try try"));
    told.has(&["Config: ", "answered 404"]);
    assert!(told.0[1].starts_with("none"), "{}", told.0[1]);
}

#[test]
fn acquire_waits_for_an_endpoint_that_fails_for_a_moment() {
    let (server, home) = (Server::start(), Home::new("waited"));
    let endpoint = StandIn::start(|so_far| match so_far.len() {
        1..4 => say(500, ""),
        _ => keys("t", HOUR),
    });
    Told::of(container(&server, &home, &endpoint, "acquire")).all_went_well();
}

#[test]
fn try_acquire_tells_of_an_endpoint_that_fails_and_nothing_is_sent() {
    let (server, home) = (Server::start(), Home::new("failing"));
    let endpoint = StandIn::start(|_| say(503, r#"{"code":"Busy","message":"later"}"#));
    let told = Told::of(container(&server, &home, &endpoint, "try"));
    told.has(&["Storage: ", &endpoint.endpoint(), "503 (Busy: later)"]);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn client_gives_an_endpoint_that_hangs_no_longer_than_a_request() {
    let (server, home) = (Server::start(), Home::new("limit"));
    let endpoint = StandIn::start(|_| Answer::Hang);
    let mut command = container(&server, &home, &endpoint, "try");
    command.env(TIMEOUT, "500").env(CHECKED, "yes");
    let told = Told::of(command);
    told.has(&["Storage: ", "no answer within 0.", &endpoint.endpoint()]);
    assert!(told.took(0) < Duration::from_secs(2), "{:?}", told.took(0));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn renew_is_not_harmed_by_an_endpoint_that_hangs_while_the_old_credentials_do() {
    let (server, home) = (Server::start(), Home::new("hang-ageing"));
    let endpoint = StandIn::start(|so_far| match so_far.len() {
        1 => keys("t", Duration::from_secs(500)),
        _ => Answer::Hang,
    });
    let mut command = container(&server, &home, &endpoint, "acquire renew");
    command.env(RENEW_FOR, "380").env(TIMEOUT, "600");
    Told::of(command).all_went_well();
}

#[test]
fn acquire_tells_of_an_endpoint_where_nobody_listens_at_once() {
    let (server, home) = (Server::start(), Home::new("closed"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let url = format!("http://{}/get", closed.unwrap());
    let mut command = command(&server, &home, "acquire");
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    let told = Told::of(command);
    told.has(&["Storage: ", "the container's endpoint", "no connection"]);
    assert!(told.took(0) < Duration::from_secs(2), "{:?}", told.took(0));
}

#[test]
fn client_does_not_ask_an_endpoint_in_the_network_in_the_clear() {
    let (server, home) = (Server::start(), Home::new("elsewhere"));
    let mut command = command(&server, &home, "try");
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/get");
    let told = Told::of(command);
    told.has(&[
        "Config: ",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "not asked",
    ]);
}

#[test]
fn client_follows_no_redirect() {
    let (server, home) = (Server::start(), Home::new("redirect"));
    let elsewhere = Arc::new(StandIn::start(|_| keys("t", HOUR)));
    let to = elsewhere.endpoint();
    let endpoint = StandIn::start(move |_| Answer::Redirect(302, to.clone()));
    Told::of(container(&server, &home, &endpoint, "try")).has(&["Config: ", "answered 302"]);
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn client_tells_of_an_answer_that_is_no_credentials_without_quoting_it() {
    let (server, home) = (Server::start(), Home::new("garbage"));
    let answer = format!(r#"{{"AccessKeyId":"k","SecretAccessKey":["{HUNTER}"]}}"#);
    let endpoint = StandIn::start(move |_| say(200, &answer));
    Told::of(container(&server, &home, &endpoint, "try")).has(&["Config: ", "does not parse"]);
}

#[test]
fn client_does_not_pass_on_a_token_that_the_endpoint_repeats() {
    let (server, home) = (Server::start(), Home::new("echo"));
    let answer = format!(r#"{{"message":"no such token: {HUNTER}"}}"#);
    let endpoint = StandIn::start(move |_| say(401, &answer));
    let mut command = container(&server, &home, &endpoint, "try");
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", HUNTER);
    Told::of(command).has(&["Config: ", "answered 401"]);
}

// Instances.

fn instance(server: &Server, home: &Home, stand_in: &StandIn, calls: &str) -> Command {
    let mut command = command(server, home, calls);
    command
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", stand_in.endpoint());
    command
}

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The metadata service, version 2, with answers of one's own to some requests.
fn metadata(differs: impl Fn(&Asked, usize) -> Option<Answer> + Send + Sync + 'static) -> StandIn {
    StandIn::start(move |so_far| {
        let asked = so_far.last().unwrap();
        if let Some(answer) = differs(asked, so_far.len()) {
            return answer;
        }
        let session = asked.header("x-aws-ec2-metadata-token") == Some("session");
        match (asked.method.as_str(), asked.path.as_str()) {
            ("PUT", "/latest/api/token") => say(200, "session"),
            ("GET", ROLES) if session => say(200, "web"),
            ("GET", path) if session && path == format!("{ROLES}web") => keys("t", HOUR),
            _ => say(401, ""),
        }
    })
}

#[test]
fn client_on_an_instance_has_the_keys_of_its_role() {
    let (server, home) = (Server::start(), Home::new("instance"));
    let service = metadata(|_, _| None);
    Told::of(instance(&server, &home, &service, "try")).all_went_well();
    let asked = service.requests();
    let methods: Vec<_> = asked.iter().map(|a| a.method.as_str()).collect();
    assert_eq!(methods, ["PUT", "GET", "GET"]);
    let ttl = asked[0].header("x-aws-ec2-metadata-token-ttl-seconds");
    assert!(ttl.is_some_and(|t| t.parse::<u32>().is_ok()));
    assert_eq!(tokens(&server), ["t"]);
}

#[test]
fn client_does_not_use_version_1_of_the_metadata_service() {
    for status in [404, 405] {
        let (server, home) = (Server::start(), Home::new("version-1"));
        let service = StandIn::start(move |so_far| match so_far.last().unwrap().method.as_str() {
            "PUT" => say(status, ""),
            _ => keys("t", HOUR),
        });
        let told = Told::of(instance(&server, &home, &service, "try"));
        told.has(&["no credentials found", "version 1 is not used"]);
        assert_eq!(service.requests().len(), 1);
    }
}

#[test]
fn client_without_credentials_is_told_so_within_3_s_and_where_they_were_looked_for() {
    let (server, home) = (Server::start(), Home::new("nowhere"));
    let service = StandIn::start(|_| Answer::Hang);
    let told = Told::of(instance(&server, &home, &service, "acquire"));
    told.has(&[
        "Config: no credentials found",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)",
        "AWS_WEB_IDENTITY_TOKEN_FILE (not set)",
        "profile \"default\"",
        ".aws/config (",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI (not set)",
        &format!("{} (no answer within 1.0 s", service.endpoint()),
        "ClientBuilder::credentials",
    ]);
    assert!(told.took(0) < Duration::from_secs(3), "{:?}", told.took(0));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn client_without_credentials_tells_many_threads_at_the_same_time() {
    let (server, home) = (Server::start(), Home::new("crowd"));
    let service = StandIn::start(|_| Answer::Hang);
    let told = Told::of(instance(&server, &home, &service, "crowd"));
    told.has(&["no credentials found"]);
    assert!(told.took(0) < Duration::from_secs(3), "{:?}", told.took(0));
    assert_eq!(service.requests().len(), 1);
}

#[test]
fn client_does_not_ask_a_metadata_service_that_is_switched_off() {
    let (server, home) = (Server::start(), Home::new("disabled"));
    let service = metadata(|_, _| None);
    let mut command = instance(&server, &home, &service, "try");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    Told::of(command).has(&["AWS_EC2_METADATA_DISABLED is true"]);
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn client_takes_what_answers_in_the_place_of_a_metadata_service_for_none() {
    let (server, home) = (Server::start(), Home::new("imds-html"));
    let service = StandIn::start(|_| say(200, "<html>\n<p>sign in</p>\n</html>"));
    let told = Told::of(instance(&server, &home, &service, "try"));
    told.has(&["no credentials found", "something that is no token"]);
}

#[test]
fn acquire_within_whose_endpoint_hangs_again_says_why_the_look_up_before_failed() {
    let (server, home) = (Server::start(), Home::new("hangs-again"));
    let endpoint = StandIn::start(|_| Answer::Hang);
    let mut command = container(&server, &home, &endpoint, "try within");
    command.env(TIMEOUT, "1000");
    let told = Told::of(command);
    let second = told.error(1);
    assert!(second.contains("still being looked up"), "{second}");
    assert!(second.contains("the one before failed: "), "{second}");
    assert!(second.contains("had no answer within"), "{second}");
}

#[test]
fn client_tells_of_an_instance_without_a_role() {
    let (server, home) = (Server::start(), Home::new("no-role"));
    let service = metadata(|asked, _| (asked.path == ROLES).then(|| say(404, "")));
    let told = Told::of(instance(&server, &home, &service, "try"));
    told.has(&["no credentials found", "no role is attached"]);
}

#[test]
fn client_tells_of_a_role_that_cannot_be_assumed_with_the_reason() {
    let (server, home) = (Server::start(), Home::new("unauthorized"));
    let refusal = r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume it"}"#;
    let service =
        metadata(move |asked, _| (asked.path.ends_with("/web")).then(|| say(200, refusal)));
    let told = Told::of(instance(&server, &home, &service, "try"));
    told.has(&[
        "Config: ",
        "AssumeRoleUnauthorizedAccess: EC2 cannot assume it",
    ]);
}

#[test]
fn acquire_waits_for_a_metadata_service_that_fails_for_a_moment() {
    let (server, home) = (Server::start(), Home::new("instance-waited"));
    let service = metadata(|_, n| (n < 3).then(|| say(503, "")));
    Told::of(instance(&server, &home, &service, "acquire")).all_went_well();
}

#[test]
fn client_takes_a_metadata_service_that_only_fails_for_none() {
    let (server, home) = (Server::start(), Home::new("instance-503"));
    let service = metadata(|_, _| Some(say(503, "<html>blocked</html>")));
    let told = Told::of(instance(&server, &home, &service, "acquire"));
    told.has(&["Config: ", "no credentials found", "it answered 503"]);
}

#[test]
fn client_takes_a_metadata_service_that_gives_a_token_and_then_hangs_for_none() {
    let (server, home) = (Server::start(), Home::new("instance-half"));
    let service = metadata(|asked, _| (asked.method == "GET").then_some(Answer::Hang));
    let told = Told::of(instance(&server, &home, &service, "acquire"));
    told.has(&["Config: ", "no credentials found", "no answer within"]);
}

#[test]
fn client_takes_a_metadata_service_that_hangs_for_none_however_short_a_request_is() {
    let (server, home) = (Server::start(), Home::new("instance-short"));
    let service = metadata(|_, _| Some(Answer::Hang));
    let mut command = instance(&server, &home, &service, "acquire");
    command.env(TIMEOUT, "100");
    Told::of(command).has(&["Config: ", "no credentials found", "no answer within"]);
}

#[test]
fn acquire_tells_threads_that_queue_for_one_lock_of_the_same_look_up() {
    let (server, home) = (Server::start(), Home::new("instance-queue"));
    let service = metadata(|_, _| Some(Answer::Hang));
    let told = Told::of(instance(&server, &home, &service, "queue"));
    told.has(&["Config: ", "no credentials found"]);
    assert!(told.took(0) < Duration::from_secs(3), "{:?}", told.took(0));
    assert_eq!(service.requests().len(), 1);
}

#[test]
fn client_waits_for_a_metadata_service_that_has_answered_before_when_it_does_not() {
    let (server, home) = (Server::start(), Home::new("instance-silent"));
    let service = metadata(|asked, n| match (asked.path.ends_with("/web"), n) {
        (true, 1..4) => Some(keys("t", Duration::from_secs(60))),
        (_, 4..6) => Some(Answer::Hang),
        _ => None,
    });
    let mut command = instance(&server, &home, &service, "acquire renew");
    command.env(RENEW_FOR, "150").env(TIMEOUT, "1000");
    Told::of(command).all_went_well();
}

// Commands.

/// A child whose profile names a command; `script` is in a file of its own, with a space in its name.
fn command_of(server: &Server, home: &Home, script: &str) -> Command {
    let file = home.path().join("get keys.sh");
    fs::write(&file, script).unwrap();
    let line = format!("sh \"{}\" 'two words' $HOME", file.display());
    home.write(
        "config",
        &format!("[default]\ncredential_process = {line}\n"),
    );
    command(server, home, "try")
}

fn printing(json: &str) -> String {
    format!("cat <<'END'\n{json}\nEND\n")
}

fn printed_keys() -> String {
    printing(&format!(
        r#"{{"Version":1,"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}","SessionToken":"t"}}"#
    ))
}

#[test]
fn client_has_the_keys_that_a_command_prints() {
    let (server, home) = (Server::start(), Home::new("command"));
    Told::of(command_of(&server, &home, &printed_keys())).all_went_well();
    assert_eq!(tokens(&server), ["t"]);
}

#[test]
fn client_splits_the_arguments_of_a_command_as_quoted_and_does_not_expand_them() {
    let (server, home) = (Server::start(), Home::new("quoted"));
    let check = "test \"$1\" = 'two words' && test \"$2\" = '$HOME' || exit 7\n";
    let command = command_of(&server, &home, &format!("{check}{}", printed_keys()));
    Told::of(command).all_went_well();
}

#[test]
fn client_tells_of_a_command_that_fails_with_what_it_said() {
    let (server, home) = (Server::start(), Home::new("command-fails"));
    let script = format!("echo {HUNTER}; echo 'the session has expired' >&2; exit 3");
    let told = Told::of(command_of(&server, &home, &script));
    told.has(&["Config: ", "credential_process of profile \"default\""]);
    told.has(&["exit status: 3", "and said: the session has expired"]);
}

#[test]
fn client_tells_of_a_command_that_prints_something_else_without_quoting_it() {
    for output in [
        HUNTER.to_owned(),
        format!(r#"{{"AccessKeyId":"k","SecretAccessKey":"{HUNTER}"}}"#),
        format!(r#"{{"Version":2,"AccessKeyId":"k","SecretAccessKey":"{HUNTER}"}}"#),
        format!(r#"{{"Version":1,"AccessKeyId":"{HUNTER}"}}"#),
    ] {
        let (server, home) = (Server::start(), Home::new("command-garbage"));
        let told = Told::of(command_of(&server, &home, &printing(&output)));
        told.has(&["Config: ", "credential_process", "JSON"]);
    }
}

#[test]
fn client_stops_a_command_that_hangs_in_time_and_tells_what_it_said() {
    let (server, home) = (Server::start(), Home::new("command-hangs"));
    // The clock jumps only when somebody has had time to read what it said.
    let mut command = command_of(
        &server,
        &home,
        "echo 'code?' >&2; sleep 2; touch ~/here; exec sleep 60",
    );
    command.env(JUMP, "yes").env(CHECKED, "yes");
    let told = Told::of(command);
    told.has(&[
        "Storage: ",
        "did not end within 55.0 s and was stopped and said: code?",
    ]);
}

/// As the system does with a command that reads from a terminal which is not its own.
#[test]
fn client_ends_a_command_that_asks_on_the_terminal_at_once_and_says_so() {
    let (server, home) = (Server::start(), Home::new("terminal"));
    let told = Told::of(command_of(&server, &home, "kill -TTIN $$\nsleep 100"));
    told.has(&[
        "Config: ",
        "asked something on the terminal",
        "window of its own",
    ]);
    assert!(told.took(0) < Duration::from_secs(40), "{:?}", told.0);
}

#[test]
fn try_acquire_waits_for_a_command_that_takes_longer_than_a_request() {
    let (server, home) = (Server::start(), Home::new("command-slower-than-a-request"));
    let script = format!("sleep 2\n{}", printed_keys());
    let mut command = command_of(&server, &home, &script);
    command.env(TIMEOUT, "500");
    Told::of(command).all_went_well();
}

#[test]
fn release_waits_for_a_command_that_takes_longer_than_a_request() {
    let (server, home) = (Server::start(), Home::new("command-slow-again"));
    let expiry = DateTime::<Utc>::from(SystemTime::now() + NAP / 2).to_rfc3339();
    let first = printing(&format!(
        r#"{{"Version":1,"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}","Expiration":"{expiry}"}}"#
    ));
    let again = format!("sleep 2\n{}", printed_keys());
    let script = format!("if [ -e ~/ran ]; then {again}\nelse touch ~/ran; {first}\nfi\n");
    let mut command = command_of(&server, &home, &script);
    command
        .env(CALLS, "try nap release")
        .env(LEASE, "60000")
        .env(TIMEOUT, "500");
    Told::of(command).all_went_well();
    assert_eq!(crate::stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn acquire_within_less_than_a_command_takes_says_that_it_is_under_way() {
    let (server, home) = (Server::start(), Home::new("command-under-way"));
    let script = format!("sleep 3\n{}", printed_keys());
    let mut command = command_of(&server, &home, &script);
    command.env(CALLS, "within");
    let told = Told::of(command);
    told.has(&["Storage: ", "the credentials are still being looked up"]);
}

#[test]
fn client_gives_up_a_command_that_leaves_a_child_behind_in_time() {
    let (server, home) = (Server::start(), Home::new("command-forks"));
    // The child keeps the output open.
    let mut command = command_of(&server, &home, "sleep 60 & touch ~/here; wait");
    command.env(JUMP, "yes");
    Told::of(command).has(&["was stopped"]);
}

#[test]
fn client_refuses_a_command_that_never_stops_printing() {
    let (server, home) = (Server::start(), Home::new("command-endless"));
    let mut command = command_of(&server, &home, "yes");
    command.env(TIMEOUT, "2000");
    Told::of(command).has(&["credential_process"]);
}

#[test]
fn client_tells_of_a_command_that_is_not_there() {
    let (server, home) = (Server::start(), Home::new("command-missing"));
    home.write(
        "config",
        "[default]\ncredential_process = /no/such/program\n",
    );
    let told = Told::of(command(&server, &home, "try"));
    told.has(&[
        "Config: ",
        "cannot be run",
        "\"/no/such/program\" is not there",
    ]);
}

#[test]
fn client_runs_a_command_again_when_its_keys_are_about_to_expire() {
    let (server, home) = (Server::start(), Home::new("command-again"));
    let runs = home.path().join("runs");
    let script = format!("echo >>{}\n{}", runs.display(), keys_that_expire_in(300));
    let mut command = command_of(&server, &home, &script);
    command
        .env(CALLS, "acquire renew meet")
        .env(RENEW_FOR, "200");
    thread::scope(|scope| {
        scope.spawn(|| Told::of(command).all_went_well());
        crate::eventually("it runs again", || {
            fs::read(&runs).is_ok_and(|runs| runs.len() > 1)
        });
        fs::write(home.path().join(MET), "").unwrap();
    });
}

fn keys_that_expire_in(seconds: u32) -> String {
    // Computed when it runs, however long that takes to begin.
    format!(
        "F=+%Y-%m-%dT%H:%M:%SZ\n\
         E=$(date -u -d '+{seconds} seconds' $F 2>/dev/null || date -u -v+{seconds}S $F)\ncat <<END\n\
         {{\"Version\":1,\"AccessKeyId\":\"{ACCESS_KEY}\",\"SecretAccessKey\":\"{SECRET_KEY}\",\
         \"Expiration\":\"$E\"}}\nEND\n"
    )
}

#[test]
fn client_gives_no_secret_away_of_a_failing_script_that_shows_what_it_does() {
    let (server, home) = (Server::start(), Home::new("command-traced"));
    let script = format!("set -x; K='{{\"SecretAccessKey\":\"{HUNTER}\"}}'; echo \"$K\"; exit 1");
    let told = Told::of(command_of(&server, &home, &script));
    told.has(&["exit status: 1", "may hold a secret"]);
}

#[test]
fn keep_alive_waits_for_a_command_that_was_slower_than_the_renewal_before() {
    let (server, home) = (Server::start(), Home::new("command-slow"));
    let runs = home.path().join("runs");
    let count = format!("echo >>{}\n", runs.display());
    let script = format!("{count}sleep 1.6\n{}", printed_keys());
    // A renewal may take 1.3 s.
    server.fault(Match::put().skip(1), Fault::answer(400, "ExpiredToken"));
    let mut command = command_of(&server, &home, &script);
    command.env(CALLS, "acquire keep").env(LEASE, "4000");
    command.env(RENEW_FOR, "7");
    Told::of(command).all_went_well();
    assert_eq!(fs::read(&runs).unwrap().len(), 2);
}

#[test]
fn client_collects_a_command_that_ran_on_between_calls_at_the_next_one() {
    let (server, home) = (Server::start(), Home::new("command-collected"));
    let runs = home.path().join("runs");
    let count = format!("echo >>{}\n", runs.display());
    let script = format!("{count}sleep 1\n{}", printed_keys());
    let mut command = command_of(&server, &home, &script);
    command.env(CALLS, "within wait try");
    let told = Told::of(command);
    told.has(&["still being looked up"]);
    assert!(told.0[2].starts_with("none"), "{}", told.0[2]);
    assert_eq!(fs::read(&runs).unwrap().len(), 1);
}

#[test]
fn release_is_not_delayed_by_a_command_for_newer_keys_while_the_old_ones_do() {
    let (server, home) = (Server::start(), Home::new("command-beside"));
    let once = home.path().join("once");
    let hang = format!("test -e {0} && sleep 60\ntouch {0}\n", once.display());
    let script = format!("{hang}{}", keys_that_expire_in(80));
    let mut command = command_of(&server, &home, &script);
    // The command is given 48 s.
    command.env(CALLS, "acquire nap nap nap try release");
    command.env(TIMEOUT, "60000");
    let told = Told::of(command);
    assert!(told.took(5) < Duration::from_secs(20), "{:?}", told.0);
}

/// Drops a guard whose keys have expired, and whose command hangs. Meanwhile the child's clock jumps by so many
/// seconds, past the deadline of the guard.
fn drop_with_a_command_that_hangs(name: &str, lease: &str, jump: &str) -> Duration {
    let (server, home) = (Server::start(), Home::new(name));
    let once = home.path().join("once");
    let hang = format!(
        "test -e {0} && {{ touch ~/here; exec sleep 120; }}\ntouch {0}\n",
        once.display()
    );
    let script = format!("{hang}{}", keys_that_expire_in(40));
    let mut command = command_of(&server, &home, &script);
    command
        .env(CALLS, "acquire nap nap nap drop")
        .env(LEASE, lease)
        .env(JUMP, jump);
    let told = Told::of(command);
    told.all_went_well();
    let here = home.path().join(HERE);
    assert!(here.exists(), "the command was not run");
    assert_eq!(server.count("PUT"), 1);
    told.took(4)
}

#[test]
fn drop_waits_for_a_command_that_hangs_until_the_deadline_and_then_has_its_own_time() {
    let took = drop_with_a_command_that_hangs("command-drop", "60000", "20");
    // Its own time is twice that of a request: 10 s. The command would have 35 s more.
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn drop_with_a_command_that_hangs_ends_within_a_minute_and_its_own_time() {
    let took = drop_with_a_command_that_hangs("command-long-drop", "600000", "56");
    // The documented bound is 70 s, of which the clock has jumped over 56. A slow machine has some more.
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn client_stops_the_children_of_a_command_along_with_it() {
    let (server, home) = (Server::start(), Home::new("command-group"));
    let pid = home.path().join("pid");
    let script = format!("sleep 60 & echo $! >{}; touch ~/here; wait", pid.display());
    let mut command = command_of(&server, &home, &script);
    command.env(JUMP, "yes");
    Told::of(command).has(&["was stopped"]);
    let child = fs::read_to_string(&pid).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", child.trim()));
    let gone = || state().map_or(true, |state| state.contains(") Z "));
    crate::eventually("the child of the command is gone", gone);
}

#[test]
fn client_judges_a_command_that_has_ended_although_its_child_keeps_the_output_open() {
    let (server, home) = (Server::start(), Home::new("command-daemon"));
    let script = format!("{}sleep 7 &\nexit 0\n", printed_keys());
    let told = Told::of(command_of(&server, &home, &script));
    told.all_went_well();
    assert!(told.took(0) < Duration::from_secs(3), "{:?}", told.took(0));
}

#[test]
#[cfg(target_os = "linux")]
fn client_judges_a_command_by_its_output_where_the_program_ignores_its_children() {
    let (server, home) = (Server::start(), Home::new("command-ignored"));
    let mut command = command_of(&server, &home, &printed_keys());
    command.env(CALLS, "ignore-children try");
    Told::of(command).all_went_well();
}

#[test]
#[cfg(target_os = "linux")]
fn try_acquire_whose_command_cannot_have_a_thread_is_an_error_and_no_panic() {
    let (server, home) = (Server::start(), Home::new("command-no-thread"));
    let mut command = command_of(&server, &home, &printed_keys());
    command.env(CALLS, "no-threads try");
    let told = Told::of(command);
    assert!(told.error(1).contains("could not start"), "{}", told.0[1]);
}

#[test]
#[cfg(target_os = "linux")]
fn drop_while_unwinding_outlives_a_command_that_cannot_have_a_thread() {
    let (server, home) = (Server::start(), Home::new("command-unwind"));
    let mut command = command_of(&server, &home, &keys_that_expire_in(2));
    command
        .env(CALLS, "acquire nap no-threads unwind")
        .env(TIMEOUT, "2000");
    Told::of(command).all_went_well();
}

/// A child that asks a server by a name that has to be resolved.
#[cfg(target_os = "linux")]
fn named(server: &Server, home: &Home, calls: &str) -> Command {
    let mut command = command(server, home, calls);
    let endpoint = server.endpoint().replace("127.0.0.1", "localhost");
    command
        .env("AWS_ENDPOINT_URL_S3", endpoint)
        // Else a profile is read for that, by a thread.
        .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

#[test]
#[cfg(target_os = "linux")]
fn try_acquire_whose_host_name_cannot_have_a_thread_is_an_error_and_no_panic() {
    let (server, home) = (Server::start(), Home::new("name-no-thread"));
    let told = Told::of(named(&server, &home, "no-threads try"));
    assert!(
        told.error(1).contains("no thread to resolve"),
        "{}",
        told.0[1]
    );
}

#[test]
#[cfg(target_os = "linux")]
fn drop_while_unwinding_outlives_a_name_that_cannot_have_a_thread() {
    let (server, home) = (Server::start(), Home::new("name-unwind"));
    let mut command = named(&server, &home, "acquire meet no-threads unwind");
    command.env(TIMEOUT, "2000");
    thread::scope(|scope| {
        scope.spawn(|| Told::of(command).all_went_well());
        crate::eventually("it is held", || home.path().join(HERE).exists());
        server.drop_idle_connections();
        fs::write(home.path().join(MET), "").unwrap();
    });
}

// Web identity.

/// As STS grants them, but for a number that is none: it is of no importance here.
fn sts_grants() -> Answer {
    let expiration = in_(HOUR);
    Answer::Say(
        200,
        format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Audience>sts</Audience>\
             <PackedPolicySize>some</PackedPolicySize><Credentials>\
             <SessionToken>t</SessionToken><SecretAccessKey>{SECRET_KEY}</SecretAccessKey>\
             <Expiration>{expiration}</Expiration><AccessKeyId>{ACCESS_KEY}</AccessKeyId>\
             </Credentials></AssumeRoleWithWebIdentityResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\
             </AssumeRoleWithWebIdentityResponse>"
        ),
    )
}

fn sts_error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Say(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

const ROLE: &str = "arn:aws:iam::123456789012:role/web";

fn web_identity(server: &Server, home: &Home, sts: &StandIn, calls: &str) -> Command {
    let file = home.path().join("token");
    fs::write(&file, format!("{HUNTER}\n")).unwrap();
    let mut command = command(server, home, calls);
    command
        .env("AWS_ENDPOINT_URL_STS", sts.endpoint())
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", file)
        .env("AWS_ROLE_ARN", ROLE);
    command
}

#[test]
fn client_exchanges_a_web_identity_for_keys() {
    let (server, home) = (Server::start(), Home::new("web"));
    let sts = StandIn::start(|_| sts_grants());
    let mut command = web_identity(&server, &home, &sts, "try");
    command.env("AWS_ROLE_SESSION_NAME", "session-1");
    Told::of(command).all_went_well();
    assert_eq!(tokens(&server), ["t"]);
    let asked = &sts.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/"));
    assert_eq!(asked.header("authorization"), None);
    let form = asked.header("content-type").unwrap();
    assert!(
        form.starts_with("application/x-www-form-urlencoded"),
        "{form}"
    );
    for part in [
        "Action=AssumeRoleWithWebIdentity",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fweb",
        "RoleSessionName=session-1",
        &format!("WebIdentityToken={HUNTER}"),
    ] {
        assert!(asked.body.split('&').any(|p| p == part), "{}", asked.body);
    }
}

#[test]
fn client_takes_a_web_identity_from_a_profile_too() {
    let (server, home) = (Server::start(), Home::new("web-profile"));
    let sts = StandIn::start(|_| sts_grants());
    let file = home.path().join("token");
    fs::write(&file, "token").unwrap();
    let profile = format!(
        "[profile web]\nrole_arn = {ROLE}\nweb_identity_token_file = {}\n",
        file.display()
    );
    home.write("config", &profile);
    let mut command = command(&server, &home, "try");
    command
        .env("AWS_PROFILE", "web")
        .env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    Told::of(command).all_went_well();
}

#[test]
fn acquire_tells_of_a_refusal_of_sts_with_its_code_and_message() {
    let (server, home) = (Server::start(), Home::new("web-refused"));
    let sts =
        StandIn::start(|_| sts_error(400, "InvalidIdentityToken", "No OpenIDConnect provider"));
    let told = Told::of(web_identity(&server, &home, &sts, "acquire"));
    told.has(&[
        "Config: ",
        ROLE,
        "400 (InvalidIdentityToken: No OpenIDConnect provider)",
    ]);
}

#[test]
fn client_does_not_pass_on_a_token_that_sts_repeats() {
    let (server, home) = (Server::start(), Home::new("web-echo"));
    let sts = StandIn::start(|_| sts_error(400, "ValidationError", &format!("Value '{HUNTER}'")));
    let told = Told::of(web_identity(&server, &home, &sts, "try"));
    told.has(&["400 (ValidationError)"]);
}

#[test]
fn acquire_waits_for_an_sts_that_is_overloaded() {
    let (server, home) = (Server::start(), Home::new("web-busy"));
    let sts = StandIn::start(|so_far| match so_far.len() {
        1 => sts_error(503, "ServiceUnavailable", "later"),
        2 => sts_error(400, "Throttling", "later"),
        _ => sts_grants(),
    });
    Told::of(web_identity(&server, &home, &sts, "acquire")).all_went_well();
}

#[test]
fn client_tells_of_an_answer_of_sts_that_is_none() {
    for body in ["", "<html>", "{}", "<AssumeRoleWithWebIdentityResponse/>"] {
        let (server, home) = (Server::start(), Home::new("web-garbage"));
        let sts = StandIn::start(move |_| say(200, body));
        let told = Told::of(web_identity(&server, &home, &sts, "try"));
        told.has(&["Config: ", "cannot be read", ROLE]);
    }
}

#[test]
fn client_tells_of_a_web_identity_without_a_role_or_a_token() {
    let (server, home) = (Server::start(), Home::new("web-half"));
    let sts = StandIn::start(|_| sts_grants());
    let mut without_role = web_identity(&server, &home, &sts, "try");
    without_role.env_remove("AWS_ROLE_ARN");
    Told::of(without_role).has(&["AWS_ROLE_ARN is not"]);
    let mut without_token = web_identity(&server, &home, &sts, "try");
    without_token.env("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token");
    Told::of(without_token)
        .has(&["/no/such/token, which AWS_WEB_IDENTITY_TOKEN_FILE names, cannot be read"]);
    assert_eq!(sts.requests().len(), 0);
}

// Profiles, and the order of all.

#[test]
fn client_tells_of_a_profile_that_is_chosen_and_not_there() {
    let (server, home) = (Server::start(), Home::new("not-there"));
    home.write("config", "[default]\nregion = eu-west-1\n");
    let mut command = command(&server, &home, "try");
    command.env("AWS_PROFILE", "corp");
    Told::of(command).has(&["Config: ", "there is no profile \"corp\"", "AWS_PROFILE"]);
}

#[test]
fn client_whose_profile_is_for_its_region_alone_has_the_keys_of_the_instance() {
    let (server, home) = (Server::start(), Home::new("region-only"));
    home.write("config", "[profile corp]\nregion = eu-west-1\n");
    let service = metadata(|_, _| None);
    let mut command = instance(&server, &home, &service, "try");
    command.env("AWS_PROFILE", "corp");
    Told::of(command).all_went_well();
}

#[test]
fn client_looks_first_at_the_environment_then_at_web_identity_the_profile_the_container_and_the_instance()
 {
    let (server, home) = (Server::start(), Home::new("order"));
    let asked: [Arc<StandIn>; 3] = [
        Arc::new(StandIn::start(|_| sts_grants())),
        Arc::new(StandIn::start(|_| keys("c", HOUR))),
        Arc::new(metadata(|_, _| None)),
    ];
    let counts = || -> Vec<_> { asked.iter().map(|s| s.requests().len()).collect() };
    let [sts, endpoint, service] = &asked;
    let everything = || {
        let mut command = web_identity(&server, &home, sts, "try");
        let full_uri = format!("{}/get", endpoint.endpoint());
        command
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", full_uri)
            .env_remove("AWS_EC2_METADATA_DISABLED")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    };
    let keys = format!(
        "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    );
    home.write("credentials", &keys);

    let mut removed: Vec<&str> = Vec::new();
    let mut next = |variables: &[&'static str]| {
        removed.extend(variables);
        let mut command = everything();
        for variable in &removed {
            command.env_remove(variable);
        }
        Told::of(command).all_went_well();
        counts()
    };
    assert_eq!(next(&[]), [0, 0, 0]);
    assert_eq!(
        next(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
        [1, 0, 0]
    );
    assert_eq!(next(&["AWS_WEB_IDENTITY_TOKEN_FILE"]), [1, 0, 0]);
    home.write("credentials", "");
    assert_eq!(next(&[]), [1, 1, 0]);
    assert_eq!(next(&["AWS_CONTAINER_CREDENTIALS_FULL_URI"]), [1, 1, 3]);
}
