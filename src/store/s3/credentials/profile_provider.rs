//! Credentials from the profile in use: carries out the plan that its settings lead to.

use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::credentials::plan::{MachineSource, Plan, RoleStep, Way};
use crate::store::s3::credentials::sign_in::{login, sso};
use crate::store::s3::credentials::sts_caller::Caller;
use crate::store::s3::credentials::{container, environment, instance, planner, process, sts};
use crate::store::s3::settings::profile::Profile;
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::types::errors::LockError;

/// The profile in use, and the files that may have more profiles.
pub(super) struct ProfileInUse {
    profile: Profile,
    files: SharedFiles,
}

impl ProfileInUse {
    pub(super) async fn read(context: &LookUpContext) -> Result<ProfileInUse, LockError> {
        let files = context.shared_files().await?;
        let profile = Profile::among(&files, context.source.profile());
        planner::check(&profile)?;
        Ok(ProfileInUse { profile, files })
    }

    /// Whether it assumes a role with other credentials.
    pub(super) fn assumes_a_role(&self) -> bool {
        planner::assumes_a_role(&self.profile)
    }

    /// Its credentials, and for people where they come from.
    pub(super) async fn look(
        &self,
        context: &LookUpContext,
    ) -> Result<(AwsCredentials, String), NoCredentials> {
        let profile = &self.profile;
        match planner::plan(profile, &self.files)? {
            Some(plan) => Ok((carry_out(&plan, context).await?, plan.told())),
            None => {
                let note = format!("profile {:?} in {}", profile.name, profile.looked_in);
                Err(NoCredentials::Nothing(note))
            }
        }
    }
}

async fn carry_out(plan: &Plan, context: &LookUpContext) -> Result<AwsCredentials, LockError> {
    let mut keys = first_keys(plan, context).await?;
    for (count, RoleStep { profile, role }) in plan.roles.iter().enumerate() {
        let caller = Caller::Keys {
            keys: &keys,
            from: plan.told_up_to(count),
        };
        let role_by = format!("role_arn of profile {profile:?}");
        keys = sts::assume(role, &role_by, caller, context).await?;
    }
    Ok(keys)
}

async fn first_keys(plan: &Plan, context: &LookUpContext) -> Result<AwsCredentials, LockError> {
    let profile = &plan.profile;
    match &plan.first {
        Way::Keys(keys) => Ok(keys.clone()),
        Way::Command(command) => {
            let origin = format!("the credential_process of profile {profile:?}");
            process::run(command, &origin, context).await
        }
        Way::WebIdentity(identity) => identity.assume(context).await,
        Way::Sso(settings) => sso::look(settings, context).await,
        Way::Login(settings) => login::look(settings, context).await,
        Way::Machine(source) => {
            let found = match source {
                MachineSource::Environment => environment::look(),
                MachineSource::Instance => instance::look(context).await,
                MachineSource::Container => container::look(context).await,
            };
            found.map_err(|none| of_machine(none, profile, *source))
        }
    }
}

/// The error for a source that a profile names, and that gave nothing.
fn of_machine(none: NoCredentials, profile: &str, source: MachineSource) -> LockError {
    let name = source.name();
    let uses = format!("profile {profile:?} takes its keys from credential_source {name}");
    match none {
        NoCredentials::Nothing(note) => {
            misconfigured(format!("{uses}, and there are none: {note}"))
        }
        NoCredentials::Failed(LockError::Config(error)) => {
            misconfigured(format!("{uses}: {error}"))
        }
        // It may pass.
        NoCredentials::Silent { error, .. } | NoCredentials::Failed(error) => error,
    }
}
