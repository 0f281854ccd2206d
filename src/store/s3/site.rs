//! Where the requests of one client go, in one process: found out once, when first needed, because a profile
//! may say it. What fails is not kept.

use std::sync::Arc;
use std::time::Duration;

use crate::store::s3::address::Style;
use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::credentials::{CredentialsCache, LookUpContext, Source, UnsavedTokens};
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::tls::Tls;
use crate::store::s3::network::transport::Transport;
use crate::store::s3::settings::aws_settings::AwsSettings;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::profile::{no_profile, no_region, reliable};
use crate::store::s3::settings::proxy::proxies::Proxies;
use crate::store::s3::settings::service::{Service, Variant};
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::store::s3::settings::tls_files::{NamedFile, TlsFiles};
use crate::sys::clock::Clock;
use crate::sys::logs;
use crate::types::errors::{ConfigError, LockError};

/// What code and variables say about where requests go, and how.
#[derive(Clone, Debug)]
pub(crate) struct S3Config {
    /// The endpoint, if the code sets one. As [`Endpoint`](crate::store::s3::Endpoint) writes it.
    pub endpoint: Option<Named>,
    /// The endpoint that a variable sets, unless a variable says to ignore those. A profile may say so.
    pub endpoint_in_variables: Option<Named>,
    /// The region, if code or variables name one.
    pub region: Option<Named>,
    pub style: Style,
    pub source: Source,
    pub request_timeout: Duration,
    pub connect_timeout: Duration,
    pub proxies: Proxies,
    pub expected_bucket_owner: Option<String>,
    /// What code and variables say of certificates.
    pub tls: TlsFiles,
}

/// All that depends on the settings of the process, in code, variables and files.
pub(super) struct Site {
    /// The endpoint that was set. None if it is AWS's own.
    endpoint: Option<Named>,
    /// Which of AWS's own it is.
    variant: Variant,
    pub region: Named,
    pub transport: Arc<Transport>,
    pub credentials: CredentialsCache,
}

impl S3Config {
    /// The endpoint as far as it is known without the profile.
    pub(super) fn known_endpoint(&self) -> Option<&Named> {
        self.endpoint
            .as_ref()
            .or(self.endpoint_in_variables.as_ref())
    }

    /// Refuses what cannot go together, as far as it is known without the profile.
    pub(crate) fn check_style(&self) -> Result<(), ConfigError> {
        match self.known_endpoint() {
            Some(endpoint) => self.style.check_endpoint(endpoint),
            None => Ok(()),
        }
    }

    /// Finds out where requests go.
    pub(super) async fn find_site(
        &self,
        clock: &Clock,
        threads: &BlockingThreads,
    ) -> Result<Site, LockError> {
        let mut settings = AwsSettings::of_variables();
        if self.needs_profile(&settings) {
            let read = AwsSettings::read(self.source.profile(), threads).await;
            settings = read.map_err(LockError::of_this_machine)?;
        }
        if let Some(profile) = settings.profile().filter(|_| !self.is_sure(&settings)) {
            // What is wrong may be the line that names the endpoint, or that says to ignore others.
            reliable(profile)?;
        }
        let endpoint = self.set_endpoint(&settings)?;
        if let Some(endpoint) = &endpoint {
            self.style.check_endpoint(endpoint)?;
        }
        let region = self.region(&settings, endpoint.is_some())?;
        let variant = settings.variant(Service::S3)?;
        match (&endpoint, settings.profile()) {
            (None, Some(profile)) if profile.chosen && !profile.exists => {
                return Err(no_profile(profile).into());
            }
            (Some(Named { value, by }), _) if variant.fips => {
                logs::warn!("use_fips_endpoint is on and chooses nothing: {by} says {value}");
            }
            _ => {}
        }
        let tls = Tls::new(self.tls_files(&settings), threads.clone(), clock.clone());
        let tls = Arc::new(tls);
        let transport = |proxies| {
            let (resolver, tls) = (Resolver::new(threads.clone()), tls.clone());
            Arc::new(Transport::new(resolver, tls, self.connect_timeout, proxies))
        };
        let direct = transport(Proxies::default());
        let transport = if self.proxies.are_none() {
            direct.clone()
        } else {
            transport(self.proxies.clone())
        };
        let credentials = CredentialsCache::new(LookUpContext {
            source: self.source.clone(),
            region: self.region.clone(),
            transport: transport.clone(),
            direct,
            threads: threads.clone(),
            clock: clock.clone(),
            limit: self.request_timeout * 4 / 5,
            unsaved_tokens: UnsavedTokens::default(),
        });
        Ok(Site {
            endpoint,
            variant,
            region,
            transport,
            credentials,
        })
    }

    /// Whether the endpoint is known without the profile.
    fn is_sure(&self, variables: &AwsSettings) -> bool {
        let by_variables =
            self.endpoint_in_variables.is_some() && variables.variables_say_what_to_ignore();
        self.endpoint.is_some() || by_variables
    }

    /// Whether the profile may say anything that matters here.
    fn needs_profile(&self, variables: &AwsSettings) -> bool {
        let Some(endpoint) = self.known_endpoint() else {
            return true;
        };
        // Credentials come over TLS, too.
        let has_keys = match self.source {
            Source::Fixed(_) => true,
            Source::Profile(_) => false,
            Source::Environment => variables.hold_keys(),
        };
        let may_use_tls = endpoint.value.starts_with("https:") || !has_keys;
        let may_name_certificates = may_use_tls && self.tls.ca_bundle.is_none();
        !self.is_sure(variables) || may_name_certificates || self.region.is_none()
    }

    fn tls_files(&self, settings: &AwsSettings) -> TlsFiles {
        let mut files = self.tls.clone();
        if files.ca_bundle.is_none() {
            files.ca_bundle = settings.ca_bundle().map(NamedFile::from);
        }
        files
    }

    fn set_endpoint(&self, settings: &AwsSettings) -> Result<Option<Named>, ConfigError> {
        if self.endpoint.is_some() {
            return Ok(self.endpoint.clone());
        }
        if settings.ignores_endpoints()? {
            return Ok(None);
        }
        match &self.endpoint_in_variables {
            Some(set) => Ok(Some(set.clone())),
            None => settings.endpoint_in_profile(Service::S3),
        }
    }

    fn region(&self, settings: &AwsSettings, is_set: bool) -> Result<Named, ConfigError> {
        let named = match &self.region {
            Some(region) => Some(region.clone()),
            None => settings.region_in_profile()?,
        };
        match (named, settings.profile()) {
            (Some(region), _) => Ok(region),
            // A store of its own probably has no regions, and the usual name does.
            (None, Some(profile)) if !is_set => Err(no_region(profile)),
            (None, _) => Ok(Named::usual_region()),
        }
    }
}

impl Site {
    /// The endpoint for a bucket of this region.
    pub(super) fn endpoint(&self, region: &Named) -> Result<ServiceEndpoint, ConfigError> {
        match &self.endpoint {
            Some(set) => Ok(ServiceEndpoint::set(Service::S3, set.clone(), region)),
            None => ServiceEndpoint::of_aws(Service::S3, region, self.variant),
        }
    }

    /// Whether requests go by https. AWS's own endpoints all do.
    pub(super) fn is_tls(&self) -> bool {
        let set = self.endpoint.as_ref();
        set.is_none_or(|endpoint| endpoint.value.starts_with("https:"))
    }

    /// Whether an endpoint was set, so that it is perhaps not AWS.
    pub(super) fn is_set(&self) -> bool {
        self.endpoint.is_some()
    }

    pub(super) fn set_endpoint(&self) -> Option<&Named> {
        self.endpoint.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_VARIABLES: fn(&str) -> Option<String> = |_| None;

    /// A client that has only this.
    fn config(in_code: Option<&str>, in_variable: Option<&str>, region: Option<&str>) -> S3Config {
        S3Config {
            endpoint: in_code.map(|url| Named::new(url, "code")),
            endpoint_in_variables: in_variable.map(|url| Named::new(url, "a variable")),
            region: region.map(|region| Named::new(region, "code")),
            style: Style::Path,
            source: Source::fixed("key", "secret", None),
            request_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            proxies: Proxies::default(),
            expected_bucket_owner: None,
            tls: TlsFiles::default(),
        }
    }

    const HTTP: Option<&str> = Some("http://host");
    const HTTPS: Option<&str> = Some("https://host");
    const REGION: Option<&str> = Some("eu-west-1");

    #[test]
    fn a_profile_is_read_if_it_may_matter() {
        let needs = |config: S3Config| config.needs_profile(&AwsSettings::of(NO_VARIABLES, None));
        assert!(needs(config(None, None, REGION)));
        assert!(needs(config(HTTP, None, None)));
        assert!(!needs(config(HTTP, None, REGION)));
        // It may name certificates.
        assert!(needs(config(HTTPS, None, REGION)));
        // It may say to ignore the variable.
        assert!(needs(config(None, HTTP, REGION)));
    }

    #[test]
    fn a_profile_that_keys_may_come_from_is_read_for_its_certificates() {
        let keys: fn(&str) -> Option<String> =
            |name| (name == "AWS_ACCESS_KEY_ID").then(|| "key".to_owned());
        for (source, variables, needs) in [
            (Source::Environment, NO_VARIABLES, true),
            (Source::Environment, keys, false),
            (Source::Profile("p".to_owned()), keys, true),
            (Source::fixed("key", "secret", None), NO_VARIABLES, false),
        ] {
            let config = S3Config {
                source,
                ..config(HTTP, None, REGION)
            };
            let around = AwsSettings::of(variables, None);
            assert_eq!(config.needs_profile(&around), needs, "{:?}", config.source);
        }
    }

    #[test]
    fn a_profile_is_not_read_for_what_others_say() {
        let variables: fn(&str) -> Option<String> =
            |name| (name == "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").then(|| "false".to_owned());
        let needs = |config: S3Config| {
            let tls = TlsFiles {
                ca_bundle: Some(NamedFile::from(Named::new("/bundle", "code"))),
                identity: None,
            };
            let config = S3Config { tls, ..config };
            config.needs_profile(&AwsSettings::of(variables, None))
        };
        assert!(!needs(config(HTTPS, None, REGION)));
        assert!(!needs(config(None, HTTPS, REGION)));
        assert!(needs(config(None, HTTPS, None)));
        assert!(needs(config(None, None, REGION)));
    }

    #[test]
    fn code_goes_before_a_variable_and_that_before_the_profile() {
        let settings =
            AwsSettings::of(NO_VARIABLES, Some("[profile p]\nendpoint_url = http://p\n"));
        let by = |config: S3Config| {
            let endpoint = config.set_endpoint(&settings).unwrap().unwrap();
            endpoint.by
        };
        assert_eq!(by(config(HTTP, HTTPS, None)), "code");
        assert_eq!(by(config(None, HTTPS, None)), "a variable");
        assert_eq!(by(config(None, None, None)), "profile \"p\"");
    }

    #[test]
    fn a_profile_can_switch_off_the_variable_and_not_the_code() {
        let off = "[profile p]\nendpoint_url = http://p\nignore_configured_endpoint_urls = true\n";
        let settings = AwsSettings::of(NO_VARIABLES, Some(off));
        let is_set = |config: S3Config| config.set_endpoint(&settings).unwrap().is_some();
        assert!(is_set(config(HTTP, HTTP, None)));
        assert!(!is_set(config(None, HTTP, None)));
        assert!(!is_set(config(None, None, None)));
    }

    #[test]
    fn a_region_is_needed_at_aws_alone() {
        let settings = AwsSettings::of(NO_VARIABLES, Some("[profile p]\n"));
        let nowhere = config(None, None, None);
        assert!(nowhere.region(&settings, false).is_err());
        let usual = nowhere.region(&settings, true).unwrap();
        assert_eq!(usual, Named::usual_region());
    }
}
