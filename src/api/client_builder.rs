//! Building clients: every setting, its default, and where else it is looked up.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::client::{Client, DEFAULT_CONNECT_TIMEOUT, DEFAULT_REQUEST_TIMEOUT};
use crate::api::ranges::{out_of_range, within};
use crate::engine::check_cache::CheckCache;
use crate::engine::registry::Registry;
use crate::engine::session::Recipe;
use crate::store::s3::{
    AwsSettings, ClientIdentity, Endpoint, IdentityFiles, Malformed, Named, NamedFile, Pkcs12,
    Proxies, S3Config, Service, Source, Style, TlsFiles, is_region, set,
};
use crate::sys::clock::Clock;
use crate::types::errors::{ConfigError, LockError};

/// The settings of a client, made into a [`Client`] by [`build`](ClientBuilder::build). Made by
/// [`Client::builder`].
///
/// What is not set is looked up in the environment variables that AWS's own tools use:
///
/// | setting | looked up in, in this order |
/// |---|---|
/// | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile; `us-east-1` if an endpoint is set |
/// | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `s3` in the profile's `services` section, `endpoint_url` of the profile; else AWS's own in the region |
/// | trusted certificates | `AWS_CA_BUNDLE`, `ca_bundle` of the profile; else the system's, with `SSL_CERT_FILE` and `SSL_CERT_DIR`: see [network](crate::network#certificates) |
/// | credentials | variables, the profile, and what the machine has: [in this order](crate::network#credentials) |
/// | proxy | `https_proxy`, `HTTPS_PROXY` for https; `http_proxy`, `HTTP_PROXY` for http; `all_proxy`, `ALL_PROXY` for both; not for what `no_proxy`, `NO_PROXY` names |
/// | profile | `AWS_PROFILE`, else `default`, in `~/.aws/credentials` and `~/.aws/config` (or where `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` point) |
///
/// The home directory (`~`) is `HOME`, else the one that the system has for the user. It must be an
/// absolute path. Without one there are no such files: the client never reads the current directory for
/// them.
///
/// If [keys](ClientBuilder::credentials) or a [profile](ClientBuilder::profile) are set here, the client looks
/// for credentials nowhere else. [Network](crate::network) says what each of these means, in which order credentials are
/// looked for, and how long that may take.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let client = s3_lock::Client::builder()
///     .region("eu-central-1")
///     .credentials("key", "secret", Some("session-token"))
///     .expected_bucket_owner("123456789012")
///     .request_timeout(Duration::from_secs(2))
///     .connect_timeout(Duration::from_secs(1))
///     .build()?;
///
/// let other_store = s3_lock::Client::builder()
///     .endpoint("https://minio.example.com:9000")
///     .profile("backup")
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
    proxy: ProxySetting,
    expected_bucket_owner: Option<String>,
    assume_conditional_writes: bool,
    style: Style,
    ca_bundle: Option<PathBuf>,
    identity: Option<ClientIdentity>,
    /// The system's, but for tests.
    pub(crate) clock: Clock,
}

/// Which proxy to use. What was said last counts.
#[derive(Clone)]
enum ProxySetting {
    Environment,
    At(String),
    Never,
}

impl Client {
    /// A client with region, endpoint and credentials from the environment. [`ClientBuilder`] lists the
    /// places.
    ///
    /// Does no I/O and does not block. The first request reads what only a profile says: the endpoint, the
    /// region, the credentials.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the environment variable that is no region or endpoint: correct it.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::new()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn new() -> Result<Client, LockError> {
        Client::builder().build()
    }

    /// Starts the settings of a client; [`ClientBuilder`] has them all, with examples. Does no I/O and does
    /// not block.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }
}

impl ClientBuilder {
    pub(crate) fn new() -> ClientBuilder {
        ClientBuilder {
            region: None,
            endpoint: None,
            source: Source::Environment,
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            connect_timeout: None,
            proxy: ProxySetting::Environment,
            expected_bucket_owner: None,
            assume_conditional_writes: false,
            style: Style::Path,
            ca_bundle: None,
            identity: None,
            clock: Clock::default(),
        }
    }

    /// The region of the bucket. If S3 names another region, the client uses that from then on.
    ///
    /// It decides where AWS's endpoint is: `s3.eu-central-1.amazonaws.com`, or in another domain in China, in
    /// GovCloud and in AWS's other partitions. A region that is not known yet is looked for in
    /// `amazonaws.com`.
    pub fn region(mut self, region: impl Into<String>) -> ClientBuilder {
        self.region = Some(region.into());
        self
    }

    /// The store's URL: `http://` or `https://`, a host, a port if it needs one, and a path if the store is
    /// not at the root of its host (`https://gateway.example.com/s3`). Requests name the bucket after that path,
    /// unless [`virtual_hosted`](ClientBuilder::virtual_hosted) puts it into the host's name. The bucket is no
    /// part of the URL.
    ///
    /// What the code sets here, no variable and no profile changes: neither `AWS_ENDPOINT_URL` nor
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` nor `AWS_USE_FIPS_ENDPOINT`. If a region is set as well, and the
    /// scheme is `http`, the client reads no file for it.
    ///
    /// Before the client first locks anything in a bucket of such a store, it checks whether the store honours
    /// conditional writes. That takes some twelve requests, once for each bucket: see
    /// [`S3Lock::check_store`](crate::S3Lock::check_store). An endpoint that a variable or a profile names is
    /// checked in the same way. Only AWS's own, which the client finds by the region, is not.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("https://gateway.example.com/s3")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn endpoint(mut self, url: impl Into<String>) -> ClientBuilder {
        self.endpoint = Some(url.into());
        self
    }

    /// Names the bucket in the host's name, `https://my-bucket.s3.eu-central-1.amazonaws.com/key`, and not in the
    /// path, `https://s3.eu-central-1.amazonaws.com/my-bucket/key`. At an [endpoint](ClientBuilder::endpoint)
    /// `http://host:9000` it is `http://my-bucket.host:9000/key`. Both name the same object. By default the
    /// path names it, which AWS and nearly all other stores understand.
    ///
    /// Names that end in `.localhost` are this machine, without a question to DNS.
    ///
    /// # Errors
    ///
    /// [`build`](ClientBuilder::build) refuses an endpoint whose host is an address, and the build of a lock a
    /// bucket that cannot be in the name of a host: one with capitals or `_`, or over https with a `.`,
    /// because no certificate is for such a name. If only a profile names the endpoint, the first call says
    /// so. Each is a [`LockError::Config`]: leave `virtual_hosted` out.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let client = Client::builder().region("eu-central-1").virtual_hosted().build()?;
    /// let refused = S3Lock::builder("my.bucket", "nightly").client(client).build().unwrap_err();
    /// assert!(refused.to_string().starts_with("invalid bucket \"my.bucket\""));
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn virtual_hosted(mut self) -> ClientBuilder {
        self.style = Style::VirtualHosted;
        self
    }

    /// The access key, its secret, and the session token if they are temporary. The client then looks for no
    /// others.
    pub fn credentials(
        mut self,
        key: impl AsRef<str>,
        secret: impl AsRef<str>,
        token: Option<&str>,
    ) -> ClientBuilder {
        self.source = Source::fixed(key.as_ref(), secret.as_ref(), token);
        self
    }

    /// A profile in AWS's shared files. The client uses its credentials, whatever the environment has, and
    /// its region and endpoint if neither code nor environment name one.
    pub fn profile(mut self, name: impl Into<String>) -> ClientBuilder {
        self.source = Source::Profile(name.into());
        self
    }

    /// How long one request may take, from its sending to the end of its reply. A new connection counts in.
    /// Default: 5 s; from 10 ms to 5 minutes. Credentials that have to be looked up first have
    /// [a minute](crate#how-long-a-call-can-block) of their own.
    ///
    /// The limits of all calls are multiples of it: see "How long a call can block" in the
    /// [crate's documentation](crate#how-long-a-call-can-block).
    pub fn request_timeout(mut self, span: Duration) -> ClientBuilder {
        self.request_timeout = span;
        self
    }

    /// How long a connection may take to open, with the look-up of the name, the reply of a proxy, and TLS.
    /// Default: 3 s, or 3/5 of `request_timeout` if that is less; from 10 ms to 9/10 of `request_timeout`.
    pub fn connect_timeout(mut self, span: Duration) -> ClientBuilder {
        self.connect_timeout = Some(span);
        self
    }

    /// The HTTP proxy for everything that the client connects to, whatever the environment says: `NO_PROXY`
    /// then counts for nothing either, as in boto3. Only the metadata of an EC2 instance and a container's
    /// endpoint are never asked through a proxy.
    ///
    /// The URL has a host and most often a port: `http://10.0.0.1:3128`. Without a scheme it is `http://`; with
    /// `https://` the client speaks TLS with the proxy itself. Without a port it is 80 or 443. A user and a
    /// password may be in the URL, percent-encoded, for Basic authentication: `http://me:p%40ss@10.0.0.1:3128`.
    /// They are in no error message and no log. [`build`](ClientBuilder::build) refuses SOCKS proxies and
    /// what is no URL.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder().proxy("http://10.0.0.1:3128").build()?;
    ///
    /// let refused = s3_lock::Client::builder().proxy("socks5://10.0.0.1").build();
    /// assert!(refused.unwrap_err().to_string().contains("it is a SOCKS proxy"));
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> ClientBuilder {
        self.proxy = ProxySetting::At(url.into());
        self
    }

    /// No proxy, whatever the environment says.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("http://127.0.0.1:9000")
    ///     .no_proxy()
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn no_proxy(mut self) -> ClientBuilder {
        self.proxy = ProxySetting::Never;
        self
    }

    /// The AWS account (12 digits) that must own the bucket. S3 refuses requests to a bucket of another
    /// account. This protects against a bucket that was deleted and created again by a stranger.
    pub fn expected_bucket_owner(mut self, account: impl Into<String>) -> ClientBuilder {
        self.expected_bucket_owner = Some(account.into());
        self
    }

    /// A file (PEM) with the certificates of the authorities that the client trusts, for a store with a
    /// private one or behind a proxy that looks into TLS. Default: the file that `AWS_CA_BUNDLE` or the profile's
    /// `ca_bundle` names, else the system's certificates.
    ///
    /// **It replaces the system's certificates**, as a bundle does in botocore and the AWS SDK for Go. A
    /// client that also goes to AWS needs those in the file, too. The page on the
    /// [network](crate::network#certificates) has the details.
    ///
    /// The first connection over `https://` reads the file, on a thread of its own, within
    /// [`connect_timeout`](ClientBuilder::connect_timeout). Later ones read it again if it has changed.
    /// The calls that need it fail with a [`LockError::Config`] if it cannot be used: it is missing, no
    /// PEM, or without a certificate. They name it and the reason. Once it is mended, the next call works.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("https://minio.internal:9000")
    ///     .ca_bundle("/etc/ssl/our-ca.pem")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn ca_bundle(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.ca_bundle = Some(path.into());
        self
    }

    /// The certificate that the client shows to servers that demand one (mutual TLS), with its chain and its
    /// key, as the bytes of a PKCS #12 archive (`.p12` or `.pfx`) and the password of that. Default: none is
    /// shown.
    ///
    /// For files in PEM, and for certificates that are replaced while the program runs:
    /// [`client_certificate`](ClientBuilder::client_certificate). Of the two, the one that was called last counts.
    ///
    /// # Errors
    ///
    /// [`build`](ClientBuilder::build) refuses what is no such archive, and a wrong password, as a
    /// [`LockError::Config`] that names `client_identity`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("https://minio.internal:9000")
    ///     .client_identity(std::fs::read("/etc/ssl/host-17.p12")?, "password")
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client_identity(
        mut self,
        pkcs12: impl Into<Vec<u8>>,
        password: impl AsRef<str>,
    ) -> ClientBuilder {
        self.identity = Some(ClientIdentity::Archive(Pkcs12 {
            der: pkcs12.into().into(),
            password: password.as_ref().into(),
        }));
        self
    }

    /// The same as two files in PEM: the certificate, with the intermediate ones after it, and its key. The key is
    /// PKCS #8 without a passphrase (`BEGIN PRIVATE KEY`): the error for any other key has the command that converts it.
    /// Both may be in one file.
    ///
    /// The files are read when [`ca_bundle`](ClientBuilder::ca_bundle)'s is, with the same errors, and
    /// again for the next connection once they have changed.
    ///
    /// # Examples
    ///
    /// ```
    /// let client = s3_lock::Client::builder()
    ///     .endpoint("https://minio.internal:9000")
    ///     .ca_bundle("/etc/ssl/our-ca.pem")
    ///     .client_certificate("/etc/ssl/host-17.pem", "/etc/ssl/private/host-17.key")
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> ClientBuilder {
        self.identity = Some(ClientIdentity::Files(IdentityFiles {
            certificate: certificate.into(),
            key: key.into(),
        }));
        self
    }

    /// Skips the check of the store at the endpoint before the first acquire: the client assumes that the
    /// store honours conditional writes as S3 does. Use it for stores that are known to, to save the requests
    /// or where `{folder}/.s3-lock-check` must not be written.
    ///
    /// **A store that ignores the conditions then gives no mutual exclusion, silently.** The client also does
    /// not notice
    ///
    /// * a proxy that stamps its own `Date`: use
    ///   [`without_store_clock`](crate::S3LockBuilder::without_store_clock) behind one;
    /// * a store that takes ETags only without their quotes, as Ceph's gateway 16 does. There no lock can be
    ///   replaced until [`S3Lock::check_store`](crate::S3Lock::check_store) was called.
    pub fn assume_conditional_writes(mut self) -> ClientBuilder {
        self.assume_conditional_writes = true;
        self
    }

    /// Builds the client. Does no I/O and does not block.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the setting or environment variable that is wrong, and why: correct
    /// it.
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
        let connect_timeout = self.checked_connect_timeout(least)?;
        let settings = AwsSettings::of_variables();
        // What a profile says comes later, with the first request. What is wrong here is told at once.
        settings.variant(Service::S3)?;
        let endpoint_in_variables = if settings.ignores_endpoints()? || self.endpoint.is_some() {
            None
        } else {
            settings.endpoint_in_variables(Service::S3)?
        };
        check_bucket_owner(self.expected_bucket_owner.as_deref())?;
        self.source.check()?;
        if let Some(ClientIdentity::Archive(archive)) = &self.identity {
            archive.check()?;
        }
        let config = S3Config {
            endpoint: self.endpoint.as_deref().map(checked_endpoint).transpose()?,
            endpoint_in_variables,
            region: match self.region {
                Some(region) => Some(checked_region(region)?),
                None => settings.region_in_variables()?,
            },
            style: self.style,
            source: self.source,
            request_timeout: self.request_timeout,
            connect_timeout,
            proxies: self.proxy.proxies()?,
            expected_bucket_owner: self.expected_bucket_owner,
            tls: TlsFiles {
                ca_bundle: ca_bundle(self.ca_bundle),
                identity: self.identity,
            },
        };
        config.check_style()?;
        let check_cache = if self.assume_conditional_writes {
            CheckCache::of_known_store
        } else {
            CheckCache::default
        };
        Ok(Client::from_recipe(Recipe {
            origin: Box::new(config),
            clock: self.clock,
            request_timeout: self.request_timeout,
            check_cache,
            registry: Registry::shared,
        }))
    }

    /// The time to make a connection, which must be shorter than a request: else a host that does not
    /// answer looks like a store that does not.
    fn checked_connect_timeout(&self, least: Duration) -> Result<Duration, ConfigError> {
        let Some(span) = self.connect_timeout else {
            return Ok(DEFAULT_CONNECT_TIMEOUT.min(self.request_timeout * 3 / 5));
        };
        let most = self.request_timeout * 9 / 10;
        if (least..=most).contains(&span) {
            return Ok(span);
        }
        let most = format!("{most:?}, which is 9/10 of request_timeout");
        Err(out_of_range("connect_timeout", span, least, &most))
    }
}

impl ProxySetting {
    fn proxies(&self) -> Result<Proxies, ConfigError> {
        match self {
            ProxySetting::Environment => Proxies::from_environment(),
            ProxySetting::At(url) => Proxies::always(url),
            ProxySetting::Never => Ok(Proxies::default()),
        }
    }
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxySetting::Environment => "as the environment says",
            ProxySetting::At(url) if url.contains('@') => "(hidden)",
            ProxySetting::At(url) => url,
            ProxySetting::Never => "none",
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An endpoint with one of these may hold a secret. `build` refuses it.
        let is_plain = |url: &&str| !url.contains(['@', '?']);
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
            .field("proxy", &self.proxy)
            .field("expected_bucket_owner", &self.expected_bucket_owner)
            .field("assume_conditional_writes", &self.assume_conditional_writes)
            .field("style", &self.style)
            .field("ca_bundle", &self.ca_bundle)
            .field("identity", &self.identity)
            .finish()
    }
}

/// The file of certificates to trust, from the code or else from the environment.
fn ca_bundle(set_in_code: Option<PathBuf>) -> Option<NamedFile> {
    const VARIABLE: &str = "AWS_CA_BUNDLE";
    let in_code = set_in_code.map(|path| NamedFile::by_code(path, "ca_bundle"));
    in_code.or_else(|| {
        let path = set(VARIABLE)?.into();
        let by = VARIABLE.to_owned();
        Some(NamedFile { path, by })
    })
}

fn check_bucket_owner(account: Option<&str>) -> Result<(), ConfigError> {
    let is_account = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    match account {
        Some(account) if !is_account(account) => {
            let reason = "an AWS account has 12 digits";
            Err(ConfigError::invalid(
                "expected_bucket_owner",
                account,
                reason,
            ))
        }
        _ => Ok(()),
    }
}

fn checked_region(region: String) -> Result<Named, ConfigError> {
    if is_region(&region) {
        return Ok(Named::new(region, "ClientBuilder::region"));
    }
    let reason = "a region looks like eu-central-1";
    Err(ConfigError::invalid("region", &region, reason))
}

fn checked_endpoint(url: &str) -> Result<Named, ConfigError> {
    match Endpoint::parse(url) {
        Ok(Endpoint(url)) => Ok(Named::new(url, "ClientBuilder::endpoint")),
        Err(Malformed::HoldsCredentials) => {
            // The message does not quote it: it holds a secret.
            let message = "invalid endpoint: it holds credentials; set them separately";
            Err(ConfigError::new("endpoint", message))
        }
        Err(Malformed::Otherwise(reason)) => {
            let url = Endpoint::quotable(url);
            Err(ConfigError::invalid("endpoint", &url, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_that_is_printed_hides_the_secret_in_an_endpoint() {
        let told = |url: &str| format!("{:?}", ClientBuilder::new().endpoint(url));
        for url in [
            "https://user:hunter2@example.com",
            "https://example.com/?X-Amz-Signature=hunter2",
        ] {
            let shown = told(url);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert!(told("https://example.com").contains("https://example.com"));
    }

    #[test]
    fn a_builder_that_is_printed_hides_the_password_of_a_proxy() {
        let told = |url: &str| format!("{:?}", ClientBuilder::new().proxy(url));
        let shown = told("http://me:hunter2@proxy:3128");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(told("http://proxy:3128").contains("http://proxy:3128"));
    }

    #[test]
    fn what_is_said_last_of_a_proxy_counts() {
        let proxies = |builder: ClientBuilder| format!("{:?}", builder.proxy.proxies().unwrap());
        let proxy = ClientBuilder::new().no_proxy().proxy("http://proxy");
        assert!(proxies(proxy.clone()).contains("http://proxy"));
        assert_eq!(proxies(proxy.no_proxy()), "Proxies(None)");
    }
}
