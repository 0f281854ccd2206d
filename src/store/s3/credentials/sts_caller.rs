//! Who asks STS for a role.

use rusoto_core::credential::AwsCredentials;

pub(super) enum Caller<'a> {
    /// Whoever has these keys, which sign the request. `from` says for people where they come from.
    Keys {
        keys: &'a AwsCredentials,
        from: String,
    },
    /// Whoever has this token, which is in this file.
    WebIdentity { token: &'a str, file: &'a str },
}

impl Caller<'_> {
    /// What is asked for, in AWS's words.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Caller::Keys { .. } => "AssumeRole",
            Caller::WebIdentity { .. } => "AssumeRoleWithWebIdentity",
        }
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        match self {
            Caller::Keys { from, .. } => from.clone(),
            Caller::WebIdentity { file, .. } => format!("the web identity token {file}"),
        }
    }

    /// What must not be repeated.
    pub(super) fn secrets(&self) -> Vec<&str> {
        match self {
            Caller::Keys { keys, .. } => {
                let secret = keys.aws_secret_access_key();
                keys.token()
                    .as_deref()
                    .into_iter()
                    .chain([secret])
                    .collect()
            }
            Caller::WebIdentity { token, .. } => vec![token],
        }
    }
}
