//! What users call: locks, guards, clients and their settings.

mod acquire;
mod acquire_once;
pub(crate) mod client;
pub(crate) mod client_builder;
pub(crate) mod guard;
pub(crate) mod in_memory;
mod list;
pub(crate) mod lock;
pub(crate) mod lock_builder;
mod lock_url;
mod ranges;
mod store_check;
pub(crate) mod wait_handle;
