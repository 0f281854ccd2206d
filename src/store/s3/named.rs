//! Settings that say where a service is, and who set them, so that advice names the right setting.

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

    /// What to check if nothing answers at an endpoint that was set.
    pub(crate) fn endpoint_advice(&self) -> String {
        format!(
            "check the endpoint (http or https?), which comes from {}, the network and that the server is up",
            self.by
        )
    }

    /// The same if no endpoint was set, so that `service` is looked for in a region.
    pub(crate) fn region_advice(&self, service: &str) -> String {
        let Named { value, by } = self;
        format!(
            "no endpoint is set, so {service} is looked for in region {value}, which comes from \
             {by}: check that there is such a region, and the network"
        )
    }
}
