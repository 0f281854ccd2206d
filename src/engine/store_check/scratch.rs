//! The scratch objects that checks and races write to: their location and their bodies.

use serde::{Deserialize, Serialize};

use crate::protocol::Location;
use crate::protocol::record::Nonce;
use crate::sys::random;
use crate::types::errors::LockError;

/// The name of the object that stores are checked with, in the folder of a lock.
const NAME: &str = ".s3-lock-check";

/// The location of that object.
pub(crate) fn at(lock: &Location) -> Location {
    beside(lock, NAME)
}

/// The location of an object with this name in the folder of a lock.
pub(crate) fn beside(lock: &Location, name: &str) -> Location {
    let key = match lock.key.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    };
    let bucket = lock.bucket.clone();
    Location { bucket, key }
}

/// A body for a scratch object, never written before.
pub(crate) fn scratch_body() -> Result<Vec<u8>, LockError> {
    let nonce = random::nonce().map_err(LockError::of_this_machine)?;
    Ok(Scratch::body(nonce))
}

/// The body: it says what it is for, and differs each time.
#[derive(Serialize, Deserialize)]
pub(crate) struct Scratch {
    s3_lock_check: u32,
    nonce: Nonce,
}

impl Scratch {
    /// A body that was never written before.
    pub(crate) fn body(nonce: Nonce) -> Vec<u8> {
        let scratch = Scratch {
            s3_lock_check: 1,
            nonce,
        };
        serde_json::to_vec(&scratch).expect("it has string keys and no maps")
    }
}
