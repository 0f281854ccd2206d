//! What the lock costs on top of the requests that it sends.
//!
//! A cycle is one acquire and one release. Its floor is the same requests without the lock: as many, of the same kinds
//! and sizes, signed and sent by the same client, one after the other.
//!
//! * warm: the client released this lock last. PUT and PUT.
//! * cold: the client has never seen this lock, and nor has the store. GET (404), PUT and PUT; the connection is open.
//!
//! Floor and cycle alternate in one loop, each going first in every other pair, so that neither a drift of the machine
//! nor the order favours one. Criterion reports the cycle's time; the line below it gives the medians of both and the
//! median of the pairs' ratios, which is the lock's own share.
//!
//! `cargo bench --features internals` measures on the loopback, without latency and with 20 ms for each request. With
//! `S3_LOCK_BENCH_BUCKET` set it measures that bucket as well, with region, credentials and endpoint from the
//! environment: a few hundred requests, which leave small objects under `s3-lock-bench/`.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock that it measures with"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::env;
use std::process;
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use s3_lock::internals::Raw;
use s3_lock::internals::protocol::ETag;
use s3_lock::{Client, LockError, S3Lock};
use support::Server;

const OWNER: &str = "bench";
/// Pairs that are run and not counted, until caches, pools and the allocator have settled.
const UNCOUNTED_PAIRS: usize = 10;

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = loopback, bucket
}
criterion_main!(benches);

/// The in-process server: what the lock costs in computing time, and beside a realistic latency.
fn loopback(criterion: &mut Criterion) {
    for (latency, time) in [(0, 5), (20, 12)] {
        let server = Server::start();
        server.set_latency(Duration::from_millis(latency));
        let client = Client::builder()
            .endpoint(server.endpoint())
            .region(support::REGION)
            .credentials(support::ACCESS_KEY, support::SECRET_KEY, None)
            // No request is to be measured that only the first cycle sends.
            .assume_conditional_writes()
            .build()
            .expect("the settings are sound");
        let place = Place::new(client, support::BUCKET.to_owned());
        let run = Run {
            name: format!("loopback-{latency}ms"),
            time: Duration::from_secs(time),
            server: Some(&server),
        };
        run.all(criterion, &place);
    }
}

/// A bucket of the user's, where there is one to measure.
fn bucket(criterion: &mut Criterion) {
    let Ok(bucket) = env::var("S3_LOCK_BENCH_BUCKET") else {
        return;
    };
    let client = Client::builder().assume_conditional_writes().build();
    let client = client.expect("the environment names a region");
    let place = Place::new(client, bucket);
    let run = Run {
        name: "bucket".to_owned(),
        time: Duration::from_secs(12),
        server: None,
    };
    run.all(criterion, &place);
}

/// Where the objects of a run are.
struct Place {
    client: Client,
    bucket: String,
    /// New in every run, so that no key in it exists.
    folder: String,
    /// How long a lock's record is, which the floor's objects are as well.
    record_size: usize,
}

impl Place {
    fn new(client: Client, bucket: String) -> Place {
        let now = SystemTime::UNIX_EPOCH.elapsed();
        let now = now.expect("the clock is not before 1970").as_millis();
        let mut place = Place {
            client,
            bucket,
            folder: format!("s3-lock-bench/{now}-{}", process::id()),
            record_size: 0,
        };
        place.record_size = place.measure_record().expect("the store answers");
        place
    }

    fn measure_record(&self) -> Result<usize, LockError> {
        cycle(&self.lock("size"))?;
        let record = self.raw("size.lock").get()?;
        Ok(record.map_or(0, |(_, body)| body.len()))
    }

    fn lock(&self, name: &str) -> S3Lock {
        let lock = S3Lock::builder(&self.bucket, name).folder(&self.folder);
        let lock = lock.client(self.client.clone()).build();
        lock.expect("the settings are sound")
    }

    fn raw(&self, name: &str) -> Raw {
        let key = format!("{}/{name}", self.folder);
        Raw::new(self.client.clone(), &self.bucket, &key)
    }

    /// A body of a record's size. No two are alike, so that no two ETags are.
    fn body(&self, serial: u64) -> Vec<u8> {
        format!("{serial:0>size$}", size = self.record_size).into_bytes()
    }
}

fn cycle(lock: &S3Lock) -> Result<(), LockError> {
    lock.acquire(OWNER)?.release()
}

/// Something to measure. Each method times its requests alone, and prepares them before.
trait Case {
    fn floor(&mut self) -> Result<Duration, LockError>;
    fn cycle(&mut self) -> Result<Duration, LockError>;
}

/// A lock that this client released last.
struct Warm<'a> {
    place: &'a Place,
    lock: S3Lock,
    raw: Raw,
    etag: Option<ETag>,
    serial: u64,
}

impl<'a> Warm<'a> {
    fn new(place: &'a Place) -> Warm<'a> {
        Warm {
            place,
            lock: place.lock("warm"),
            raw: place.raw("warm-floor"),
            etag: None,
            serial: 0,
        }
    }
}

impl Case for Warm<'_> {
    fn floor(&mut self) -> Result<Duration, LockError> {
        let held = self.place.body(self.serial);
        let released = self.place.body(self.serial + 1);
        self.serial += 2;
        let start = Instant::now();
        let etag = self.raw.put(held, self.etag.take())?;
        self.etag = Some(self.raw.put(released, Some(etag))?);
        Ok(start.elapsed())
    }

    fn cycle(&mut self) -> Result<Duration, LockError> {
        let start = Instant::now();
        cycle(&self.lock)?;
        Ok(start.elapsed())
    }
}

/// Locks that nobody has seen, each used once.
struct Cold<'a> {
    place: &'a Place,
    serial: u64,
}

impl Case for Cold<'_> {
    fn floor(&mut self) -> Result<Duration, LockError> {
        let held = self.place.body(self.serial);
        let released = self.place.body(self.serial + 1);
        let raw = self.place.raw(&format!("cold-floor-{}", self.serial));
        self.serial += 2;
        let start = Instant::now();
        let found = raw.get()?;
        let etag = raw.put(held, found.map(|(etag, _)| etag))?;
        raw.put(released, Some(etag))?;
        Ok(start.elapsed())
    }

    fn cycle(&mut self) -> Result<Duration, LockError> {
        let name = format!("cold-{}", self.serial);
        self.serial += 1;
        let start = Instant::now();
        // A caller with a new name has the handle to make, too.
        cycle(&self.place.lock(&name))?;
        Ok(start.elapsed())
    }
}

/// How to measure, and what to call it.
struct Run<'a> {
    name: String,
    /// How long each case is measured for.
    time: Duration,
    /// Where the requests can be looked at, if anywhere.
    server: Option<&'a Server>,
}

impl Run<'_> {
    fn all(&self, criterion: &mut Criterion, place: &Place) {
        self.one(criterion, "warm", Warm::new(place));
        self.one(criterion, "cold", Cold { place, serial: 0 });
    }

    fn one(&self, criterion: &mut Criterion, name: &str, mut case: impl Case) {
        let failed = "the store answers, and nobody else uses these keys";
        let mut uncounted = Pairs::default();
        for _ in 0..UNCOUNTED_PAIRS {
            uncounted.run(&mut case).expect(failed);
        }
        self.check_requests(&mut case).expect(failed);

        let mut pairs = Pairs::default();
        let mut group = criterion.benchmark_group(&self.name);
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(20)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(self.time)
            .bench_function(name, |bencher| {
                bencher.iter_custom(|count| {
                    let pairs = (0..count).map(|_| pairs.run(&mut case).expect(failed));
                    pairs.sum()
                });
            });
        group.finish();
        if !pairs.ratios.is_empty() {
            println!("{}/{name}: {}", self.name, pairs.summary());
        }
    }

    /// A floor is one only while it sends what the cycle sends.
    fn check_requests(&self, case: &mut impl Case) -> Result<(), LockError> {
        let Some(server) = self.server else {
            return Ok(());
        };
        server.clear_requests();
        case.floor()?;
        let floor = kinds(server);
        server.clear_requests();
        case.cycle()?;
        assert_eq!(floor, kinds(server), "requests of the floor and the cycle");
        Ok(())
    }
}

/// The method and the condition of each request that the server has seen.
fn kinds(server: &Server) -> Vec<String> {
    let requests = server.requests().into_iter();
    let kind = |request: support::Request| match (request.if_match, request.if_none_match) {
        (None, None) => request.method,
        (Some(_), _) => format!("{} over a version", request.method),
        (None, Some(_)) => format!("{} where none is", request.method),
    };
    requests.map(kind).collect()
}

/// Times of floors and cycles that ran next to each other.
#[derive(Default)]
struct Pairs {
    floors: Vec<f64>,
    cycles: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pairs {
    /// Runs a pair, and returns the time of its cycle.
    fn run(&mut self, case: &mut impl Case) -> Result<Duration, LockError> {
        let (floor, cycle);
        if self.ratios.len() % 2 == 0 {
            floor = case.floor()?;
            cycle = case.cycle()?;
        } else {
            cycle = case.cycle()?;
            floor = case.floor()?;
        }
        self.floors.push(floor.as_secs_f64());
        self.cycles.push(cycle.as_secs_f64());
        self.ratios.push(cycle.as_secs_f64() / floor.as_secs_f64());
        Ok(cycle)
    }

    fn summary(&self) -> String {
        let span = |seconds| format!("{:.2?}", Duration::from_secs_f64(seconds));
        format!(
            "floor {}, cycle {}, ratio {:.3} (quartiles {:.3} and {:.3}), {} pairs",
            span(quantile(&self.floors, 0.5)),
            span(quantile(&self.cycles, 0.5)),
            quantile(&self.ratios, 0.5),
            quantile(&self.ratios, 0.25),
            quantile(&self.ratios, 0.75),
            self.ratios.len(),
        )
    }
}

/// The value below which this share of all values lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    sorted[place.round() as usize]
}
