//! Where credentials come from, in the order of AWS's own tools, and for how long they are used.
//!
//! `cache.rs` keeps them and starts look-ups, `freshness.rs` says when. `chain.rs` asks one provider
//! after another: `environment.rs`, `web_identity.rs`, `profile_provider.rs`, `container.rs`,
//! `instance.rs`. All work with the `context.rs` of a look-up. `source.rs` is what code asks for,
//! and `found.rs` what requests get.
//!
//! A profile may lead to others and to roles: `planner.rs` makes a `plan.rs` of that without I/O, or one
//! of `planner_errors.rs`, and `profile_provider.rs` carries it out. Its steps are commands
//! (`process.rs`, `not_run.rs`), people's sign-ins (`sign_in/`), and roles (`role.rs`), which `sts.rs` asks for on
//! behalf of a `sts_caller.rs`; `sts_refusal.rs` tells why STS refuses. `json.rs` reads what commands and
//! machines give, and `errors.rs` makes errors of a look-up.

mod cache;
mod chain;
mod container;
mod context;
mod environment;
mod errors;
mod found;
mod freshness;
mod instance;
mod json;
mod not_run;
mod plan;
mod planner;
mod planner_errors;
mod process;
mod profile_provider;
mod role;
mod sign_in;
mod source;
mod sts;
mod sts_caller;
mod sts_refusal;
mod web_identity;

pub(crate) use cache::CredentialsCache;
pub(crate) use context::LookUpContext;
pub(crate) use found::Found;
pub(crate) use sign_in::unsaved_tokens::UnsavedTokens;
pub(crate) use source::Source;
