//! A pointer names the current data. Only its latest claimant can replace it.

use super::objects::{Attempts, Objects, Pointer, Result, unknown};

#[derive(Debug, thiserror::Error)]
#[error("stop: a holder with token {0} has claimed the pointer since")]
pub struct Superseded(pub u64);

/// The right to replace one version of the pointer.
pub struct Claim<'a> {
    objects: &'a Objects,
    pointer: Pointer,
}

/// Claims the pointer. From here on, no write of an earlier holder succeeds.
pub fn claim(objects: &Objects, token: u64) -> Result<Claim<'_>> {
    let mut attempts = Attempts::default();
    loop {
        let claimed = match objects.pointer() {
            Ok(Some(seen)) if seen.token > token => Err(Superseded(seen.token))?,
            Ok(Some(seen)) if seen.token == token => Ok(seen), // by an earlier attempt
            Ok(Some(seen)) => objects.replace(&seen, token, seen.key.clone()),
            Ok(None) => objects.create(token),
            Err(why) => Err(why),
        };
        match claimed {
            Ok(pointer) => return Ok(Claim { objects, pointer }),
            Err(why) => attempts.another(why)?, // refused, or no reply: look again
        }
    }
}

impl Claim<'_> {
    /// The data to go on from; none before the first publish.
    pub fn data(&self) -> Result<Option<Vec<u8>>> {
        let key = self.pointer.key.as_ref();
        key.map(|key| self.objects.data(key)).transpose()
    }

    /// Publishes data, and keeps the claim for the next time.
    pub fn publish(&mut self, data: &[u8]) -> Result<()> {
        let (objects, token) = (self.objects, self.pointer.token);
        let key = Some(objects.store(token, data)?);
        let mut attempts = Attempts::default();
        self.pointer = loop {
            let why = match objects.replace(&self.pointer, token, key.clone()) {
                Ok(pointer) => break pointer,
                Err(why) => why, // refused, or no reply: look what has become of it
            };
            match objects.pointer().ok().flatten() {
                Some(now) if now.key == key => break self.pointer.published_as(now),
                Some(now) if now.token > token => Err(Superseded(now.token))?,
                Some(now) if now.etag != self.pointer.etag => Err("claim again, and read")?,
                _ => attempts.another(why).map_err(unknown)?,
            }
        };
        Ok(())
    }
}
