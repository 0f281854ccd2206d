//! Exchanges another identity provider's token for credentials at STS: EKS service accounts, CI
//! jobs.

use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::credentials::role::Role;
use crate::store::s3::credentials::sts;
use crate::store::s3::credentials::sts_caller::Caller;
use crate::store::s3::settings::variables::{half, variable};
use crate::types::errors::{ConfigError, LockError};

pub(super) const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE: &str = "AWS_ROLE_ARN";
const SESSION: &str = "AWS_ROLE_SESSION_NAME";

/// The role to assume, and the token that permits it.
pub(super) struct WebIdentity {
    pub token_file: String,
    pub role: Role,
    /// What names the role: a variable, or a profile's setting.
    pub role_by: String,
    /// What names the file of the token.
    pub token_file_by: String,
}

impl WebIdentity {
    /// The one in the environment. All three variables count together: a role of a profile is not
    /// mixed with a token of the environment.
    pub(super) fn from_environment() -> Result<Option<WebIdentity>, ConfigError> {
        let Some(token_file) = variable(TOKEN_FILE) else {
            return Ok(None);
        };
        let arn = variable(ROLE).ok_or_else(|| half(TOKEN_FILE, ROLE))?;
        let session = variable(SESSION);
        Ok(Some(WebIdentity {
            token_file,
            role: Role::for_web_identity(&arn, session.as_deref(), SESSION)?,
            role_by: ROLE.to_owned(),
            token_file_by: TOKEN_FILE.to_owned(),
        }))
    }

    /// Exchanges the token. The file is read each time, because it is replaced before the token
    /// expires.
    pub(super) async fn assume(
        &self,
        context: &LookUpContext,
    ) -> Result<AwsCredentials, LockError> {
        let token = self.token(context).await?;
        let caller = Caller::WebIdentity {
            token: &token,
            file: &self.token_file,
        };
        sts::assume(&self.role, &self.role_by, caller, context).await
    }

    async fn token(&self, context: &LookUpContext) -> Result<String, LockError> {
        let Self {
            token_file,
            token_file_by,
            ..
        } = self;
        let token = context.read(token_file).await?;
        let unusable = |why: &str| {
            misconfigured(format!(
                "the web identity token {token_file}, which {token_file_by} names, {why}; correct the path, \
                 or check what writes the file"
            ))
        };
        let token = token.map_err(|error| unusable(&format!("cannot be read ({error})")))?;
        match token.trim() {
            "" => Err(unusable("is empty")),
            token => Ok(token.to_owned()),
        }
    }
}
