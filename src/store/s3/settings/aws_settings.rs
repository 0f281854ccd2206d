//! What variables and a profile say about services: region, endpoint, certificates. Variables come before
//! the profile. What code says comes before both, and is no part of this.

use std::io;

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::settings::endpoint::{Endpoint, Malformed};
use crate::store::s3::settings::ini::Section;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::profile::Profile;
use crate::store::s3::settings::region::is_region;
use crate::store::s3::settings::service::{Service, Variant};
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::store::s3::settings::variables::variable;
use crate::types::errors::ConfigError;

/// The variables, and a profile with its `services` section.
pub(crate) struct AwsSettings {
    variables: Variables,
    profile: Option<Profile>,
    services: Services,
}

const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// How a variable is read.
type Variables = fn(&str) -> Option<String>;

enum Services {
    /// The profile names none.
    None,
    /// It names one that is not in this file.
    Missing {
        name: String,
        file: String,
    },
    Found {
        name: String,
        section: Section,
    },
}

impl AwsSettings {
    /// The variables alone.
    pub(crate) fn of_variables() -> AwsSettings {
        AwsSettings {
            variables: variable,
            profile: None,
            services: Services::None,
        }
    }

    /// The variables, and a profile: `name`, else the one that `AWS_PROFILE` names, else `default`. The
    /// error means that no thread could be had to read it.
    pub(crate) async fn read(
        name: Option<&str>,
        threads: &BlockingThreads,
    ) -> io::Result<AwsSettings> {
        Ok(AwsSettings::among(&SharedFiles::read(threads).await?, name))
    }

    /// The same, from files that were read already.
    pub(crate) fn among(files: &SharedFiles, name: Option<&str>) -> AwsSettings {
        let profile = Profile::among(files, name);
        AwsSettings {
            services: services(files, &profile),
            profile: Some(profile),
            ..AwsSettings::of_variables()
        }
    }

    /// The profile, if it was read.
    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Whether the variables alone decide if endpoints in variables and profiles are switched off.
    pub(crate) fn variables_say_what_to_ignore(&self) -> bool {
        (self.variables)(IGNORE).is_some()
    }

    /// Whether the variables hold keys, which come before those of a profile that they name.
    pub(crate) fn hold_keys(&self) -> bool {
        (self.variables)("AWS_ACCESS_KEY_ID").is_some()
    }

    /// The region, if any is named.
    pub(crate) fn region(&self) -> Result<Option<Named>, ConfigError> {
        match self.region_in_variables()? {
            Some(region) => Ok(Some(region)),
            None => self.region_in_profile(),
        }
    }

    /// The region that a variable names.
    pub(crate) fn region_in_variables(&self) -> Result<Option<Named>, ConfigError> {
        let found = self.in_variable("AWS_REGION");
        let found = found.or_else(|| self.in_variable("AWS_DEFAULT_REGION"));
        found.map(checked_region).transpose()
    }

    /// The region that the profile names.
    pub(crate) fn region_in_profile(&self) -> Result<Option<Named>, ConfigError> {
        self.in_profile("region").map(checked_region).transpose()
    }

    /// Where `service` is, seen from `region`: where a variable says, else the profile, else where AWS has
    /// it.
    pub(crate) fn service_endpoint(
        &self,
        service: Service,
        region: &Named,
    ) -> Result<ServiceEndpoint, ConfigError> {
        let set = if self.ignores_endpoints()? {
            None
        } else {
            self.set_endpoint(service)?
        };
        match set {
            Some(set) => Ok(ServiceEndpoint::set(service, set, region)),
            None => ServiceEndpoint::of_aws(service, region, self.variant(service)?),
        }
    }

    fn set_endpoint(&self, service: Service) -> Result<Option<Named>, ConfigError> {
        match self.endpoint_in_variables(service)? {
            Some(set) => Ok(Some(set)),
            None => self.endpoint_in_profile(service),
        }
    }

    /// Whether endpoints in variables and profiles are switched off.
    pub(crate) fn ignores_endpoints(&self) -> Result<bool, ConfigError> {
        self.switch(IGNORE, "ignore_configured_endpoint_urls")
    }

    /// Which of AWS's endpoints to use.
    pub(crate) fn variant(&self, service: Service) -> Result<Variant, ConfigError> {
        let mut dual_stack = "use_dualstack_endpoint";
        // The older name of that setting is for S3 alone, and comes first even before the variable.
        let for_s3 = self.in_profile("s3.use_dualstack_endpoint");
        let for_s3 = for_s3.filter(|_| service == Service::S3);
        let dual_stack = match for_s3 {
            Some(set) => {
                dual_stack = "s3.use_dualstack_endpoint";
                is_on(dual_stack, &set)?
            }
            None => self.switch("AWS_USE_DUALSTACK_ENDPOINT", dual_stack)?,
        };
        Ok(Variant {
            fips: self.switch("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")?,
            dual_stack,
            global_sts: service == Service::Sts && self.has_global_sts()?,
        })
    }

    fn has_global_sts(&self) -> Result<bool, ConfigError> {
        let (variable, key) = ("AWS_STS_REGIONAL_ENDPOINTS", "sts_regional_endpoints");
        match self.setting(variable, key) {
            None => Ok(false),
            Some(set) if set.value.eq_ignore_ascii_case("regional") => Ok(false),
            Some(set) if set.value.eq_ignore_ascii_case("legacy") => Ok(true),
            Some(Named { value, by }) => {
                let reason = "it must be regional or legacy";
                Err(ConfigError::invalid_in(key, &value, &by, reason))
            }
        }
    }

    /// The file of certificates to trust.
    pub(crate) fn ca_bundle(&self) -> Option<Named> {
        self.setting("AWS_CA_BUNDLE", "ca_bundle")
    }

    /// The endpoint of a service that a variable sets.
    pub(crate) fn endpoint_in_variables(
        &self,
        service: Service,
    ) -> Result<Option<Named>, ConfigError> {
        let own = self.in_variable(&service.variable());
        let set = own.or_else(|| self.in_variable("AWS_ENDPOINT_URL"));
        set.map(|set| checked(service, set)).transpose()
    }

    /// The endpoint of a service that the profile sets.
    pub(crate) fn endpoint_in_profile(
        &self,
        service: Service,
    ) -> Result<Option<Named>, ConfigError> {
        let Some(profile) = &self.profile else {
            return Ok(None);
        };
        let own = match &self.services {
            Services::None => None,
            Services::Missing { name, file } => {
                let message = format!(
                    "profile {:?} names the services section {name:?}, and {file} has no section \
                     [services {name}]; add it, or correct the name",
                    profile.name
                );
                return Err(ConfigError::new("endpoint", message));
            }
            Services::Found { name, section } => {
                let url = section.get(&format!("{}.endpoint_url", service.key()));
                let by = format!(
                    "the services section {name:?} of profile {:?}",
                    profile.name
                );
                url.map(|url| Named::new(url, by))
            }
        };
        let set = own.or_else(|| self.in_profile("endpoint_url"));
        set.map(|set| checked(service, set)).transpose()
    }

    /// A setting that is true or false, and false by default.
    fn switch(&self, variable: &str, key: &'static str) -> Result<bool, ConfigError> {
        match self.setting(variable, key) {
            Some(set) => is_on(key, &set),
            None => Ok(false),
        }
    }

    fn setting(&self, variable: &str, key: &str) -> Option<Named> {
        self.in_variable(variable).or_else(|| self.in_profile(key))
    }

    fn in_variable(&self, name: &str) -> Option<Named> {
        Some(Named::new((self.variables)(name)?, name))
    }

    fn in_profile(&self, key: &str) -> Option<Named> {
        let profile = self.profile.as_ref()?;
        let by = format!("profile {:?}", profile.name);
        Some(Named::new(profile.get(key)?, by))
    }
}

#[cfg(test)]
impl AwsSettings {
    /// Variables as this function has them, and a profile `p` of this config file, if there is one.
    pub(crate) fn of(variables: fn(&str) -> Option<String>, config: Option<&str>) -> AwsSettings {
        let settings = match config {
            Some(config) => AwsSettings::among(&SharedFiles::of(config, ""), Some("p")),
            None => AwsSettings::of_variables(),
        };
        AwsSettings {
            variables,
            ..settings
        }
    }
}

fn services(files: &SharedFiles, profile: &Profile) -> Services {
    let Some(name) = profile.get("services") else {
        return Services::None;
    };
    let name = name.to_owned();
    match files.section("services", &name).cloned() {
        Some(section) => Services::Found { name, section },
        None => Services::Missing {
            name,
            file: files.config_file().to_owned(),
        },
    }
}

/// Another value than these two is refused. Taken as false, as some of AWS's tools do, `yes` would mean
/// no.
fn is_on(key: &'static str, set: &Named) -> Result<bool, ConfigError> {
    match set.value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let reason = "it must be true or false";
            Err(ConfigError::invalid_in(key, &set.value, &set.by, reason))
        }
    }
}

fn checked_region(set: Named) -> Result<Named, ConfigError> {
    let Named { value, by } = &set;
    if is_region(value) {
        return Ok(set);
    }
    let reason = "a region looks like eu-central-1";
    Err(ConfigError::invalid_in("region", value, by, reason))
}

/// An endpoint as it is used, if it is one.
fn checked(service: Service, set: Named) -> Result<Named, ConfigError> {
    let Named { value, by } = set;
    match (Endpoint::parse(&value), service) {
        (Ok(Endpoint(url)), _) => Ok(Named::new(url, by)),
        // Neither is quoted: it holds a secret.
        (Err(Malformed::HoldsCredentials), Service::S3) => {
            let message =
                format!("invalid endpoint in {by}: it holds credentials; set them separately");
            Err(ConfigError::new("endpoint", message))
        }
        (Err(Malformed::Otherwise(reason)), Service::S3) => {
            let value = Endpoint::quotable(&value);
            Err(ConfigError::invalid_in("endpoint", &value, &by, reason))
        }
        (Err(malformed), _) => {
            let (name, reason) = (service.name(), malformed.reason());
            let message = format!("{name} cannot be asked at the URL in {by}: {reason}");
            Err(ConfigError::new("credentials", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Variables = |_| None;

    /// What these files say, with the variables that this function has.
    fn with(variables: Variables, config: &str) -> AwsSettings {
        AwsSettings::of(variables, Some(config))
    }

    /// A service's URL from `eu-west-1`, and what set it.
    fn told(settings: &AwsSettings, service: Service) -> String {
        let region = Named::new("eu-west-1", "a test");
        match settings.service_endpoint(service, &region) {
            Ok(ServiceEndpoint {
                url,
                set: Some(set),
                ..
            }) => format!("{url} by {}", set.by),
            Ok(ServiceEndpoint { url, .. }) => url,
            Err(error) => error.to_string(),
        }
    }

    const PROFILE: &str = "\
[profile p]
endpoint_url = http://of.profile
services = local
[services local]
s3 =
  endpoint_url = http://of.services
";

    #[test]
    fn a_services_section_goes_before_its_profile() {
        let settings = with(NOWHERE, PROFILE);
        assert_eq!(
            told(&settings, Service::S3),
            "http://of.services by the services section \"local\" of profile \"p\""
        );
        assert_eq!(
            told(&settings, Service::Sts),
            "http://of.profile by profile \"p\""
        );
    }

    #[test]
    fn variables_go_before_both_and_that_of_the_service_first() {
        let one: Variables =
            |name| (name == "AWS_ENDPOINT_URL").then(|| "http://of.all".to_owned());
        let all = told(&with(one, PROFILE), Service::S3);
        assert_eq!(all, "http://of.all by AWS_ENDPOINT_URL");
        let own: Variables = |name| match name {
            "AWS_ENDPOINT_URL" => Some("http://of.all".to_owned()),
            "AWS_ENDPOINT_URL_SSO_OIDC" => Some("http://of.oidc".to_owned()),
            _ => None,
        };
        let own = told(&with(own, PROFILE), Service::SsoOidc);
        assert_eq!(own, "http://of.oidc by AWS_ENDPOINT_URL_SSO_OIDC");
    }

    #[test]
    fn endpoints_in_variables_and_files_can_be_switched_off() {
        let off: Variables = |name| match name {
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" => Some("True".to_owned()),
            "AWS_ENDPOINT_URL" => Some("http://of.all".to_owned()),
            _ => None,
        };
        let aws = "https://s3.eu-west-1.amazonaws.com";
        assert_eq!(told(&with(off, PROFILE), Service::S3), aws);
        let set: Variables =
            |name| (name == "AWS_ENDPOINT_URL").then(|| "http://of.all".to_owned());
        let off = "[profile p]\nignore_configured_endpoint_urls = true\n";
        assert_eq!(told(&with(set, off), Service::S3), aws);
    }

    #[test]
    fn a_variable_switches_them_on_again() {
        let on: Variables =
            |name| (name == "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").then(|| "false".to_owned());
        let off = "[profile p]\nignore_configured_endpoint_urls = true\nendpoint_url = http://a\n";
        assert_eq!(
            told(&with(on, off), Service::S3),
            "http://a by profile \"p\""
        );
    }

    #[test]
    fn a_services_section_that_is_not_there_is_told_only_if_it_matters() {
        let missing = "[profile p]\nservices = lcal\n[services local]\n";
        assert_eq!(
            told(&with(NOWHERE, missing), Service::S3),
            "profile \"p\" names the services section \"lcal\", and CONFIG has no section \
             [services lcal]; add it, or correct the name"
        );
        let set: Variables =
            |name| (name == "AWS_ENDPOINT_URL").then(|| "http://of.all".to_owned());
        let all = "http://of.all by AWS_ENDPOINT_URL";
        assert_eq!(told(&with(set, missing), Service::S3), all);
    }

    #[test]
    fn switches_choose_among_the_endpoints_of_aws_alone() {
        let on: Variables = |name| match name {
            "AWS_USE_FIPS_ENDPOINT" => Some("true".to_owned()),
            _ => None,
        };
        let dual_stack = "[profile p]\nuse_dualstack_endpoint = TRUE\n";
        assert_eq!(
            told(&with(on, dual_stack), Service::S3),
            "https://s3-fips.dualstack.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            told(&with(on, PROFILE), Service::Sts),
            "http://of.profile by profile \"p\""
        );
    }

    #[test]
    fn the_older_name_of_dual_stack_is_for_s3() {
        let older = "[profile p]\ns3 =\n  use_dualstack_endpoint = true\n";
        let settings = with(NOWHERE, older);
        assert_eq!(
            told(&settings, Service::S3),
            "https://s3.dualstack.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            told(&settings, Service::Sts),
            "https://sts.eu-west-1.amazonaws.com"
        );
    }

    #[test]
    fn one_sts_for_many_regions_is_signed_for_its_own() {
        let variable: Variables =
            |name| (name == "AWS_STS_REGIONAL_ENDPOINTS").then(|| "Legacy".to_owned());
        let regional = "[profile p]\nsts_regional_endpoints = regional\n";
        for legacy in [
            with(NOWHERE, "[profile p]\nsts_regional_endpoints = legacy\n"),
            // The variable goes first.
            with(variable, regional),
        ] {
            let region = Named::new("eu-west-1", "a test");
            let found = legacy.service_endpoint(Service::Sts, &region).unwrap();
            assert_eq!(found.url, "https://sts.amazonaws.com");
            assert_eq!(found.signing_region, "us-east-1");
            assert_eq!(found.region, region);
        }
    }

    #[test]
    fn what_is_neither_true_nor_false_is_refused_where_it_stands() {
        let yes: Variables = |name| (name == "AWS_USE_FIPS_ENDPOINT").then(|| "yes".to_owned());
        assert_eq!(
            told(&with(yes, ""), Service::S3),
            "invalid use_fips_endpoint \"yes\" in AWS_USE_FIPS_ENDPOINT: it must be true or false"
        );
        for (setting, told_of) in [
            (
                "use_dualstack_endpoint = 1",
                "invalid use_dualstack_endpoint \"1\" in profile \"p\"",
            ),
            (
                "ignore_configured_endpoint_urls = on",
                "invalid ignore_configured_endpoint_urls \"on\" in profile \"p\"",
            ),
        ] {
            let settings = with(NOWHERE, &format!("[profile p]\n{setting}\n"));
            let expected = format!("{told_of}: it must be true or false");
            assert_eq!(told(&settings, Service::S3), expected);
        }
        let settings = with(NOWHERE, "[profile p]\nsts_regional_endpoints = yes\n");
        assert_eq!(
            told(&settings, Service::Sts),
            "invalid sts_regional_endpoints \"yes\" in profile \"p\": it must be regional or legacy"
        );
    }

    #[test]
    fn a_secret_in_an_endpoint_is_not_shown() {
        let secret = "[profile p]\nendpoint_url = https://me:hunter2@host\n";
        let settings = with(NOWHERE, secret);
        assert_eq!(
            told(&settings, Service::S3),
            "invalid endpoint in profile \"p\": it holds credentials; set them separately"
        );
        assert_eq!(
            told(&settings, Service::Sts),
            "STS cannot be asked at the URL in profile \"p\": it holds credentials"
        );
    }

    #[test]
    fn the_region_is_the_first_that_is_named() {
        let region = |variables, config| {
            let region = with(variables, config).region();
            region.map_or_else(
                |error| error.to_string(),
                |found| {
                    found.map_or("none".to_owned(), |Named { value, by }| {
                        format!("{value} by {by}")
                    })
                },
            )
        };
        let both: Variables = |name| match name {
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            "AWS_DEFAULT_REGION" => Some("eu-west-2".to_owned()),
            _ => None,
        };
        let second: Variables =
            |name| (name == "AWS_DEFAULT_REGION").then(|| "eu-west-2".to_owned());
        let third = "[profile p]\nregion = eu-west-3\n";
        assert_eq!(region(both, third), "eu-west-1 by AWS_REGION");
        assert_eq!(region(second, third), "eu-west-2 by AWS_DEFAULT_REGION");
        assert_eq!(region(NOWHERE, third), "eu-west-3 by profile \"p\"");
        assert_eq!(region(NOWHERE, ""), "none");
        assert_eq!(
            region(NOWHERE, "[profile p]\nregion = eu.evil\n"),
            "invalid region \"eu.evil\" in profile \"p\": a region looks like eu-central-1"
        );
    }

    #[test]
    fn a_ca_bundle_has_a_variable_and_a_setting() {
        let set: Variables = |name| (name == "AWS_CA_BUNDLE").then(|| "/a".to_owned());
        let profile = "[profile p]\nca_bundle = /b\n";
        let by_variable = Named::new("/a", "AWS_CA_BUNDLE");
        assert_eq!(with(set, profile).ca_bundle(), Some(by_variable));
        let by_profile = Named::new("/b", "profile \"p\"");
        assert_eq!(with(NOWHERE, profile).ca_bundle(), Some(by_profile));
    }
}
