//! A plan to get the credentials of a profile: where the first keys come from, and which roles are
//! assumed with them, one after another.

use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::role::Role;
use crate::store::s3::credentials::sign_in::login::LoginSettings;
use crate::store::s3::credentials::sign_in::settings::SsoSettings;
use crate::store::s3::credentials::web_identity::WebIdentity;

pub(super) struct Plan {
    /// The profile that has the first keys, or that names the source of them.
    pub profile: String,
    pub first: Way,
    /// Each is assumed with the credentials of the one before, and the first one with the first keys.
    pub roles: Vec<RoleStep>,
}

/// A way to get keys without those of another profile.
pub(super) enum Way {
    Keys(AwsCredentials),
    Command(String),
    WebIdentity(WebIdentity),
    Sso(SsoSettings),
    Login(LoginSettings),
    Machine(MachineSource),
}

/// A role, and the profile that names it.
pub(super) struct RoleStep {
    pub profile: String,
    pub role: Role,
}

/// What a role may take its keys from besides a profile (`credential_source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MachineSource {
    Environment,
    Instance,
    Container,
}

impl MachineSource {
    pub(super) const ALL: [MachineSource; 3] = [
        MachineSource::Environment,
        MachineSource::Instance,
        MachineSource::Container,
    ];

    /// The source with this name. Capitals count, as in AWS's own tools.
    pub(super) fn named(name: &str) -> Option<MachineSource> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }

    /// The name in a profile.
    pub(super) fn name(self) -> &'static str {
        match self {
            MachineSource::Environment => "Environment",
            MachineSource::Instance => "Ec2InstanceMetadata",
            MachineSource::Container => "EcsContainer",
        }
    }
}

impl Plan {
    /// The whole plan, for people: `profile "x": role arn:… from profile "y"`.
    pub(super) fn told(&self) -> String {
        self.told_up_to(self.roles.len())
    }

    /// The same without all but the first `count` roles: where the keys for the next role come from.
    pub(super) fn told_up_to(&self, count: usize) -> String {
        let roles = self.roles[..count].iter().rev();
        let told: String = roles
            .map(|RoleStep { profile, role }| {
                format!("profile {profile:?}: role {} from ", role.arn)
            })
            .collect();
        let has_own = self.roles[..count]
            .first()
            .is_some_and(|step| step.profile == self.profile);
        told + &self.told_first(has_own)
    }

    fn told_first(&self, of_the_same_profile: bool) -> String {
        let profile = &self.profile;
        match &self.first {
            Way::Keys(_) if of_the_same_profile => "its own keys".to_owned(),
            Way::Keys(_) => format!("profile {profile:?}"),
            Way::Command(_) if of_the_same_profile => "its own credential_process".to_owned(),
            Way::Command(_) => format!("the credential_process of profile {profile:?}"),
            Way::WebIdentity(identity) => {
                format!(
                    "profile {profile:?}: role {} from a web identity",
                    identity.role.arn
                )
            }
            Way::Sso(_) => format!("the SSO of profile {profile:?}"),
            Way::Login(_) => format!("the login of profile {profile:?}"),
            Way::Machine(source) => format!("credential_source {}", source.name()),
        }
    }
}
