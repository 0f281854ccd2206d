//! Processes of their own: this test binary, run again with a part to play.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use s3_lock::{Client, ClientBuilder, S3Lock};

use crate::support::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Server};

/// The part that a child plays; without it this is an ordinary run of the tests.
pub const PART: &str = "S3_LOCK_TEST_PART";
/// Where the child counts, how many threads it has, and how often each counts.
const COUNTER: &str = "S3_LOCK_TEST_COUNTER";
const THREADS: &str = "S3_LOCK_TEST_THREADS";
const INCREMENTS: &str = "S3_LOCK_TEST_INCREMENTS";
/// The lease of the child's lock, in milliseconds.
const LEASE: &str = "S3_LOCK_TEST_LEASE";

/// A command that runs this binary again in `part`, with credentials for `endpoint` and otherwise
/// nothing of AWS in its environment.
pub fn command(part: &str, endpoint: &str) -> Command {
    let mut command = bare_command(part);
    command
        .env("AWS_ENDPOINT_URL_S3", endpoint)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

/// The same in a process whose wall clock is off; needs the program `faketime`.
pub fn shifted_command(part: &str, endpoint: &str, offset: &str) -> Command {
    let mut command = command(part, endpoint);
    command
        .env("LD_PRELOAD", faketime_library())
        .env("FAKETIME", offset)
        // Only the wall clock is off: no clock that counts up from the start of the machine ever is.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

/// Removes what a killed process whose clock was off has left behind: another that happens to get its
/// id would not start.
pub fn clean_up_after_shifted(id: u32) {
    for name in ["faketime_shm_", "sem.faketime_sem_"] {
        fs::remove_file(format!("/dev/shm/{name}{id}")).expect("faketime has made it");
    }
}

/// What the program faketime loads into others. It is loaded without that program, which would stand
/// between a child and who kills it.
fn faketime_library() -> String {
    let mut asks = Command::new("faketime");
    let output = asks.args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output();
    let output = output.expect("the program faketime is installed");
    let library = String::from_utf8(output.stdout).expect("a path of Debian's is text");
    assert!(output.status.success(), "{}", output.status);
    library.trim_end().to_owned()
}

/// The same with nothing of AWS and of proxies in its environment, but that no instance's metadata be asked for: on
/// a machine in the cloud somebody would answer.
pub fn bare_command(part: &str) -> Command {
    let this = env::current_exe().expect("a running test has an executable");
    let mut command = Command::new(this);
    for (name, _) in env::vars() {
        let lower = name.to_ascii_lowercase();
        let proxies = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
        let is_proxy = proxies.contains(&lower.as_str()) || name == "REQUEST_METHOD";
        if name.starts_with("AWS_") || is_proxy {
            command.env_remove(name);
        }
    }
    command
        .args([
            "child::plays_its_part",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PART, part)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdout(Stdio::piped());
    command
}

/// Starts a child that acquires the test's lock and holds it until it is killed; returns once it
/// has it.
pub fn holder(server: &Server, lease: Duration) -> Child {
    hold_in(command("hold", &server.endpoint()), lease)
}

/// The same, in a process of a given kind.
pub fn hold_in(command: Command, lease: Duration) -> Child {
    let mut child = waiter_in(command, lease);
    held_since(&mut child);
    child
}

/// Starts such a child, and does not wait until it has the lock.
pub fn waiter_in(mut command: Command, lease: Duration) -> Child {
    command
        .env(LEASE, lease.as_millis().to_string())
        .spawn()
        .expect("this binary runs")
}

/// Waits until a child holds the lock, and says since when, by [`micros`].
pub fn held_since(child: &mut Child) -> u128 {
    let stdout = child.stdout.take().expect("its output is piped");
    let lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let since = lines
        .filter_map(|line| Some(line.split_once("holding since ")?.1.to_owned()))
        .next();
    let since = since.expect("the child holds the lock before it ends");
    since.parse().expect("it wrote a number")
}

/// Runs `processes` children that each count with `threads` threads, `increments` times each.
pub fn count(
    processes: usize,
    threads: usize,
    increments: usize,
    counter: &Path,
    to: &mut dyn FnMut() -> Command,
) {
    let children: Vec<_> = (0..processes)
        .map(|_| {
            to().env(COUNTER, counter)
                .env(THREADS, threads.to_string())
                .env(INCREMENTS, increments.to_string())
                .spawn()
                .expect("this binary runs")
        })
        .collect();
    for mut child in children {
        let mut output = String::new();
        let mut stdout = child.stdout.take().expect("its output is piped");
        stdout
            .read_to_string(&mut output)
            .expect("its output is text");
        assert!(child.wait().expect("it was started").success(), "{output}");
    }
}

/// Runs a part in a process of its own, which must end well.
pub fn play(parts: &str, part: &str, server: &Server) {
    let mut command = command(&format!("{parts}: {part}"), &server.endpoint());
    // So no profile is read, which takes a thread. Not every part can start one.
    command.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
    ends_well(command);
}

/// Runs a part, which must end, and well. If it does not, it is stopped with all that it has started.
pub fn ends_well(mut command: Command) {
    const HANGS: Duration = Duration::from_secs(600);
    let child = command.stderr(Stdio::piped()).process_group(0).spawn();
    let mut child = child.expect("this binary runs");
    let read = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = read(Box::new(child.stdout.take().expect("it is piped")));
    let err = read(Box::new(child.stderr.take().expect("it is piped")));
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is this process's child") {
            None if start.elapsed() < HANGS => thread::sleep(Duration::from_millis(2)),
            ended => break ended,
        }
    };
    if status.is_none() {
        let group = libc::pid_t::try_from(child.id()).expect("it was one");
        // SAFETY: who leads the group was started here and not waited for, so its id is still its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        child.wait().expect("it is this process's child");
    }
    let is_well = status.is_some_and(|status| status.success());
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    assert!(is_well, "{status:?}\n{out}\n{err}");
}

/// What a child in the part `complain` says of its attempt to take the lock.
pub fn complaint(mut command: Command) -> String {
    let output = command.output().expect("this binary runs");
    let output = String::from_utf8(output.stdout).expect("its output is text");
    let line = output.lines().find_map(|l| l.split_once("complaint: "));
    line.unwrap_or_else(|| panic!("no complaint in {output}"))
        .1
        .to_owned()
}

/// The bucket that children use: the in-process server's, or what the environment names.
const BUCKET_VARIABLE: &str = "S3_LOCK_TEST_BUCKET";

pub fn with_bucket(mut command: Command, bucket: &str) -> Command {
    command.env(BUCKET_VARIABLE, bucket);
    command
}

/// A variable that gives a child's connections more time than usual.
const PATIENT_VARIABLE: &str = "S3_LOCK_TEST_PATIENT";

/// The same command on a machine that may be slow.
pub fn patient(mut command: Command) -> Command {
    command.env(PATIENT_VARIABLE, "1");
    command
}

/// The settings of a client that gives up late, for tests of what it says and not of when.
pub fn patient_builder(builder: ClientBuilder) -> ClientBuilder {
    builder
        .request_timeout(Duration::from_secs(60))
        .connect_timeout(Duration::from_secs(30))
}

/// A home directory for a child, removed when dropped.
pub struct Home(PathBuf);

impl Home {
    pub fn new(name: &str) -> Home {
        let path = env::temp_dir().join(format!("s3-lock-home-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join(".aws")).unwrap();
        Home(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(".aws").join(file), text).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Not a test by itself: what a child does. In an ordinary run there is no part, and this is over
/// at once.
#[test]
fn plays_its_part() {
    match env::var(PART).as_deref() {
        Ok("hold") => hold(),
        Ok("count") => count_here(),
        Ok("complain") => complain(),
        Ok("threads") => threads(),
        Ok("thousand") => thousand(),
        Ok("crowd") => crate::environment::crowd(),
        Ok("log-panics") => crate::logs::in_child_that_panics(),
        Ok("log-panics-always") => crate::logs::in_child_that_always_panics(),
        Ok("log-closed-pipe") => crate::logs::in_child_without_an_output(),
        Ok("log-calls") => crate::logs::in_child_that_calls(),
        Ok("log") => crate::logs::in_child(),
        Ok(crate::credentials::PART) => crate::credentials::play(),
        Ok(other) => {
            let part = other.split_once(": ");
            match part {
                Some((crate::endpoints::PARTS, part)) => crate::endpoints::play(part),
                Some((crate::certificates::PARTS, part)) => crate::certificates::play(part),
                Some((crate::forks::PARTS, part)) => crate::forks::play(part),
                Some((crate::proxies::PARTS, part)) => crate::proxies::play(part),
                Some((crate::signals::PARTS, part)) => crate::signals::play(part),
                Some((crate::wait_handle::PARTS, part)) => crate::wait_handle::play(part),
                _ => panic!("no such part: {other}"),
            }
        }
        Err(_) => {}
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let set = env::var(variable).ok();
    set.map_or(default, |n| n.parse().expect("the parent wrote a number"))
}

fn lock() -> S3Lock {
    let bucket = env::var(BUCKET_VARIABLE).unwrap_or(BUCKET.to_owned());
    let lease = Duration::from_millis(number(LEASE, 60_000));
    S3Lock::builder(bucket, crate::NAME)
        .folder("locks")
        .max_operation(lease / 10)
        .acquire_allowance(lease * 9 / 10)
        .poll_interval(Duration::from_millis(5), Duration::from_millis(50))
        .wait_limit(Duration::from_secs(300))
        .client(Client::new().expect("the parent set what is needed"))
        .build()
        .expect("the settings are valid")
}

fn hold() {
    let _guard = lock().acquire("child").unwrap();
    println!("holding since {}", micros());
    // Until it is killed, or its parent has long gone.
    thread::sleep(Duration::from_secs(120));
}

/// The wall clock, to compare with that of another process on this machine.
pub fn micros() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("it is after 1970").as_micros()
}

fn count_here() {
    let counter = env::var(COUNTER).expect("the parent named a file");
    let increments = number(INCREMENTS, 1);
    let lock = lock();
    thread::scope(|scope| {
        for thread in 0..number(THREADS, 1) {
            let (lock, counter) = (&lock, &counter);
            scope.spawn(move || {
                for _ in 0..increments {
                    let guard = lock.acquire(format!("thread-{thread}")).unwrap();
                    increment(counter);
                    guard.release().unwrap();
                }
            });
        }
    });
}

/// Loses an update whenever two do it at the same time.
fn increment(counter: &str) {
    let before: u64 = fs::read_to_string(counter).unwrap().parse().unwrap();
    thread::yield_now();
    fs::write(counter, (before + 1).to_string()).unwrap();
}

/// Counts this process's background threads while guards come and go.
fn threads() {
    let client = Client::new().unwrap();
    let acquire = |name, client: Client| {
        let lock = S3Lock::builder(BUCKET, name).client(client);
        lock.build().unwrap().acquire("child").unwrap()
    };
    // A thread has its name a moment after it was started, and is gone a moment after its last guard.
    let wait_for = |count| crate::eventually("as many threads", || background_threads() == count);
    let first = acquire("first", client.clone());
    let second = acquire("second", client.clone());
    let none = background_threads();
    first.keep_alive().unwrap();
    first.keep_alive().unwrap();
    second.on_lost(|_| ());
    second.keep_alive().unwrap();
    wait_for(1);
    thread::sleep(Duration::from_millis(100));
    let one_for_both = background_threads();
    drop(first);
    thread::sleep(Duration::from_millis(100));
    let one_for_the_other = background_threads();
    drop(second);
    wait_for(0);
    // From here on the guard is the last to know of the client.
    let third = acquire("third", client);
    third.keep_alive().unwrap();
    wait_for(1);
    third.release().unwrap();
    wait_for(0);
    let counts = [none, one_for_both, one_for_the_other];
    println!("complaint: {counts:?}");
}

/// Keeps a thousand guards alive for more than two leases, and says what that cost.
fn thousand() {
    const LEASE: Duration = Duration::from_secs(10);
    let client = Client::new().unwrap();
    let acquire = |number| {
        let lock = S3Lock::builder(BUCKET, format!("lock-{number}")).client(client.clone());
        let lock = lock
            .max_operation(LEASE / 10)
            .acquire_allowance(LEASE * 9 / 10);
        lock.build().unwrap().acquire("child").unwrap()
    };
    let first = acquire(0);
    let before = resident_kilobytes();
    let mut guards: Vec<_> = (1..1_000).map(acquire).collect();
    guards.push(first);
    let held = resident_kilobytes();
    for guard in &guards {
        guard.keep_alive().unwrap();
    }
    let start = Instant::now();
    let mut threads = 0;
    while start.elapsed() < LEASE * 2 + LEASE / 2 {
        thread::sleep(Duration::from_millis(100));
        threads = threads.max(background_threads());
    }
    let kept = resident_kilobytes();
    let lost = guards.iter().filter(|g| g.check().is_err()).count();
    println!(
        "complaint: {lost} lost, {threads} thread, {} kB to hold and {} kB more to keep alive",
        held - before,
        kept - held
    );
}

/// How much memory this process has in use.
fn resident_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|k| k.parse().ok())
        .expect("it is a number of kB")
}

fn background_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("this is Linux");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.starts_with("s3-lock-watch"))
        .count()
}

fn complain() {
    let mut client = Client::builder();
    if env::var_os(PATIENT_VARIABLE).is_some() {
        client = patient_builder(client);
    }
    let error = match client
        .build()
        .and_then(|client| crate::builder(&client).build()?.try_acquire("child"))
    {
        Ok(_guard) => "none".to_owned(),
        Err(error) => format!("{error:?} | {error}").replace('\n', " "),
    };
    println!("complaint: {error}");
}
