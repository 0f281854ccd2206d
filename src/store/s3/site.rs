//! Where the requests of one client go, in one process: found out once, when first needed, because a profile
//! may say it. What fails is not kept.

use std::sync::Arc;
use std::time::Duration;

use crate::store::s3::address::Style;
use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::credentials::{CredentialsCache, LookUpContext, Source, Unsaved};
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::transport::Transport;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::profile::{no_profile, no_region};
use crate::store::s3::settings::service::{Service, Variant};
use crate::store::s3::settings::surroundings::{ServiceEndpoint, Surroundings};
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
    pub expected_bucket_owner: Option<String>,
}

/// All that depends on what a client finds around it.
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
        let mut around = Surroundings::of_variables();
        if self.needs_profile(&around) {
            let read = Surroundings::read(self.source.profile(), threads).await;
            around = read.map_err(LockError::of_this_machine)?;
        }
        let endpoint = self.set_endpoint(&around)?;
        if let Some(endpoint) = &endpoint {
            self.style.check_endpoint(endpoint)?;
        }
        let region = self.region(&around, endpoint.is_some())?;
        let variant = around.variant(Service::S3)?;
        match (&endpoint, around.profile()) {
            (None, Some(profile)) if profile.chosen && !profile.exists => {
                return Err(no_profile(profile).into());
            }
            (Some(Named { value, by }), _) if variant.fips => {
                logs::warn!("use_fips_endpoint is on and chooses nothing: {by} says {value}");
            }
            _ => {}
        }
        let transport = Transport::new(Resolver::new(threads.clone()), self.connect_timeout);
        let transport = Arc::new(transport);
        let credentials = CredentialsCache::new(LookUpContext {
            source: self.source.clone(),
            region: self.region.clone(),
            transport: transport.clone(),
            threads: threads.clone(),
            clock: clock.clone(),
            limit: self.request_timeout * 4 / 5,
            unsaved: Unsaved::default(),
        });
        Ok(Site {
            endpoint,
            variant,
            region,
            transport,
            credentials,
        })
    }

    /// Whether the profile may say anything that matters here.
    fn needs_profile(&self, variables: &Surroundings) -> bool {
        let Some(endpoint) = self.known_endpoint() else {
            return true;
        };
        let may_be_ignored = self.endpoint.is_none() && !variables.variables_say_what_to_ignore();
        let is_tls = endpoint.value.starts_with("https:");
        let may_name_certificates = is_tls && variables.ca_bundle().is_none();
        may_be_ignored || may_name_certificates || self.region.is_none()
    }

    fn set_endpoint(&self, around: &Surroundings) -> Result<Option<Named>, ConfigError> {
        if self.endpoint.is_some() {
            return Ok(self.endpoint.clone());
        }
        if around.ignores_endpoints()? {
            return Ok(None);
        }
        match &self.endpoint_in_variables {
            Some(set) => Ok(Some(set.clone())),
            None => around.endpoint_in_profile(Service::S3),
        }
    }

    fn region(&self, around: &Surroundings, is_set: bool) -> Result<Named, ConfigError> {
        let named = match &self.region {
            Some(region) => Some(region.clone()),
            None => around.region_in_profile()?,
        };
        match (named, around.profile()) {
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

    /// Whether an endpoint was set, so that it is perhaps not AWS.
    pub(super) fn is_set(&self) -> bool {
        self.endpoint.is_some()
    }

    pub(super) fn set_endpoint(&self) -> Option<&Named> {
        self.endpoint.as_ref()
    }
}
