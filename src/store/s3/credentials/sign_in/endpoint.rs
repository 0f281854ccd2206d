//! Where the services are that people sign in with.

use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::network::connect_error::Step;
use crate::store::s3::settings::endpoint::{Endpoint, aws_endpoint};
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::variables::variable;
use crate::types::errors::LockError;

/// A service that people sign in with.
#[derive(Clone, Copy)]
pub(super) enum Service {
    /// Gives the credentials of roles.
    Sso,
    /// Renews the tokens of SSO.
    SsoOidc,
    /// Renews the tokens of `aws login`.
    SignIn,
}

/// Where a service is.
pub(super) struct ServiceEndpoint {
    pub service: Service,
    /// Without a trailing slash.
    pub url: String,
    /// What set the URL. None if it is AWS's own.
    pub set: Option<Named>,
    /// The region in which it was looked for.
    pub region: Named,
}

impl Service {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::Sso => "the SSO portal",
            Service::SsoOidc => "the SSO token service",
            Service::SignIn => "the AWS sign-in service",
        }
    }

    pub(super) fn endpoint(self, region: &Named) -> Result<ServiceEndpoint, LockError> {
        let names = [self.variable(), "AWS_ENDPOINT_URL"];
        let set = names.into_iter().find_map(|n| Some((n, variable(n)?)));
        let (url, set) = match set {
            None => (self.url(&region.value), None),
            Some((set, url)) => {
                let Endpoint(url) = Endpoint::parse(&url).map_err(|malformed| {
                    // Not quoted: it may hold a secret.
                    let (name, reason) = (self.name(), malformed.reason());
                    misconfigured(format!(
                        "{name} cannot be asked at the URL in {set}: {reason}"
                    ))
                })?;
                (url.clone(), Some(Named::new(url, set)))
            }
        };
        Ok(ServiceEndpoint {
            service: self,
            url,
            set,
            region: region.clone(),
        })
    }

    fn variable(self) -> &'static str {
        match self {
            Service::Sso => "AWS_ENDPOINT_URL_SSO",
            Service::SsoOidc => "AWS_ENDPOINT_URL_SSO_OIDC",
            Service::SignIn => "AWS_ENDPOINT_URL_SIGNIN",
        }
    }

    fn url(self, region: &str) -> String {
        match self {
            Service::Sso => aws_endpoint("portal.sso", region),
            Service::SsoOidc => aws_endpoint("oidc", region),
            Service::SignIn => format!("https://{region}.signin.aws.amazon.com"),
        }
    }
}

impl ServiceEndpoint {
    /// What helps if the way to it ends at this step.
    pub(super) fn advice(&self, step: Step) -> String {
        match &self.set {
            Some(set) => set.endpoint_advice(step),
            None => self.region.region_advice(self.service.name(), step),
        }
    }
}
