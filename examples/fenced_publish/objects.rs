//! The requests of a fenced publish. Any client of S3 will do that can set `If-Match` and `If-None-Match`.

#![allow(
    clippy::disallowed_methods,
    reason = "rules for the crate itself, which has its own clock and random numbers"
)]

use std::thread;
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, S3Action};
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::{HeaderMap, header::ETAG};

type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// A version of the pointer object.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The token of the holder that wrote it.
    pub token: u64,
    /// Where the current data is. Without this field it is no pointer: a claim must not forget what one had.
    #[serde(deserialize_with = "Option::deserialize")]
    pub key: Option<String>,
    #[serde(skip)]
    pub etag: String,
}

impl Pointer {
    /// This holder's pointer after its publish, which was `found`. If a successor has claimed that since, the ETag stays
    /// the old one: this holder must not replace the claim.
    pub fn published_as(&self, found: Pointer) -> Pointer {
        let is_own = found.token == self.token;
        Pointer {
            token: self.token,
            key: found.key,
            etag: if is_own {
                found.etag
            } else {
                self.etag.clone()
            },
        }
    }
}

/// A folder of a bucket, and what it takes to send requests there.
pub struct Objects {
    bucket: Bucket,
    credentials: Credentials,
    folder: String,
    pub agent: Agent,
}

impl Objects {
    /// Fails if the folder is none: `rusty-s3` takes keys for parts of a URL, and `//host/key` would name another host.
    pub fn new(bucket: Bucket, credentials: Credentials, folder: &str) -> Result<Objects> {
        let is_name = |part: &str| !["", ".", ".."].contains(&part);
        if !folder.split('/').all(is_name) {
            return Err(format!("{folder:?} is not the name of a folder").into());
        }
        Ok(Objects {
            bucket,
            credentials,
            folder: folder.to_owned(),
            agent: agent(Duration::from_secs(20)),
        })
    }

    /// What a reader does: it gets the pointer, and then what that names.
    pub fn published(&self) -> Result<Option<Vec<u8>>> {
        let mut attempts = Attempts::default();
        loop {
            let key = self
                .pointer()
                .map(|found| found.and_then(|pointer| pointer.key));
            match key.and_then(|key| key.map(|key| self.data(&key)).transpose()) {
                Ok(data) => return Ok(data),
                Err(why) => attempts.another(why)?, // no reply, or cleaned up since: look again
            }
        }
    }

    pub fn pointer(&self) -> Result<Option<Pointer>> {
        let Some((body, etag)) = self.get(&self.pointer_key())? else {
            return Ok(None);
        };
        let pointer: Pointer = serde_json::from_slice(&body)?;
        let data = format!("{}/data/", self.folder);
        match &pointer.key {
            Some(key) if !key.starts_with(&data) => Err(format!("the pointer names {key}"))?,
            _ => Ok(Some(Pointer { etag, ..pointer })),
        }
    }

    /// Makes the pointer, if there is none.
    pub fn create(&self, token: u64) -> Result<Pointer> {
        self.put_pointer(token, None, ("if-none-match", "*"))
    }

    /// Replaces this version of the pointer, if it is still the current one.
    pub fn replace(&self, old: &Pointer, token: u64, key: Option<String>) -> Result<Pointer> {
        self.put_pointer(token, key, ("if-match", &old.etag))
    }

    pub fn data(&self, key: &str) -> Result<Vec<u8>> {
        let found = self.get(key)?.map(|(data, _)| data);
        found.ok_or_else(|| format!("{key} does not exist").into())
    }

    /// Stores data under a key that was never used, and returns that key.
    pub fn store(&self, token: u64, data: &[u8]) -> Result<String> {
        if data.len() as u64 > MAX_SIZE {
            return Err(format!("{} bytes are too much to be read again", data.len()).into());
        }
        let mut attempts = Attempts::default();
        loop {
            let random: u64 = rand::random();
            let key = format!("{}/data/{token}-{random:016x}", self.folder);
            match self.put(&key, data, ("if-none-match", "*")) {
                Ok(_) => return Ok(key),
                Err(why) => attempts.another(why)?, // with another key, as this one may be in use
            }
        }
    }

    fn pointer_key(&self) -> String {
        format!("{}/current.json", self.folder)
    }

    fn put_pointer(
        &self,
        token: u64,
        key: Option<String>,
        condition: (&str, &str),
    ) -> Result<Pointer> {
        let etag = String::new();
        let pointer = Pointer { token, key, etag };
        let body = serde_json::to_vec(&pointer)?;
        let etag = self.put(&self.pointer_key(), &body, condition)?;
        Ok(Pointer { etag, ..pointer })
    }

    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, String)>> {
        let get = self.bucket.get_object(Some(&self.credentials), key);
        let mut reply = self.agent.get(get.sign(EXPIRES).as_str()).call()?;
        match reply.status().as_u16() {
            200 => {
                let body = reply.body_mut().with_config().limit(MAX_SIZE);
                Ok(Some((body.read_to_vec()?, etag(reply.headers())?)))
            }
            404 => Ok(None),
            status => Err(format!("GET {key} was answered with {status}").into()),
        }
    }

    fn put(
        &self,
        key: &str,
        body: &[u8],
        (condition, etag_or_star): (&str, &str),
    ) -> Result<String> {
        let mut put = self.bucket.put_object(Some(&self.credentials), key);
        put.headers_mut().insert(condition, etag_or_star); // signed: nothing on the way can drop it
        let request = self.agent.put(put.sign(EXPIRES).as_str());
        let reply = request.header(condition, etag_or_star).send(body)?;
        match reply.status().as_u16() {
            200 => etag(reply.headers()),
            status => Err(format!("PUT {key} was answered with {status}").into()),
        }
    }
}

/// How long a signature is good for.
const EXPIRES: Duration = Duration::from_secs(60);
/// No data has more bytes than this.
const MAX_SIZE: u64 = 1 << 30;

/// A client that sends each request once, and returns every reply as it is.
pub fn agent(patience: Duration) -> Agent {
    let settings = Agent::config_builder()
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None); // the server of the example is on this machine
    settings.build().into()
}

fn etag(headers: &HeaderMap) -> Result<String> {
    let etag = headers.get(ETAG).ok_or("the reply has no ETag")?;
    Ok(etag.to_str()?.to_owned())
}

/// The error of a write that may have been carried out.
pub fn unknown(why: Error) -> Error {
    format!("the outcome is unknown: {why}").into()
}

/// A few attempts, with growing pauses.
#[derive(Default)]
pub struct Attempts(u32);

impl Attempts {
    /// Pauses before another attempt, or gives up because of this error.
    pub fn another(&mut self, why: Error) -> Result<()> {
        self.0 += 1;
        if self.0 == 6 {
            return Err(format!("given up after {} attempts: {why}", self.0).into());
        }
        thread::sleep(Duration::from_millis(50 << self.0));
        Ok(())
    }
}
