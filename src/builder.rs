//! Building locks and clients: every setting, and every check that needs no I/O.

use std::time::Duration;

use crate::client::{Client, DEFAULT_CONNECT_TIMEOUT, DEFAULT_REQUEST_TIMEOUT};
use crate::clock::Clock;
use crate::error::{ConfigError, LockError};
use crate::lock::{S3Lock, Settings};
use crate::protocol::knowledge::Patience;
use crate::record::MAX_LEASE;
use crate::store::Location;
use crate::store::s3::{Config, S3Store, Source, is_region, variable};

/// A lock's settings on their way to an [`S3Lock`]; from [`S3Lock::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .folder("locks/reports")
///     .max_operation(Duration::from_secs(300))
///     .wait_limit(Duration::from_secs(30))
///     .purpose("the report that goes out at six")
///     .client(Client::in_memory())
///     .build()?;
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct S3LockBuilder {
    bucket: String,
    folder: String,
    name: String,
    max_operation: Duration,
    acquire_allowance: Option<Duration>,
    wait_limit: Option<Duration>,
    clock_margin: Duration,
    poll: (Duration, Duration),
    purpose: Option<String>,
    store_clock: bool,
    client: Option<Client>,
}

const DEFAULT_MAX_OPERATION: Duration = Duration::from_secs(60);
/// 1 s for dates that are cut to whole seconds, 1 s between the nodes of one store.
const DEFAULT_CLOCK_MARGIN: Duration = Duration::from_secs(2);
/// The least margin where no store's clock is relied on.
const MIN_OWN_CLOCK_MARGIN: Duration = Duration::from_millis(100);
const DEFAULT_POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The most that any single waiting time may be set to.
const MAX_SPAN: Duration = MAX_LEASE;

/// The longest object key that S3 takes, in bytes.
const MAX_KEY: usize = 1024;
/// The longest owner name, in bytes of UTF-8.
pub(crate) const MAX_OWNER: usize = 512;
/// The longest purpose, in bytes of UTF-8.
const MAX_PURPOSE: usize = 2048;

impl S3LockBuilder {
    pub(crate) fn new(bucket: String, name: String) -> S3LockBuilder {
        S3LockBuilder {
            bucket,
            folder: String::new(),
            name,
            max_operation: DEFAULT_MAX_OPERATION,
            acquire_allowance: None,
            wait_limit: None,
            clock_margin: DEFAULT_CLOCK_MARGIN,
            poll: DEFAULT_POLL,
            purpose: None,
            store_clock: true,
            client: None,
        }
    }

    /// The folder that the lock's object is in; without one it is in the bucket's root. May have
    /// several segments (`a/b`); one trailing `/` more or less makes no difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .folder("locks/reports") // the object is locks/reports/nightly.lock
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn folder(mut self, folder: impl Into<String>) -> S3LockBuilder {
        self.folder = folder.into();
        self
    }

    /// How long the main operation may take: every guard is handed out with at least this much of
    /// its lease left. Default: 60 s. Together with `acquire_allowance` at most 7 days.
    ///
    /// After a crash the lock stays taken for up to this long and a little more, so choose it
    /// no larger than needed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .max_operation(Duration::from_secs(300))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn max_operation(mut self, span: Duration) -> S3LockBuilder {
        self.max_operation = span;
        self
    }

    /// How long acquiring itself may take, which the lease is longer for. Default: twice the
    /// client's `request_timeout`, so 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .acquire_allowance(Duration::from_secs(30))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn acquire_allowance(mut self, span: Duration) -> S3LockBuilder {
        self.acquire_allowance = Some(span);
        self
    }

    /// How long [`S3Lock::acquire`] waits for the lock. Default: until the holder that it first
    /// saw would have expired, and twice the client's `request_timeout`; but at least twice this
    /// lock's own lease. So a dead holder alone never makes an acquire fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .wait_limit(Duration::from_secs(30))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn wait_limit(mut self, span: Duration) -> S3LockBuilder {
        self.wait_limit = Some(span);
        self
    }

    /// How much older than its lease a record must be before this lock takes it over, beside
    /// lease / 500. Default, and least: 2 s, of which 1 s is for dates that S3 cuts to whole
    /// seconds and 1 s for clocks of S3's own nodes. With
    /// [`without_store_clock`](S3LockBuilder::without_store_clock) the least is 100 ms.
    ///
    /// It protects the others from this lock's clock, so everybody's must be large enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .clock_margin(Duration::from_secs(10))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn clock_margin(mut self, span: Duration) -> S3LockBuilder {
        self.clock_margin = span;
        self
    }

    /// The least and the longest time between two looks at a lock that somebody else holds; each
    /// is drawn at random between the least and three times the one before. Default: 100 ms to 2 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .poll_interval(Duration::from_secs(1), Duration::from_secs(10))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn poll_interval(mut self, min: Duration, max: Duration) -> S3LockBuilder {
        self.poll = (min, max);
        self
    }

    /// What the lock is wanted for, shown to whoever finds it held: any text of up to 2,048 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .purpose("the report that goes out at six")
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn purpose(mut self, purpose: impl Into<String>) -> S3LockBuilder {
        self.purpose = Some(purpose.into());
        self
    }

    /// Tells the age of a record by this client's own clock alone, for a store whose `Date` and
    /// `Last-Modified` do not come from one clock (as behind a proxy that stamps its own `Date`).
    ///
    /// The lock of a dead holder is then freed only by a client that has watched it for a whole
    /// lease.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .without_store_clock()
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn without_store_clock(mut self) -> S3LockBuilder {
        self.store_clock = false;
        self
    }

    /// The client to use; by default a new one, from the environment.
    pub fn client(mut self, client: Client) -> S3LockBuilder {
        self.client = Some(client);
        self
    }

    /// The lock. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the setting that cannot work, and why: correct it.
    pub fn build(self) -> Result<S3Lock, LockError> {
        let location = location(&self.bucket, &self.folder, &self.name)?;
        let least = match self.store_clock {
            true => DEFAULT_CLOCK_MARGIN,
            false => MIN_OWN_CLOCK_MARGIN,
        };
        within("clock_margin", self.clock_margin, least, MAX_SPAN)?;
        let millisecond = Duration::from_millis(1);
        within("max_operation", self.max_operation, millisecond, MAX_SPAN)?;
        within("poll_interval", self.poll.0, millisecond, self.poll.1)?;
        within("poll_interval", self.poll.1, self.poll.0, MAX_SPAN)?;
        if let Some(purpose) = &self.purpose {
            no_longer_than("purpose", purpose, MAX_PURPOSE)?;
        }
        let client = match self.client {
            Some(client) => client,
            None => Client::new()?,
        };
        client.check_process()?;
        let allowance = self.acquire_allowance;
        let allowance = allowance.unwrap_or(2 * client.request_timeout());
        within("acquire_allowance", allowance, millisecond, MAX_SPAN)?;
        let lease = whole_milliseconds(self.max_operation + allowance);
        within(
            "lease (max_operation + acquire_allowance)",
            lease,
            millisecond,
            MAX_LEASE,
        )?;
        Ok(S3Lock::from_parts(
            client,
            location,
            Settings {
                max_operation: self.max_operation,
                lease,
                wait_limit: self.wait_limit,
                poll: self.poll,
                purpose: self.purpose,
                patience: Patience {
                    margin: self.clock_margin,
                    store_clock: self.store_clock,
                },
            },
        ))
    }
}

/// Rounds up, so that the record, which counts milliseconds, promises no less than the holder has.
fn whole_milliseconds(span: Duration) -> Duration {
    let rest = span.subsec_nanos() % 1_000_000;
    match rest {
        0 => span,
        rest => span + Duration::from_nanos(1_000_000 - u64::from(rest)),
    }
}

fn location(bucket: &str, folder: &str, name: &str) -> Result<Location, ConfigError> {
    check_bucket(bucket)?;
    let trimmed = check_folder(folder)?;
    if name.contains('/') {
        let reason = "it holds a '/'; put folders into `folder`";
        return Err(ConfigError::invalid("name", name, reason));
    }
    check_segment("name", name, name)?;
    let key = match trimmed {
        "" => format!("{name}.lock"),
        folder => format!("{folder}/{name}.lock"),
    };
    let field = if name.len() > trimmed.len() {
        "name"
    } else {
        "folder"
    };
    if key.len() > MAX_KEY {
        let value = if field == "name" { name } else { folder };
        let reason = format!("the key {{folder}}/{{name}}.lock is longer than {MAX_KEY} bytes");
        return Err(ConfigError::invalid(field, value, &reason));
    }
    let bucket = bucket.to_owned();
    Ok(Location { bucket, key })
}

/// The folder without a trailing slash.
fn check_folder(folder: &str) -> Result<&str, ConfigError> {
    let trimmed = folder.strip_suffix('/').unwrap_or(folder);
    if folder.starts_with('/') {
        return Err(ConfigError::invalid(
            "folder",
            folder,
            "it starts with a '/'",
        ));
    }
    if !trimmed.is_empty() {
        for segment in trimmed.split('/') {
            check_segment("folder", folder, segment)?;
        }
    }
    Ok(trimmed)
}

/// What the keys of all locks in a folder begin with.
pub(crate) fn prefix(bucket: &str, folder: &str) -> Result<String, ConfigError> {
    check_bucket(bucket)?;
    Ok(match check_folder(folder)? {
        "" => String::new(),
        folder => format!("{folder}/"),
    })
}

/// The rules of S3 for bucket names, and as much more (capital letters, underscores) as other
/// stores allow in a path.
fn check_bucket(bucket: &str) -> Result<(), ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid("bucket", bucket, reason));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match bucket {
        "" => refuse("it is empty"),
        _ if bucket.starts_with('/') => refuse("it starts with a '/'"),
        "." | ".." => refuse("it is '.' or '..'"),
        _ if bucket.chars().any(char::is_control) => refuse("it holds a control character"),
        _ if !bucket.chars().all(allowed) => {
            refuse("only letters, digits, '-', '.' and '_' may be in it")
        }
        _ if !(3..=63).contains(&bucket.len()) => refuse("its length is not between 3 and 63"),
        _ => Ok(()),
    }
}

fn check_segment(field: &'static str, value: &str, segment: &str) -> Result<(), ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid(field, value, reason));
    match segment {
        "" if value.is_empty() => refuse("it is empty"),
        "" => refuse("it has an empty segment"),
        "." | ".." => refuse("it has a segment '.' or '..'"),
        _ if segment.chars().any(char::is_control) => refuse("it holds a control character"),
        _ => Ok(()),
    }
}

pub(crate) fn check_owner(owner: &str) -> Result<(), ConfigError> {
    if owner.is_empty() {
        return Err(ConfigError::invalid("owner", owner, "it is empty"));
    }
    if owner.chars().any(char::is_control) {
        return Err(ConfigError::invalid(
            "owner",
            owner,
            "it holds a control character",
        ));
    }
    no_longer_than("owner", owner, MAX_OWNER)
}

fn no_longer_than(field: &'static str, value: &str, max: usize) -> Result<(), ConfigError> {
    if value.len() <= max {
        return Ok(());
    }
    let reason = format!("it is longer than {max} bytes");
    Err(ConfigError::invalid(field, value, &reason))
}

fn within(
    field: &'static str,
    span: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&span) {
        return Ok(());
    }
    let message = format!("invalid {field} {span:?}: it must be from {least:?} to {most:?}");
    Err(ConfigError::new(field, message))
}

/// A client's settings on their way to a [`Client`]; from [`Client::builder`].
///
/// What is not set is looked for in the environment variables that AWS's own tools use:
///
/// | setting | looked for in, in this order |
/// |---|---|
/// | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile; `us-east-1` where an endpoint is set |
/// | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`; else AWS's own |
/// | credentials | a [`profile`](ClientBuilder::profile) set here; `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; the keys of a profile |
/// | profile | `AWS_PROFILE`, else `default`, in `~/.aws/credentials` and `~/.aws/config` (or where `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` point) |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let client = s3_lock::Client::builder()
///     .endpoint("https://minio.example.com")
///     .region("us-east-1")
///     .profile("backup")
///     .request_timeout(Duration::from_secs(2))
///     .connect_timeout(Duration::from_secs(1))
///     .build()?;
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    region: Option<String>,
    endpoint: Option<String>,
    source: Source,
    request_timeout: Duration,
    connect_timeout: Option<Duration>,
    expected_bucket_owner: Option<String>,
}

impl ClientBuilder {
    pub(crate) fn new() -> ClientBuilder {
        ClientBuilder {
            region: None,
            endpoint: None,
            source: Source::Environment,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            connect_timeout: None,
            expected_bucket_owner: None,
        }
    }

    /// The region that the bucket is in. If S3 names another one, that is used from then on.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .region("eu-central-1")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn region(mut self, region: impl Into<String>) -> ClientBuilder {
        self.region = Some(region.into());
        self
    }

    /// The store to ask, if it is not AWS: `http://` or `https://`, a host, and a port if need be.
    /// Buckets are addressed in the path.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("https://minio.example.com:9000")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn endpoint(mut self, url: impl Into<String>) -> ClientBuilder {
        self.endpoint = Some(url.into());
        self
    }

    /// The access key, its secret, and the session token if they are temporary.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .credentials("key", "secret", Some("session-token"))
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn credentials(
        mut self,
        key: impl AsRef<str>,
        secret: impl AsRef<str>,
        token: Option<&str>,
    ) -> ClientBuilder {
        self.source = Source::fixed(key.as_ref(), secret.as_ref(), token);
        self
    }

    /// The profile in AWS's shared files whose keys to use, before those of the environment; and
    /// whose region, if neither code nor environment name one.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .profile("backup")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn profile(mut self, name: impl Into<String>) -> ClientBuilder {
        self.source = Source::Profile(name.into());
        self
    }

    /// How long one request may take, from its sending to the end of its reply, a new connection
    /// included. Default: 5 s; from 10 ms to 5 minutes.
    ///
    /// It is also what the bounds of all calls are counted in: see "How long a call can block" in
    /// the [crate's documentation](crate#how-long-a-call-can-block).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = s3_lock::Client::builder()
    ///     .request_timeout(Duration::from_secs(2))
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn request_timeout(mut self, span: Duration) -> ClientBuilder {
        self.request_timeout = span;
        self
    }

    /// How long a connection may take to be made, name lookup and TLS included. Default: 3 s, or
    /// 3/5 of `request_timeout` if that is less; from 10 ms to 9/10 of `request_timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = s3_lock::Client::builder()
    ///     .connect_timeout(Duration::from_secs(1))
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn connect_timeout(mut self, span: Duration) -> ClientBuilder {
        self.connect_timeout = Some(span);
        self
    }

    /// The AWS account, 12 digits, that the bucket must belong to: requests to a bucket of another
    /// owner are refused. It guards against a bucket that was deleted and registered by somebody
    /// else.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .expected_bucket_owner("123456789012")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn expected_bucket_owner(mut self, account: impl Into<String>) -> ClientBuilder {
        self.expected_bucket_owner = Some(account.into());
        self
    }

    /// Says that a store at a custom endpoint honours conditional writes as S3 does.
    ///
    /// This version takes that for granted of every store and does not check it. A store that
    /// ignores the conditions gives no mutual exclusion, silently.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .assume_conditional_writes()
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn assume_conditional_writes(self) -> ClientBuilder {
        self
    }

    /// The client. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the setting or environment variable that cannot work, and why:
    /// correct it.
    pub fn build(self) -> Result<Client, LockError> {
        let least = Duration::from_millis(10);
        let most = Duration::from_secs(300);
        within("request_timeout", self.request_timeout, least, most)?;
        // Shorter than a request, or a host that does not answer would not be told from a store
        // that does not.
        let connect_timeout = self.connect_timeout;
        let connect_timeout =
            connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT.min(self.request_timeout * 3 / 5));
        let most = self.request_timeout * 9 / 10;
        within("connect_timeout", connect_timeout, least.min(most), most)?;
        let endpoint = first(self.endpoint, ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let region = first(self.region, ["AWS_REGION", "AWS_DEFAULT_REGION"]);
        if let Some(region) = region.as_ref().filter(|r| !is_region(r)) {
            let reason = "a region looks like eu-central-1";
            return Err(ConfigError::invalid("region", region, reason).into());
        }
        if let Some(account) = &self.expected_bucket_owner {
            if account.len() != 12 || !account.chars().all(|c| c.is_ascii_digit()) {
                let reason = "an AWS account has 12 digits";
                return Err(ConfigError::invalid("expected_bucket_owner", account, reason).into());
            }
        }
        self.source.check()?;
        let config = Config {
            endpoint: endpoint.map(|e| check_endpoint(&e)).transpose()?,
            region,
            source: self.source,
            connect_timeout,
            expected_bucket_owner: self.expected_bucket_owner,
        };
        let clock = Clock::default();
        let store = S3Store::new(config, clock.clone());
        Ok(Client::with_timeout(
            Box::new(store),
            clock,
            self.request_timeout,
        ))
    }
}

/// What was set in code, else the first of these variables that is set.
fn first(set: Option<String>, variables: [&str; 2]) -> Option<String> {
    set.or_else(|| variables.into_iter().find_map(variable))
}

fn check_endpoint(url: &str) -> Result<String, ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid("endpoint", url, reason));
    if url.contains('@') {
        // Not quoted: it holds a secret.
        let message = "invalid endpoint: it holds credentials; set them separately";
        return Err(ConfigError::new("endpoint", message));
    }
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|s| url.starts_with(s));
    let Some(scheme) = scheme else {
        return refuse("it needs a scheme: http:// or https://");
    };
    let host = &url[scheme.len()..];
    let host = host.strip_suffix('/').unwrap_or(host);
    if host.contains(['/', '?', '#']) {
        return refuse("nothing may follow the host and port");
    }
    match S3Store::is_host(host) {
        true => Ok(format!("{scheme}{host}")),
        false => refuse("it has no host, or a port that is none"),
    }
}
