//! Credentials of people who have signed in with the AWS CLI: `aws sso login` and `aws login`. Both keep
//! tokens in files, which are renewed here as AWS's own tools do it.

mod command;
mod document;
mod dpop;
pub(super) mod login;
mod refusal;
mod renewing;
pub(super) mod settings;
pub(super) mod sso;
mod sso_session;
mod token_file;
pub(super) mod unsaved_tokens;
