//! A client for the store that the arguments name.

use s3_lock::{Client, ClientBuilder, LockError, S3Lock};

use crate::arguments::{Connection, LockUrl};

/// The lock at a URL, to be looked at or released.
pub fn lock(url: &LockUrl, connection: &Connection) -> Result<S3Lock, LockError> {
    url.builder()?.client(client(connection)?).build()
}

pub fn client(connection: &Connection) -> Result<Client, LockError> {
    builder(connection).build()
}

pub fn builder(connection: &Connection) -> ClientBuilder {
    let mut builder = Client::builder().request_timeout(connection.request_timeout);
    if let Some(url) = &connection.endpoint_url {
        builder = builder.endpoint(url);
    }
    if let Some(region) = &connection.region {
        builder = builder.region(region);
    }
    if let Some(profile) = &connection.profile {
        builder = builder.profile(profile);
    }
    if let Some(file) = &connection.ca_bundle {
        builder = builder.ca_bundle(file);
    }
    if connection.assume_conditional_writes {
        builder = builder.assume_conditional_writes();
    }
    builder
}
