//! Credentials of people who have signed in with the AWS CLI: `aws sso login` and `aws login`. Both keep
//! tokens in files, which are renewed here as AWS's own tools do it.
//!
//! `sso.rs` and `login.rs` give credentials. `renewing.rs` reads and renews the token of either, as its
//! trait `SignIn` says, which `sso_session.rs` and `login.rs` implement; `settings.rs` has the SSO settings
//! of a profile. `token_file.rs` reads and replaces a file, whose JSON is a `document.rs`;
//! `unsaved_tokens.rs` keeps tokens that could not be written. `dpop.rs` signs the proofs of `aws login`,
//! `refusal.rs` reads errors of the services, and `command.rs` has the commands to sign in again.

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
