//! AWS's partitions: groups of regions with domains of their own.
//!
//! The names are those of botocore's `partitions.json` (1.44), as are the patterns of the regions.

use std::fmt;

/// A group of regions that share accounts and domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partition {
    Aws,
    China,
    UsGov,
    Iso,
    IsoB,
    IsoE,
    IsoF,
    Europe,
}

/// The domains of a partition.
struct Domains {
    usual: &'static str,
    /// Those of services that have IPv4 and IPv6 addresses. S3 is not among them.
    dual_stack: &'static str,
    /// Those of the sign-in of people.
    sign_in: &'static str,
}

impl Partition {
    pub(crate) const ALL: [Partition; 8] = [
        Partition::Aws,
        Partition::China,
        Partition::UsGov,
        Partition::Iso,
        Partition::IsoB,
        Partition::IsoE,
        Partition::IsoF,
        Partition::Europe,
    ];

    /// The partition of a region. One that is in no other's pattern is in the main one, as in AWS's own
    /// tools: new regions keep to its pattern or extend it.
    pub(crate) fn of(region: &str) -> Partition {
        let mut all = Partition::ALL.into_iter();
        let found = all.find(|partition| partition.has(region));
        found.unwrap_or(Partition::Aws)
    }

    /// Whether a region is in the pattern of this partition: what they all begin with, a word, a number.
    fn has(self, region: &str) -> bool {
        let start = match self {
            // Whatever the others leave.
            Partition::Aws => return false,
            Partition::China => "cn-",
            Partition::UsGov => "us-gov-",
            Partition::Iso => "us-iso-",
            Partition::IsoB => "us-isob-",
            Partition::IsoE => "eu-isoe-",
            Partition::IsoF => "us-isof-",
            Partition::Europe => "eusc-de-",
        };
        let rest = region
            .strip_prefix(start)
            .and_then(|rest| rest.split_once('-'));
        rest.is_some_and(|(word, number)| {
            let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
            !word.is_empty() && is_number
        })
    }

    /// The domain of its services.
    pub(crate) fn domain(self) -> &'static str {
        self.domains().usual
    }

    /// The domain of its services by IPv4 and IPv6.
    pub(crate) fn dual_stack_domain(self) -> &'static str {
        self.domains().dual_stack
    }

    /// The domain where people sign in.
    pub(crate) fn sign_in_domain(self) -> &'static str {
        self.domains().sign_in
    }

    fn domains(self) -> Domains {
        let (usual, dual_stack, sign_in) = match self {
            Partition::Aws => ("amazonaws.com", "api.aws", "aws.amazon.com"),
            Partition::China => (
                "amazonaws.com.cn",
                "api.amazonwebservices.com.cn",
                "amazonaws.cn",
            ),
            Partition::UsGov => ("amazonaws.com", "api.aws", "amazonaws-us-gov.com"),
            Partition::Iso => ("c2s.ic.gov", "api.aws.ic.gov", "c2shome.ic.gov"),
            Partition::IsoB => ("sc2s.sgov.gov", "api.aws.scloud", "sc2shome.sgov.gov"),
            Partition::IsoE => (
                "cloud.adc-e.uk",
                "api.cloud-aws.adc-e.uk",
                "csphome.adc-e.uk",
            ),
            Partition::IsoF => ("csp.hci.ic.gov", "api.aws.hci.ic.gov", "csphome.hci.ic.gov"),
            Partition::Europe => (
                "amazonaws.eu",
                "api.amazonwebservices.eu",
                "amazonaws-eusc.eu",
            ),
        };
        Domains {
            usual,
            dual_stack,
            sign_in,
        }
    }
}

/// Its name, as AWS writes it.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Partition::Aws => "aws",
            Partition::China => "aws-cn",
            Partition::UsGov => "aws-us-gov",
            Partition::Iso => "aws-iso",
            Partition::IsoB => "aws-iso-b",
            Partition::IsoE => "aws-iso-e",
            Partition::IsoF => "aws-iso-f",
            Partition::Europe => "aws-eusc",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_the_partition_whose_pattern_it_has() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("eu-central-2", "aws"),
            ("mx-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-west-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of(region).to_string(), partition, "{region}");
        }
    }

    #[test]
    fn a_region_that_no_pattern_knows_is_in_the_main_partition() {
        for region in [
            "mars-north-1",
            "us-gov-",
            "us-gov-1",
            "us-gov-west",
            "cn-north",
            "cn--1",
            "eusc-fr-west-1",
            "garage",
        ] {
            assert_eq!(Partition::of(region), Partition::Aws, "{region}");
        }
    }
}
