//! Where one service is, and who says so.

use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::service::{Service, Variant};
use crate::types::errors::ConfigError;

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceEndpoint {
    pub service: Service,
    /// Without a trailing slash.
    pub url: String,
    /// What set the URL. None if it is AWS's own.
    pub set: Option<Named>,
    /// The region in which it was looked for.
    pub region: Named,
    /// The region to sign for.
    pub signing_region: String,
}

impl ServiceEndpoint {
    /// An endpoint that was set. It serves any region.
    pub(crate) fn set(service: Service, set: Named, region: &Named) -> ServiceEndpoint {
        ServiceEndpoint {
            service,
            url: set.value.clone(),
            set: Some(set),
            region: region.clone(),
            signing_region: region.value.clone(),
        }
    }

    /// Where AWS has a service.
    pub(crate) fn of_aws(
        service: Service,
        region: &Named,
        variant: Variant,
    ) -> Result<ServiceEndpoint, ConfigError> {
        let url = service.url(&region.value, variant).map_err(|reason| {
            let Named { value, by } = region;
            let message = format!(
                "no endpoint for {}: {by} says {value}, and {reason}; unset AWS_USE_FIPS_ENDPOINT and \
                 use_fips_endpoint, or choose another region",
                service.name()
            );
            ConfigError::new("endpoint", message)
        })?;
        Ok(ServiceEndpoint {
            service,
            url,
            set: None,
            region: region.clone(),
            signing_region: service.signing_region(&region.value, variant).to_owned(),
        })
    }
}
