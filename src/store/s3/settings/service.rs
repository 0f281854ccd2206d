//! AWS's services that this crate asks, and where AWS has them. Pure.

use crate::store::s3::settings::partition::Partition;

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    /// Gives out temporary credentials.
    Sts,
    /// Gives credentials to people who have signed in.
    Sso,
    /// Renews the tokens of people who have signed in there.
    SsoOidc,
    /// Renews the tokens of `aws login`.
    SignIn,
}

/// Which of AWS's endpoints for a service to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Those with cryptography that the US government has validated (FIPS 140).
    pub fips: bool,
    /// Those with IPv4 and IPv6 addresses.
    pub dual_stack: bool,
    /// One STS for many regions, as AWS's tools had it before 2025. For STS alone.
    pub global_sts: bool,
}

/// The regions that shared one STS, when AWS had no others.
const REGIONS_OF_GLOBAL_STS: [&str; 16] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "aws-global",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Service {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::S3 => "S3",
            Service::Sts => "STS",
            Service::Sso => "the SSO portal",
            Service::SsoOidc => "the SSO token service",
            Service::SignIn => "the AWS sign-in service",
        }
    }

    /// Its name in a `services` section.
    pub(super) fn key(self) -> &'static str {
        match self {
            Service::S3 => "s3",
            Service::Sts => "sts",
            Service::Sso => "sso",
            Service::SsoOidc => "sso_oidc",
            Service::SignIn => "signin",
        }
    }

    /// The variable that sets its endpoint.
    pub(super) fn variable(self) -> String {
        format!("AWS_ENDPOINT_URL_{}", self.key().to_ascii_uppercase())
    }

    /// Where AWS has it in a region. The error says what AWS does not have.
    pub(crate) fn url(self, region: &str, variant: Variant) -> Result<String, &'static str> {
        let host = match self {
            Service::S3 => s3(region, variant)?,
            Service::Sts if is_global_sts(region, variant) => "sts.amazonaws.com".to_owned(),
            Service::Sts => usual("sts", region, variant),
            Service::Sso => usual("portal.sso", region, variant),
            Service::SsoOidc => usual("oidc", region, variant),
            Service::SignIn => sign_in(region, variant),
        };
        Ok(format!("https://{host}"))
    }

    /// The region to sign for.
    pub(super) fn signing_region(self, region: &str, variant: Variant) -> &str {
        if self == Service::Sts && is_global_sts(region, variant) {
            "us-east-1"
        } else {
            region
        }
    }
}

/// S3 has both kinds of addresses in the usual domains.
fn s3(region: &str, variant: Variant) -> Result<String, &'static str> {
    let partition = Partition::of(region);
    if variant.fips && partition == Partition::China {
        return Err("S3 has no FIPS endpoints in China");
    }
    let fips = if variant.fips { "-fips" } else { "" };
    let dual_stack = if variant.dual_stack { ".dualstack" } else { "" };
    let domain = partition.domain();
    Ok(format!("s3{fips}{dual_stack}.{region}.{domain}"))
}

fn usual(name: &str, region: &str, variant: Variant) -> String {
    let partition = Partition::of(region);
    if variant.dual_stack {
        let fips = if variant.fips { "-fips" } else { "" };
        let domain = partition.dual_stack_domain();
        return format!("{name}{fips}.{region}.{domain}");
    }
    // All of GovCloud's usual endpoints are such ones.
    let is_marked = variant.fips && partition != Partition::UsGov;
    let fips = if is_marked { "-fips" } else { "" };
    format!("{name}{fips}.{region}.{}", partition.domain())
}

fn sign_in(region: &str, variant: Variant) -> String {
    let partition = Partition::of(region);
    let domain = partition.sign_in_domain();
    match (variant.fips, variant.dual_stack) {
        (false, false) => format!("{region}.signin.{domain}"),
        (true, false) if region == "us-gov-west-1" => format!("signin-fips.{domain}"),
        (true, false) if partition == Partition::UsGov => format!("{region}.signin-fips.{domain}"),
        (true, false) => format!("signin-fips.{region}.{}", partition.domain()),
        (_, true) => usual("signin", region, variant),
    }
}

fn is_global_sts(region: &str, variant: Variant) -> bool {
    let is_plain = !variant.fips && !variant.dual_stack;
    variant.global_sts && is_plain && REGIONS_OF_GLOBAL_STS.contains(&region)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Variant = Variant {
        fips: false,
        dual_stack: false,
        global_sts: false,
    };
    const FIPS: Variant = Variant {
        fips: true,
        ..USUAL
    };
    const DUAL_STACK: Variant = Variant {
        dual_stack: true,
        ..USUAL
    };
    const BOTH: Variant = Variant {
        fips: true,
        ..DUAL_STACK
    };
    const GLOBAL: Variant = Variant {
        global_sts: true,
        ..USUAL
    };

    fn told(service: Service, region: &str, variant: Variant) -> String {
        let url = service.url(region, variant);
        url.unwrap_or_else(str::to_owned)
    }

    #[test]
    fn s3_is_in_the_usual_domain_of_each_partition() {
        for (region, host) in [
            ("eu-west-1", "s3.eu-west-1.amazonaws.com"),
            ("us-east-1", "s3.us-east-1.amazonaws.com"),
            ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
            ("us-gov-east-1", "s3.us-gov-east-1.amazonaws.com"),
            ("us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "s3.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "s3.eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", "s3.us-isof-south-1.csp.hci.ic.gov"),
            ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"),
        ] {
            let expected = format!("https://{host}");
            assert_eq!(told(Service::S3, region, USUAL), expected);
        }
    }

    #[test]
    fn s3_has_its_variants_there_too() {
        for (region, variant, host) in [
            ("eu-west-1", FIPS, "s3-fips.eu-west-1.amazonaws.com"),
            (
                "eu-west-1",
                DUAL_STACK,
                "s3.dualstack.eu-west-1.amazonaws.com",
            ),
            (
                "eu-west-1",
                BOTH,
                "s3-fips.dualstack.eu-west-1.amazonaws.com",
            ),
            ("us-gov-west-1", FIPS, "s3-fips.us-gov-west-1.amazonaws.com"),
            (
                "cn-north-1",
                DUAL_STACK,
                "s3.dualstack.cn-north-1.amazonaws.com.cn",
            ),
            (
                "eusc-de-east-1",
                BOTH,
                "s3-fips.dualstack.eusc-de-east-1.amazonaws.eu",
            ),
            ("eu-west-1", GLOBAL, "s3.eu-west-1.amazonaws.com"),
        ] {
            let expected = format!("https://{host}");
            assert_eq!(told(Service::S3, region, variant), expected);
        }
        let refused = "S3 has no FIPS endpoints in China";
        assert_eq!(told(Service::S3, "cn-north-1", FIPS), refused);
    }

    #[test]
    fn sts_has_both_kinds_of_addresses_in_a_domain_of_their_own() {
        for (region, variant, host) in [
            ("eu-west-1", USUAL, "sts.eu-west-1.amazonaws.com"),
            ("eu-west-1", FIPS, "sts-fips.eu-west-1.amazonaws.com"),
            ("eu-west-1", DUAL_STACK, "sts.eu-west-1.api.aws"),
            ("eu-west-1", BOTH, "sts-fips.eu-west-1.api.aws"),
            ("us-gov-west-1", FIPS, "sts.us-gov-west-1.amazonaws.com"),
            ("us-gov-west-1", BOTH, "sts-fips.us-gov-west-1.api.aws"),
            (
                "cn-north-1",
                DUAL_STACK,
                "sts.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (
                "eusc-de-east-1",
                DUAL_STACK,
                "sts.eusc-de-east-1.api.amazonwebservices.eu",
            ),
            (
                "us-iso-east-1",
                DUAL_STACK,
                "sts.us-iso-east-1.api.aws.ic.gov",
            ),
        ] {
            let expected = format!("https://{host}");
            assert_eq!(told(Service::Sts, region, variant), expected);
        }
    }

    #[test]
    fn sts_was_one_for_the_first_regions() {
        let global = "https://sts.amazonaws.com";
        assert_eq!(told(Service::Sts, "eu-west-1", GLOBAL), global);
        assert_eq!(
            Service::Sts.signing_region("eu-west-1", GLOBAL),
            "us-east-1"
        );
        for (region, variant) in [
            ("eu-south-1", GLOBAL),
            ("cn-north-1", GLOBAL),
            (
                "eu-west-1",
                Variant {
                    fips: true,
                    ..GLOBAL
                },
            ),
            (
                "eu-west-1",
                Variant {
                    dual_stack: true,
                    ..GLOBAL
                },
            ),
        ] {
            assert_ne!(told(Service::Sts, region, variant), global, "{region}");
            assert_eq!(Service::Sts.signing_region(region, variant), region);
        }
    }

    #[test]
    fn people_sign_in_elsewhere() {
        for (service, region, variant, host) in [
            (
                Service::Sso,
                "eu-west-1",
                USUAL,
                "portal.sso.eu-west-1.amazonaws.com",
            ),
            (
                Service::Sso,
                "eu-west-1",
                DUAL_STACK,
                "portal.sso.eu-west-1.api.aws",
            ),
            (
                Service::SsoOidc,
                "eu-west-1",
                USUAL,
                "oidc.eu-west-1.amazonaws.com",
            ),
            (
                Service::SsoOidc,
                "eu-west-1",
                FIPS,
                "oidc-fips.eu-west-1.amazonaws.com",
            ),
            (
                Service::SsoOidc,
                "us-gov-west-1",
                FIPS,
                "oidc.us-gov-west-1.amazonaws.com",
            ),
            (
                Service::SignIn,
                "eu-west-1",
                USUAL,
                "eu-west-1.signin.aws.amazon.com",
            ),
            (
                Service::SignIn,
                "cn-north-1",
                USUAL,
                "cn-north-1.signin.amazonaws.cn",
            ),
            (
                Service::SignIn,
                "us-gov-east-1",
                USUAL,
                "us-gov-east-1.signin.amazonaws-us-gov.com",
            ),
            (
                Service::SignIn,
                "us-gov-west-1",
                FIPS,
                "signin-fips.amazonaws-us-gov.com",
            ),
            (
                Service::SignIn,
                "us-gov-east-1",
                FIPS,
                "us-gov-east-1.signin-fips.amazonaws-us-gov.com",
            ),
            (
                Service::SignIn,
                "eu-west-1",
                FIPS,
                "signin-fips.eu-west-1.amazonaws.com",
            ),
            (
                Service::SignIn,
                "eu-west-1",
                BOTH,
                "signin-fips.eu-west-1.api.aws",
            ),
            (
                Service::SignIn,
                "eusc-de-east-1",
                USUAL,
                "eusc-de-east-1.signin.amazonaws-eusc.eu",
            ),
        ] {
            let expected = format!("https://{host}");
            assert_eq!(told(service, region, variant), expected);
        }
    }

    #[test]
    fn each_service_has_a_variable_of_its_own() {
        assert_eq!(Service::S3.variable(), "AWS_ENDPOINT_URL_S3");
        assert_eq!(Service::SsoOidc.variable(), "AWS_ENDPOINT_URL_SSO_OIDC");
    }
}
