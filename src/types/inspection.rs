//! What a client goes by, for people who ask why it does not work: where its requests go, and who signs them.
//! No secret is in it.

use std::time::SystemTime;

/// A setting, and what set it: a variable, a profile, the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What it is set to.
    pub value: String,
    /// Who says so, for people.
    pub by: String,
}

/// Where requests about a bucket go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The region that requests are signed for.
    pub region: Setting,
    /// The URL that requests go to.
    pub endpoint: Setting,
    /// Whether that is AWS's own endpoint, which is not checked before a lock is written.
    pub is_aws: bool,
    /// The proxy on the way, without its user and password.
    pub proxy: Option<Setting>,
    /// Which certificates are trusted, for people; `None` where requests go without TLS.
    pub certificates: Option<String>,
}

/// Who signs the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The access key's name. It is no secret.
    pub access_key_id: String,
    /// Where the keys were found, for people.
    pub from: String,
    /// The files that have the profile, if it is one that they come from, for people.
    pub files: Option<String>,
    /// Whether they have a session token, so that they expire some time.
    pub is_temporary: bool,
    /// When they expire, as far as the source says so.
    pub expires_at: Option<SystemTime>,
}
