//! What users see: locks, guards, clients and their settings.

pub(crate) mod client;
pub(crate) mod client_builder;
pub(crate) mod guard;
pub(crate) mod lock;
pub(crate) mod lock_builder;
