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

    /// The region of a client for which none is named: a user who names none hardly has several.
    pub(crate) fn usual_region() -> Named {
        Named::new("us-east-1", "the default")
    }

    /// For people: `AWS_REGION says eu-west-1`.
    pub(crate) fn says(&self) -> String {
        let Named { value, by } = self;
        format!("{by} says {value}")
    }
}
