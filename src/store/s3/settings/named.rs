//! Settings that say where a service is, and who set them, so that advice names the right setting.

use crate::store::s3::network::connect_error::Step;

/// A region or an endpoint, and what set it: a variable, a profile, the program's code, S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub value: String,
    pub by: String,
}

impl Named {
    pub(crate) fn new(value: impl Into<String>, by: impl Into<String>) -> Named {
        let (value, by) = (value.into(), by.into());
        Named { value, by }
    }

    /// The region of a client for which none is named: a user who names none hardly has several.
    pub(crate) fn usual_region() -> Named {
        Named::new("us-east-1", "the default")
    }

    /// What helps if the way to an endpoint that was set ends at this step.
    pub(crate) fn endpoint_advice(&self, step: Step) -> String {
        let what = match step {
            Step::Name => "check its spelling, and this machine's DNS",
            Step::Refused => "check its port, and that the server is up",
            Step::Silent => {
                "check the host, the network, and whether it needs a proxy (HTTPS_PROXY)"
            }
            Step::Proxy => "check the proxy",
            Step::Tls => "check the way to it",
            Step::NotTls => {
                "begin it with http:// if there is no TLS, or else correct its port, and check that no \
                 proxy or firewall answers in its place"
            }
            Step::OtherName => {
                "use a host that its certificate names, or have that certificate name this one"
            }
            Step::Http => {
                "check whether it is https or http there; it may also speak HTTP/2 alone, or another protocol"
            }
        };
        format!("{}: {what}", self.says())
    }

    /// The same if no endpoint was set, so that `service` is looked for in a region.
    pub(crate) fn region_advice(&self, service: &str, step: Step) -> String {
        let what = match step {
            Step::Name => "check that there is such a region, and this machine's DNS",
            Step::Refused | Step::Silent => {
                "check the network, and whether it needs a proxy (HTTPS_PROXY)"
            }
            Step::Proxy => "check the proxy",
            Step::Tls | Step::NotTls | Step::OtherName | Step::Http => {
                "something answers in its place: check the network"
            }
        };
        let says = self.says();
        format!("no endpoint is set, so {service} is looked for in a region, and {says}: {what}")
    }

    fn says(&self) -> String {
        let Named { value, by } = self;
        format!("{by} says {value}")
    }
}
