//! Threads of several processes add to one number in a file, and a lock in S3 keeps them apart.
//!
//! ```sh
//! cargo run --example critical_section
//! cargo run --example critical_section -- --processes 8 --threads 8 --increments 25
//! cargo run --example critical_section -- s3://my-bucket/locks
//! ```
//!
//! Without a bucket it starts its own S3 server, in memory. With one it takes region and credentials
//! from the environment, and the address of a store other than AWS from `AWS_ENDPOINT_URL_S3`.
//!
//! The code that a program with a lock needs comes first: `open_lock` and `add_one`. The rest starts
//! processes and checks the outcome.

#![allow(
    clippy::disallowed_methods,
    reason = "only the crate itself keeps clock and sleep in one place"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use s3_lock::{Client, LockGuard, S3Lock};
use support::Server;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Makes a handle to the lock. This neither takes the lock nor sends anything.
fn open_lock(bucket: &str, folder: &str) -> Result<S3Lock> {
    let lock = S3Lock::builder(bucket, "critical-section")
        .folder(folder)
        // After a crash the lock stays taken for this long, and 12 s more.
        .max_operation(Duration::from_secs(10))
        // The last of many may wait long for its turn.
        .wait_limit(Duration::from_secs(120))
        // Ask more often than by default: here each holder is done within milliseconds.
        .poll_interval(Duration::from_millis(5), Duration::from_millis(50))
        .client(Client::new()?)
        .build()?;
    Ok(lock)
}

/// The critical section. Returns how long it held the lock.
fn add_one(lock: &S3Lock, owner: &str, files: &Files) -> Result<Duration> {
    let asked = Instant::now();
    let guard = lock.acquire(owner)?;
    let acquired = Instant::now();

    let number = files.read_counter()?;
    // Without the lock, others would read the same number now: an increment would be lost.
    thread::sleep(WORK);
    // Check before every effect: after a long pause another owner may have the lock.
    guard.check()?;
    files.write_counter(number + 1)?;
    files.report(&guard, acquired - asked, number + 1)?;

    // Drop releases the lock as well, but cannot return the outcome.
    guard.release()?;
    Ok(acquired.elapsed())
}

/// How long the main operation takes, in addition to reading and writing.
const WORK: Duration = Duration::from_millis(1);

/// One process. Its threads share one lock, and so one client. They queue in the client, and only the
/// first of them asks S3.
fn work(options: &Options, process: &str) -> Result {
    let lock = open_lock(&options.bucket, &options.folder)?;
    let one_thread = |thread: u32| -> Result {
        let owner = format!("{process}/thread-{thread}");
        for _ in 0..options.increments {
            let held = add_one(&lock, &owner, &options.files)?;
            // Threads of one process hand the lock to each other at once. Pause while each of them has
            // its turn: the queue then empties, and other processes get the lock in between.
            thread::sleep(2 * options.threads * held);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let one_thread = &one_thread;
        let numbers = 1..=options.threads;
        let threads: Vec<_> = numbers
            .map(|thread| scope.spawn(move || one_thread(thread)))
            .collect();
        let mut ends = threads.into_iter().map(|thread| thread.join());
        ends.try_for_each(|end| end.unwrap_or_else(|_| Err("a thread has panicked".into())))
    })
}

/// A process that only holds the lock, to show what that costs.
fn hold_alone(options: &Options) -> Result {
    let guard = open_lock(&options.bucket, &options.folder)?.acquire("single-holder")?;
    // A thread that looked up the server's address has ended after this.
    thread::sleep(Duration::from_millis(50));
    let used = match fs::read_to_string("/proc/self/status") {
        Ok(status) => resources(&status).ok_or("/proc/self/status is not as on Linux")?,
        Err(_) => "not measured, as this system has no /proc".to_owned(),
    };
    guard.release()?;
    let goal = if cfg!(debug_assertions) {
        "debug build; goal in release: 1 thread, under 12 MB"
    } else {
        "release build; goal: 1 thread, under 12 MB"
    };
    say(&format!("single holder    {used} ({goal})\n"))
}

fn resources(status: &str) -> Option<String> {
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let threads = match number("Threads:")? {
        1 => "1 thread".to_owned(),
        more => format!("{more} threads"),
    };
    let bytes = number("VmRSS:")? * 1024;
    let megabytes = bytes as f64 / 1e6;
    Some(format!("{threads}, {megabytes:.1} MB resident"))
}

// From here on: starting the processes, and checking that no increment was lost.

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("critical_section: {error}");
            if let Some(cause) = error.source() {
                eprintln!("because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    let options = Options::parse(env::args().skip(1))?;
    match &options.role {
        Role::Parent => contend(&options),
        Role::Worker(process) => work(&options, process),
        Role::SingleHolder => hold_alone(&options),
        Role::Help => say(HELP),
    }
}

fn contend(options: &Options) -> Result {
    let files = &options.files;
    files.create()?;
    let _at_the_end = Removal(files);
    let server = options.own_server.then(Server::start);
    say(&options.headline(server.as_ref()))?;
    say(HEADING)?;

    let start = Instant::now();
    let mut workers = Children::default();
    for number in 1..=options.processes {
        let process = format!("process-{number}");
        workers.start(&mut options.child(server.as_ref(), &["--worker", &process])?)?;
    }
    workers.wait()?;
    let took = start.elapsed();

    let holdings = files.holdings()?;
    say(&summary(&holdings, took))?;
    if let Some(server) = &server {
        let (puts, gets) = (server.count("PUT"), server.count("GET"));
        say(&format!("requests         {puts} PUT, {gets} GET\n"))?;
    }
    check(&holdings, files.read_counter()?, options.total())?;

    let mut single_holder = Children::default();
    single_holder.start(&mut options.child(server.as_ref(), &["--single-holder"])?)?;
    single_holder.wait()
}

fn summary(holdings: &[Holding], took: Duration) -> String {
    let count = holdings.len();
    let seconds = took.as_secs_f64();
    let pairs = holdings.windows(2);
    let moves = pairs.filter(|pair| pair[0].process() != pair[1].process());
    let mut waits: Vec<f64> = holdings.iter().map(|h| h.waited_ms).collect();
    waits.sort_by(f64::total_cmp);
    let wait = |rank: usize| waits.get(rank).copied().unwrap_or_default();
    let (median, longest) = (wait(count / 2), wait(count.saturating_sub(1)));
    format!(
        "\nholdings         {count} in {seconds:.1} s: {:.0} per second\n\
         hand-overs       {} from one process to another\n\
         waited           {median:.1} ms in the median, {longest:.1} ms at the longest\n",
        count as f64 / seconds,
        moves.count(),
    )
}

/// Fails if the lock did not keep the holders apart.
fn check(holdings: &[Holding], counter: u64, expected: u64) -> Result {
    if counter != expected {
        let lost = expected.abs_diff(counter);
        let what = format!("the counter is {counter} and not {expected}: {lost} increments lost");
        return Err(format!("{what}; {NO_EXCLUSION}").into());
    }
    say(&format!(
        "counter          {counter} of {expected}: no increment was lost\n"
    ))?;
    let mut pairs = holdings.windows(2);
    if let Some(pair) = pairs.find(|pair| pair[0].token >= pair[1].token) {
        let what = format!("token {} came after {}", pair[1].token, pair[0].token);
        return Err(format!("{what}; {NO_EXCLUSION}").into());
    }
    say("fencing tokens   each is larger than the one before\n")
}

const NO_EXCLUSION: &str = "the lock has let two in at once";

/// One line of the report.
struct Holding {
    token: u64,
    owner: String,
    waited_ms: f64,
}

impl Holding {
    fn parse(line: &str) -> Option<Holding> {
        let mut words = line.split_whitespace();
        Some(Holding {
            token: words.next()?.parse().ok()?,
            owner: words.next()?.to_owned(),
            waited_ms: words.next()?.parse().ok()?,
        })
    }

    fn process(&self) -> &str {
        self.owner.split('/').next().unwrap_or_default()
    }
}

const HEADING: &str = "   fencing token  holder                      waited  counter\n";

/// The directory of the files that the processes share: the counter, and a report to which each holder
/// adds a line.
struct Files(PathBuf);

impl Files {
    fn create(&self) -> Result {
        fs::create_dir_all(&self.0)?;
        fs::write(self.0.join("report"), "")?;
        self.write_counter(0)
    }

    fn read_counter(&self) -> Result<u64> {
        let text = fs::read_to_string(self.0.join("counter"))?;
        let number = text.parse();
        number.map_err(|_| format!("the counter reads {text:?}; {NO_EXCLUSION}").into())
    }

    fn write_counter(&self, number: u64) -> Result {
        Ok(fs::write(self.0.join("counter"), number.to_string())?)
    }

    /// Prints a line on this holding, and adds it to the report. The holder does this, so the lines are in
    /// the order of the holdings.
    fn report(&self, guard: &LockGuard, waited: Duration, number: u64) -> Result {
        let (token, owner) = (guard.fencing_token(), guard.owner());
        let waited = waited.as_secs_f64() * 1e3;
        let line = format!("{token:>16}  {owner:<20}  {waited:>9.1} ms  {number:>7}\n");
        let report = File::options().append(true).open(self.0.join("report"));
        report?.write_all(line.as_bytes())?;
        say(&line)
    }

    fn holdings(&self) -> Result<Vec<Holding>> {
        let text = fs::read_to_string(self.0.join("report"))?;
        let holdings: Option<_> = text.lines().map(Holding::parse).collect();
        holdings.ok_or_else(|| format!("the report is garbled; {NO_EXCLUSION}").into())
    }
}

/// Removes the files when dropped.
struct Removal<'a>(&'a Files);

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        // Files that stay in the directory for temporary files do no harm.
        let _ = fs::remove_dir_all(&self.0.0);
    }
}

/// Processes that do not outlive this one.
#[derive(Default)]
struct Children(Vec<Child>);

impl Children {
    fn start(&mut self, command: &mut Command) -> Result {
        self.0.push(command.spawn()?);
        Ok(())
    }

    fn wait(&mut self) -> Result {
        for child in &mut self.0 {
            let status = child.wait()?;
            if !status.success() {
                return Err(format!("process {} has failed ({status})", child.id()).into());
            }
        }
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Children still run here only if another one has failed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Options {
    role: Role,
    own_server: bool,
    bucket: String,
    folder: String,
    files: Files,
    processes: u32,
    threads: u32,
    increments: u32,
}

enum Role {
    Parent,
    Worker(String),
    SingleHolder,
    Help,
}

const HELP: &str = "\
usage: critical_section [s3://BUCKET/FOLDER] [--processes N] [--threads N] [--increments N]

Without a bucket, the example starts its own S3 server. With one, it takes region and credentials
from the environment.
";

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options> {
        let mut options = Options {
            role: Role::Parent,
            own_server: true,
            bucket: support::BUCKET.to_owned(),
            folder: "example".to_owned(),
            files: Files(env::temp_dir().join(format!("s3-lock-example-{}", process::id()))),
            processes: 3,
            threads: 3,
            increments: 3,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--processes" => options.processes = count(&arg, &value()?)?,
                "--threads" => options.threads = count(&arg, &value()?)?,
                "--increments" => options.increments = count(&arg, &value()?)?,
                "--help" | "-h" => options.role = Role::Help,
                // The example passes the options below to its own processes.
                "--worker" => options.role = Role::Worker(value()?),
                "--single-holder" => options.role = Role::SingleHolder,
                "--files" => options.files = Files(value()?.into()),
                url => {
                    let place = url.strip_prefix("s3://");
                    let place = place.ok_or(format!("what is {url:?}?\n\n{HELP}"))?;
                    let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
                    options.own_server = false;
                    options.bucket = bucket.to_owned();
                    options.folder = folder.to_owned();
                }
            }
        }
        Ok(options)
    }

    fn total(&self) -> u64 {
        u64::from(self.processes) * u64::from(self.threads) * u64::from(self.increments)
    }

    fn headline(&self, server: Option<&Server>) -> String {
        let (processes, threads, increments) = (self.processes, self.threads, self.increments);
        let (bucket, folder) = (&self.bucket, &self.folder);
        let at = match server {
            Some(server) => format!("this example's own server, {}", server.endpoint()),
            None => "the one that the environment names".to_owned(),
        };
        let total = self.total();
        format!(
            "lock             critical-section in s3://{bucket}/{folder}\n\
             store            {at}\n\
             increments       {total} = {processes} processes × {threads} threads × {increments}\n\n"
        )
    }

    /// A command that runs this program again, in another role.
    fn child(&self, server: Option<&Server>, role: &[&str]) -> Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command
            .arg(format!("s3://{}/{}", self.bucket, self.folder))
            .args(["--threads", &self.threads.to_string()])
            .args(["--increments", &self.increments.to_string()])
            .arg("--files")
            .arg(&self.files.0)
            .args(role);
        if let Some(server) = server {
            command
                .env("AWS_ENDPOINT_URL_S3", server.endpoint())
                .env("AWS_REGION", support::REGION)
                .env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY)
                // A token from the environment would belong to other keys.
                .env_remove("AWS_SESSION_TOKEN");
        }
        Ok(command)
    }
}

fn count(option: &str, value: &str) -> Result<u32> {
    match value.parse() {
        Ok(number @ 1..=1000) => Ok(number),
        _ => Err(format!("{option} takes a number from 1 to 1000, not {value:?}").into()),
    }
}

/// Prints and returns an error if the reader is gone (as under `| head`), where `println!` panics.
fn say(text: &str) -> Result {
    Ok(io::stdout().write_all(text.as_bytes())?)
}
