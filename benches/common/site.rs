//! The store that a run is measured on: this process's own, or one that others wrote, behind a relay.

use std::env;
use std::time::{Duration, Instant};

use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region};
use rusoto_s3::{CreateBucketRequest, S3, S3Client};
use s3_lock::internals::Raw;
use serde_json::Value;

use super::{Address, FOLDER, Logged, Relay, micros};
use crate::support::{ACCESS_KEY, BUCKET, SECRET_KEY, Server};

/// The server that others wrote, if one is to be measured.
const ENDPOINT: &str = "S3_LOCK_BENCH_ENDPOINT";
/// The server's own journal forgets what is older.
const JOURNAL: usize = 50_000;

/// A store, and how to reach it.
pub struct Site {
    store: Store,
    pub address: Address,
}

enum Store {
    Own(Server),
    Other(Relay),
}

impl Site {
    /// A store for one run, with so much latency for each request. No two runs share a bucket's locks:
    /// the server is new, or the bucket is.
    pub fn start(latency: Duration) -> Site {
        let site = match env::var(ENDPOINT) {
            Ok(endpoint) => Site::of_others(&endpoint),
            Err(_) => Site::own(),
        };
        site.set_latency(latency);
        site
    }

    /// This process's own server.
    pub fn own() -> Site {
        let server = Server::start();
        let address = Address {
            endpoint: server.endpoint(),
            bucket: BUCKET.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            needs_check: false,
        };
        let store = Store::Own(server);
        Site { store, address }
    }

    fn of_others(endpoint: &str) -> Site {
        let of_environment = |name, default: &str| env::var(name).unwrap_or(default.to_owned());
        let relay = Relay::start(endpoint);
        let address = Address {
            endpoint: relay.endpoint(),
            bucket: format!("s3-lock-bench-{}-{}", micros(), std::process::id()),
            access_key: of_environment("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            secret_key: of_environment("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            needs_check: true,
        };
        create_bucket(endpoint, &address);
        let store = Store::Other(relay);
        Site { store, address }
    }

    /// This process's own server, if it is that.
    pub fn server(&self) -> Option<&Server> {
        match &self.store {
            Store::Own(server) => Some(server),
            Store::Other(_) => None,
        }
    }

    /// What the store is called in a report.
    pub fn name(&self) -> String {
        match &self.store {
            Store::Own(_) => "in-process".to_owned(),
            Store::Other(_) => env::var(ENDPOINT).unwrap_or_default(),
        }
    }

    /// Sets how long each request takes at least.
    pub fn set_latency(&self, latency: Duration) {
        match &self.store {
            Store::Own(server) => server.set_latency(latency),
            Store::Other(relay) => relay.set_latency(latency),
        }
    }

    /// How long a request takes here, as a client sees it: the median of some.
    pub fn round_trip(&self) -> Duration {
        let object = format!("{FOLDER}/nothing");
        let object = Raw::new(self.address.client(), &self.address.bucket, &object);
        let times = (0..11).map(|_| {
            let start = Instant::now();
            object.get().expect("the store answers");
            start.elapsed()
        });
        let mut times: Vec<_> = times.collect();
        times.sort();
        times[times.len() / 2]
    }

    /// The tickets that the queue of a lock shows.
    pub fn tickets(&self, lock: &str) -> Vec<Value> {
        let object = format!("{FOLDER}/{lock}.queue");
        let object = Raw::new(self.address.client(), &self.address.bucket, &object);
        let Some((_, body)) = object.get().expect("the store answers") else {
            return Vec::new();
        };
        let queue: Value = serde_json::from_slice(&body).unwrap_or_default();
        queue["tickets"].as_array().cloned().unwrap_or_default()
    }

    /// The requests so far, in order of arrival.
    pub fn log(&self) -> Vec<Logged> {
        let server = match &self.store {
            Store::Other(relay) => return relay.log(),
            Store::Own(server) => server,
        };
        let requests = server.requests();
        if requests.len() == JOURNAL {
            eprintln!("warning: only the latest {JOURNAL} requests are counted");
        }
        let (now, here) = (micros(), Instant::now());
        let logged = requests.into_iter().map(|request| {
            let ago = here.saturating_duration_since(request.at).as_micros();
            Logged {
                method: request.method,
                key: request.key,
                status: request.status,
                at: now - u64::try_from(ago).expect("no run is as long"),
            }
        });
        logged.collect()
    }
}

/// Has a server make the bucket of a run; it says nothing of the lock.
fn create_bucket(endpoint: &str, address: &Address) {
    let region = Region::Custom {
        name: "us-east-1".to_owned(),
        endpoint: endpoint.to_owned(),
    };
    let keys = StaticProvider::new_minimal(address.access_key.clone(), address.secret_key.clone());
    let http = HttpClient::new().expect("TLS is there");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system can make one more event queue");
    let request = CreateBucketRequest {
        bucket: address.bucket.clone(),
        ..CreateBucketRequest::default()
    };
    let created = runtime.block_on(async {
        S3Client::new_with(http, keys, region)
            .create_bucket(request)
            .await
    });
    created.expect("the server makes a bucket");
}
