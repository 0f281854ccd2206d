//! What is said of profiles from which no plan can be made.

use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::credentials::plan::MachineSource;
use crate::store::s3::settings::profile::Profile;
use crate::types::errors::{ConfigError, LockError};

/// The caller or the environment named a profile that is not there.
pub(super) fn missing(profile: &Profile) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    misconfigured(format!(
        "no credentials found: there is no profile {name:?}; looked in {looked_in}; correct the name, \
         which AWS_PROFILE or ClientBuilder::profile gives, or add that profile"
    ))
}

pub(super) fn empty(profile: &Profile, key: &str) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    misconfigured(format!(
        "{key} of profile {name:?} is empty; give it a value, or take it out of {looked_in}"
    ))
}

pub(super) fn half(profile: &Profile, set: &str, missing: &str) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    misconfigured(format!(
        "profile {name:?} has {set} and no {missing}; add it to {looked_in}"
    ))
}

/// A role without a source for its keys.
pub(super) fn no_source(profile: &Profile, has_keys: bool) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    let own = if has_keys {
        format!(" (`source_profile = {name}` for its own)")
    } else {
        String::new()
    };
    misconfigured(format!(
        "profile {name:?} has role_arn, and does not say whose keys assume that role; add \
         source_profile{own} or credential_source to {looked_in}"
    ))
}

pub(super) fn two_sources(profile: &Profile) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    misconfigured(format!(
        "profile {name:?} has both source_profile and credential_source, and a role takes its keys \
         from one place; remove one of them in {looked_in}"
    ))
}

pub(super) fn no_such_source(profile: &Profile, source: &str) -> LockError {
    let [a, b, c] = MachineSource::ALL.map(MachineSource::name);
    let by = format!("profile {:?}", profile.name);
    let reason = format!("it is one of {a}, {b} and {c}, with these capitals");
    ConfigError::invalid_in("credential_source", source, &by, &reason).into()
}

pub(super) fn mfa(profile: &Profile) -> LockError {
    let name = &profile.name;
    misconfigured(format!(
        "profile {name:?} needs a code of an MFA device (mfa_serial), and a lock cannot ask for one; \
         put the keys that `aws sts get-session-token` gives into a profile and name that as \
         source_profile, use a credential_process that asks for the code in a window of its own, or a role without MFA"
    ))
}

/// `user` names a source profile that is not there.
pub(super) fn no_such_profile(user: &Profile, source: &Profile) -> LockError {
    let (
        user,
        Profile {
            name, looked_in, ..
        },
    ) = (&user.name, source);
    misconfigured(format!(
        "profile {user:?} takes its keys from profile {name:?} (source_profile), and there is none; \
         looked in {looked_in}; correct the name, or add that profile"
    ))
}

pub(super) fn source_without_keys(user: &str, source: &Profile) -> LockError {
    let Profile {
        name, looked_in, ..
    } = source;
    misconfigured(format!(
        "profile {user:?} takes its keys from profile {name:?} (source_profile), which has none; \
         looked in {looked_in}; add aws_access_key_id and aws_secret_access_key, a credential_process, \
         or a role with its source to it"
    ))
}

/// Profiles that take their keys from one another: the first from the first of the others, and so on, and
/// the last from the first. If there are no others, it is the last one itself.
pub(super) fn ring(first: &str, others: &[&str], last: &Profile) -> LockError {
    let looked_in = &last.looked_in;
    if others.is_empty() {
        return misconfigured(format!(
            "profile {first:?} takes its keys from itself (source_profile), and has none; add \
             aws_access_key_id and aws_secret_access_key to it, or name another source_profile, in \
             {looked_in}"
        ));
    }
    let ends: Vec<_> = others.iter().copied().chain([first]).collect();
    let ends: Vec<_> = ends.iter().map(|name| format!("from {name:?}")).collect();
    misconfigured(format!(
        "profile {first:?} takes its keys {}, so none of them has any; name a source_profile that has \
         keys of its own, in {looked_in}",
        ends.join(", and that ")
    ))
}

pub(super) fn too_many_roles(profile: &Profile, most: usize) -> LockError {
    let name = &profile.name;
    misconfigured(format!(
        "profile {name:?} leads to more than {most} roles, one after another (source_profile); take \
         the keys from a profile that is nearer"
    ))
}
