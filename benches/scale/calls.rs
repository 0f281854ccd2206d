//! The time of each call of a lock that nobody else wants, and the number of its requests.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use s3_lock::{Client, LockError, S3Lock};

use crate::classic::Classic;
use crate::common::{Address, Figures, Site, Tally, quantile};

/// Calls that are made and not counted, until connections, caches and the allocator have settled.
const UNCOUNTED: usize = 5;

/// Something to call. It returns how long the call took, without what prepares it.
type Call = Box<dyn FnMut() -> Duration>;

/// Measures every call at this latency.
pub fn run(latency: Duration, is_test: bool) -> Figures {
    let site = Site::own();
    site.set_latency(latency);
    let mut criterion = Criterion::default().without_plots();
    let mut figures = Figures {
        has_queue: true,
        store: site.name(),
        latency_ms: u64::try_from(latency.as_millis()).expect("it is short"),
        ..Figures::default()
    };
    for (name, mut call) in calls(&site.address) {
        for _ in 0..UNCOUNTED {
            call();
        }
        let server = site.server().expect("it is this process's own");
        server.clear_requests();
        call();
        let requests = Tally::of(&site.log(), 0, u64::MAX);
        let mut times = Vec::new();
        if is_test {
            times.push(call().as_secs_f64());
        } else {
            let group = format!("calls-{}ms", latency.as_millis());
            measure(&mut criterion, &group, name, || {
                let time = call();
                times.push(time.as_secs_f64());
                time
            });
        }
        times.sort_by(f64::total_cmp);
        let median = quantile(&times, 0.5) * 1e3;
        figures.more.insert(format!("{name}_ms"), median);
        for (kind, count) in [("gets", requests.gets()), ("puts", requests.puts())] {
            figures.more.insert(format!("{name}_{kind}"), count as f64);
        }
    }
    figures
}

fn measure(criterion: &mut Criterion, group: &str, name: &str, mut call: impl FnMut() -> Duration) {
    let mut group = criterion.benchmark_group(group);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5))
        .bench_function(name, |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| call()).sum());
        });
    group.finish();
}

/// The calls, each of locks of its own.
fn calls(address: &Address) -> Vec<(&'static str, Call)> {
    let client = address.client();
    vec![
        ("warm_cycle", warm(lock(address, "warm", &client))),
        ("cold_cycle", cold(address.clone(), client.clone())),
        ("classic_cycle", classic(Classic::new(address))),
        ("try_acquire_of_a_held_lock", refused(address)),
        ("renew", renewed(&lock(address, "renewed", &client))),
        ("status", looked_at(lock(address, "looked-at", &client))),
    ]
}

const SOUND: &str = "the store answers, and nobody else is there";

fn lock(address: &Address, name: &str, client: &Client) -> S3Lock {
    let lock = address.lock_builder(name, client);
    // A guard that is held for the whole measurement.
    let lock = lock.max_operation(Duration::from_secs(600)).build();
    lock.expect("the settings are valid")
}

fn timed<T>(call: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = call();
    let took = start.elapsed();
    drop(result);
    took
}

fn warm(lock: S3Lock) -> Call {
    Box::new(move || {
        timed(|| {
            lock.acquire("bench")
                .and_then(|g| g.release())
                .expect(SOUND)
        })
    })
}

/// A lock that neither the client nor the store has ever seen.
fn cold(address: Address, client: Client) -> Call {
    let mut serial = 0;
    Box::new(move || {
        serial += 1;
        let name = format!("cold-{serial}");
        timed(|| {
            let guard = lock(&address, &name, &client).acquire("bench");
            guard.and_then(|guard| guard.release()).expect(SOUND);
        })
    })
}

fn classic(classic: Classic) -> Call {
    Box::new(move || timed(|| classic.cycle("bench").expect(SOUND)))
}

fn refused(address: &Address) -> Call {
    let guard = lock(address, "held", &address.client()).acquire("holder");
    let guard = guard.expect(SOUND);
    let lock = lock(address, "held", &address.client());
    Box::new(move || {
        assert!(guard.is_held());
        timed(|| match lock.try_acquire("bench") {
            Err(LockError::Held(_)) => {}
            other => panic!("somebody holds it: {other:?}"),
        })
    })
}

fn renewed(lock: &S3Lock) -> Call {
    let guard = lock.acquire("bench").expect(SOUND);
    Box::new(move || timed(|| guard.renew().expect(SOUND)))
}

fn looked_at(lock: S3Lock) -> Call {
    Box::new(move || timed(|| lock.status().expect(SOUND)))
}
