//! Building clients: every setting, with its default and where else it is looked for.

use std::fmt;
use std::time::Duration;

use crate::checks::{out_of_range, within};
use crate::client::{Client, DEFAULT_CONNECT_TIMEOUT, DEFAULT_REQUEST_TIMEOUT};
use crate::clock::Clock;
use crate::error::{ConfigError, LockError};
use crate::living::Registry;
use crate::session::Recipe;
use crate::store::s3::{Config, Endpoint, Malformed, Named, Source, is_region, variable};
use crate::vetting::Vetting;

/// A client's settings on their way to a [`Client`]; from [`Client::builder`].
///
/// What is not set is looked for in the environment variables that AWS's own tools use:
///
/// | setting | looked for in, in this order |
/// |---|---|
/// | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile; `us-east-1` where an endpoint is set |
/// | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`; else AWS's own |
/// | credentials | as below |
/// | profile | `AWS_PROFILE`, else `default`, in `~/.aws/credentials` and `~/.aws/config` (or where `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` point) |
///
/// The home directory (`~`) is `HOME`, else the one that the system has for the user. It must be an absolute
/// path: without one there are no such files, and what the current directory holds is never read for them.
///
/// # Credentials
///
/// [Keys](ClientBuilder::credentials) or a [profile](ClientBuilder::profile) set here are all that is
/// looked at. Else it is the first of these that is set up, in the order of the AWS SDKs for Java, PHP
/// and Kotlin (that for Rust looks at the profile before web identity):
///
/// | place | what it takes |
/// |---|---|
/// | environment | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` with temporary keys |
/// | web identity (EKS service accounts, CI jobs) | `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`; `AWS_ROLE_SESSION_NAME` if you like. Asks STS of the region, or of `AWS_ENDPOINT_URL_STS` or `AWS_ENDPOINT_URL` |
/// | profile | its `aws_access_key_id` and `aws_secret_access_key`, else its `credential_process`, else its `web_identity_token_file` and `role_arn` |
/// | container (ECS, EKS Pod Identity) | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `AWS_CONTAINER_CREDENTIALS_FULL_URI`, which the platform sets, with the token in `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` or `AWS_CONTAINER_AUTHORIZATION_TOKEN` |
/// | EC2 instance | a role of the instance; metadata version 2 alone, at `AWS_EC2_METADATA_SERVICE_ENDPOINT` if set; never if `AWS_EC2_METADATA_DISABLED` is `true` |
///
/// A place that is set up and gives none is an error, and what comes after it is not looked at: those
/// would be somebody else's credentials. A profile that only names a region is not set up. A profile
/// that assumes a role by way of another one, or for which a person signs in (SSO), is left to the AWS
/// CLI. Have a profile of your own, with this line, and choose that:
///
/// ```ini
/// credential_process = aws configure export-credentials --profile sso-profile --format process
/// ```
///
/// Such a command is run without a shell: its words may be quoted, and nothing in them is expanded. It
/// leads a process group of its own, so that its children are stopped with it; so Ctrl-C does not reach
/// it, and it cannot ask anything on the terminal.
///
/// Credentials are looked up at the first request, and again when S3 rejects them. Those that expire
/// are renewed from 5 minutes before on (or half of their life, if that is less), and the old ones are
/// used until then. A failure is told to the calls that are under way, and not remembered. A command or STS
/// may take 4/5 of [`request_timeout`](ClientBuilder::request_timeout), however little time the request
/// has that needs the credentials: the look-up goes on when that gives up, and the next request waits
/// for the same one. Between calls nothing is timed: a command that hangs is then stopped by the next
/// call, or with the client. A container's endpoint has 2.5 s, and each of the three answers of an instance's
/// metadata 1 s, if 4/5 of `request_timeout` are not less. Where none are to be found, that is told within 3 s, as a
/// [`LockError::Config`] that lists the places. What may pass (no answer, an overloaded endpoint) is a
/// [`LockError::Storage`] that is retryable; an acquire that waits asks again.
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
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    region: Option<String>,
    endpoint: Option<String>,
    source: Source,
    request_timeout: Duration,
    connect_timeout: Option<Duration>,
    expected_bucket_owner: Option<String>,
    assume_conditional_writes: bool,
    /// The system's, but for tests.
    pub(crate) clock: Clock,
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
            assume_conditional_writes: false,
            clock: Clock::default(),
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
    /// Whether such a store honours conditional writes is found out before anything is locked in it,
    /// once for each bucket, and takes some twelve requests: see
    /// [`S3Lock::check_store`](crate::S3Lock::check_store).
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

    /// The profile in AWS's shared files whose keys, command or web identity to use, whatever the
    /// environment has; and whose region, if neither code nor environment name one.
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

    /// How long one request may take, from its sending to the end of its reply, a new connection and
    /// a look-up of the credentials included. Default: 5 s; from 10 ms to 5 minutes.
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

    /// Takes for granted that the store at the endpoint honours conditional writes as S3 does, and
    /// does not check it before the first acquire. For stores that are known to, where the requests are
    /// to be saved or `{folder}/.s3-lock-check` must not be written.
    ///
    /// **A store that ignores the conditions then gives no mutual exclusion, silently.** Nor is it
    /// noticed that a proxy stamps a `Date` of its own (use
    /// [`without_store_clock`](crate::S3LockBuilder::without_store_clock) behind one), or that the store
    /// takes ETags without their quotes only, as Ceph's gateway 16 does: there no lock can be replaced
    /// until [`S3Lock::check_store`](crate::S3Lock::check_store) was called.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .assume_conditional_writes()
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn assume_conditional_writes(mut self) -> ClientBuilder {
        self.assume_conditional_writes = true;
        self
    }

    /// The client. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the setting or environment variable that cannot work, and why:
    /// correct it.
    ///
    /// # Examples
    ///
    /// ```
    /// let refused = s3_lock::Client::builder().endpoint("localhost:9000").build();
    /// assert!(refused.unwrap_err().to_string().contains("it needs a scheme"));
    /// ```
    pub fn build(self) -> Result<Client, LockError> {
        let least = Duration::from_millis(10);
        let most = Duration::from_secs(300);
        within("request_timeout", self.request_timeout, least, most)?;
        // Shorter than a request, or a host that does not answer would not be told from a store
        // that does not.
        if let Some(connect_timeout) = self.connect_timeout {
            let most = self.request_timeout * 9 / 10;
            if !(least..=most).contains(&connect_timeout) {
                let most = format!("{most:?}, which is 9/10 of request_timeout");
                return Err(out_of_range("connect_timeout", connect_timeout, least, &most).into());
            }
        }
        let default = DEFAULT_CONNECT_TIMEOUT.min(self.request_timeout * 3 / 5);
        let connect_timeout = self.connect_timeout.unwrap_or(default);
        let endpoint = first(
            "endpoint",
            self.endpoint,
            ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
        );
        let region = first("region", self.region, ["AWS_REGION", "AWS_DEFAULT_REGION"]);
        if let Some(region) = region.as_ref().filter(|r| !is_region(&r.value)) {
            return Err(region.refused("a region looks like eu-central-1").into());
        }
        if let Some(account) = &self.expected_bucket_owner {
            if account.len() != 12 || !account.chars().all(|c| c.is_ascii_digit()) {
                let reason = "an AWS account has 12 digits";
                return Err(ConfigError::invalid("expected_bucket_owner", account, reason).into());
            }
        }
        self.source.check()?;
        let config = Config {
            endpoint: endpoint.map(check_endpoint).transpose()?,
            region: region.map(Setting::named),
            source: self.source,
            request_timeout: self.request_timeout,
            connect_timeout,
            expected_bucket_owner: self.expected_bucket_owner,
        };
        let vetting = match config.endpoint.is_some() && !self.assume_conditional_writes {
            true => Vetting::due,
            // AWS honours them.
            false => Vetting::default,
        };
        Ok(Client::from_recipe(Recipe {
            origin: Box::new(config),
            clock: self.clock,
            request_timeout: self.request_timeout,
            vetting,
            registry: Registry::shared,
        }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Refused by `build`, and until then not shown: it holds a secret.
        let is_plain = |url: &&str| !url.contains('@');
        let endpoint = self.endpoint.as_deref();
        f.debug_struct("ClientBuilder")
            .field("region", &self.region)
            .field(
                "endpoint",
                &endpoint.map(|e| Some(e).filter(is_plain).unwrap_or("(hidden)")),
            )
            .field("source", &self.source)
            .field("request_timeout", &self.request_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("expected_bucket_owner", &self.expected_bucket_owner)
            .field("assume_conditional_writes", &self.assume_conditional_writes)
            .finish()
    }
}

/// A setting, and where it comes from.
struct Setting {
    field: &'static str,
    value: String,
    /// The environment variable, if it was not set in code.
    variable: Option<&'static str>,
}

impl Setting {
    fn named(self) -> Named {
        let by = match self.variable {
            Some(variable) => variable.to_owned(),
            None => format!("ClientBuilder::{}", self.field),
        };
        Named::new(self.value, by)
    }

    fn refused(&self, reason: &str) -> ConfigError {
        match self.variable {
            Some(variable) => ConfigError::invalid_in(self.field, &self.value, variable, reason),
            None => ConfigError::invalid(self.field, &self.value, reason),
        }
    }
}

/// What was set in code, else the first of these variables that is set.
fn first(
    field: &'static str,
    set: Option<String>,
    variables: [&'static str; 2],
) -> Option<Setting> {
    let in_code = set.map(|value| (value, None));
    let mut elsewhere = variables.into_iter().map(|v| Some((variable(v)?, Some(v))));
    let (value, variable) = in_code.or_else(|| elsewhere.find_map(|found| found))?;
    Some(Setting {
        field,
        value,
        variable,
    })
}

fn check_endpoint(setting: Setting) -> Result<Named, ConfigError> {
    match Endpoint::parse(&setting.value) {
        Ok(Endpoint(url)) => Ok(Named {
            value: url,
            ..setting.named()
        }),
        Err(Malformed::HoldsCredentials) => {
            // Not quoted: it holds a secret.
            let place = setting
                .variable
                .map_or(String::new(), |v| format!(" in {v}"));
            let message =
                format!("invalid endpoint{place}: it holds credentials; set them separately");
            Err(ConfigError::new("endpoint", message))
        }
        Err(Malformed::Otherwise(reason)) => Err(setting.refused(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_that_is_printed_hides_the_secret_in_an_endpoint() {
        let told = |url: &str| format!("{:?}", ClientBuilder::new().endpoint(url));
        let shown = told("https://user:hunter2@example.com");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(told("https://example.com").contains("https://example.com"));
    }
}
