//! Where credentials come from, in the order of AWS's own tools, and for how long they are used.

mod cache;
mod chain;
mod container;
mod context;
mod environment;
mod errors;
mod freshness;
mod instance;
mod json;
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
pub(crate) use sign_in::unsaved_tokens::UnsavedTokens;
pub(crate) use source::Source;
