//! exploration
#[path = "model/client.rs"]
mod client;
#[path = "model/lock.rs"]
mod lock;
#[path = "model/scenario.rs"]
mod scenario;
#[path = "model/schedules.rs"]
mod schedules;
#[path = "model/world.rs"]
mod world;

use scenario::*;
use stateright::{Checker, Model};

fn two() -> Scenario {
    let role = |owner| Role {
        owner,
        reclaims: false,
        store_clock: true,
        calls: Calls {
            acquire: 1,
            ..Calls::default()
        },
    };
    Scenario {
        roles: vec![role("a"), role("b")],
        budget: Budget {
            ticks: 2,
            leases: 1,
            losses: 1,
            repeats: 0,
            refusals: 0,
            crashes: 0,
        },
        fast: (0..8).collect(),
        ahead: vec![0, NODES],
        margin: MARGIN,
        mutant: None,
        must_end: false,
    }
}

fn env(name: &str, or: u16) -> u16 {
    std::env::var(name).map_or(or, |v| v.parse().unwrap())
}

#[test]
fn explore() {
    let mut two = two();
    two.budget = Budget {
        ticks: env("TICKS", 0),
        leases: env("LEASES", 0),
        losses: env("LOSSES", 0),
        repeats: env("REPEATS", 0),
        refusals: env("REFUSALS", 0),
        crashes: env("CRASHES", 0),
    };
    for role in &mut two.roles {
        role.calls.renew = env("RENEW", 0);
        role.calls.acquire = env("ACQUIRE", 1);
        role.calls.verify = env("VERIFY", 0);
    }
    if env("FAST", 8) < 8 {
        two.fast = vec![0, 1, 2, 4][..env("FAST", 8) as usize].to_vec();
    }
    two.must_end = env("END", 0) == 1;
    two.margin = u32::from(env("MARGIN", MARGIN as u16));

    let start = std::time::Instant::now();
    let checker = two
        .checker()
        .threads(2)
        .timeout(std::time::Duration::from_secs(60))
        .spawn_dfs()
        .join();
    println!(
        "{} unique, {} generated, depth {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        start.elapsed()
    );
    for (name, path) in checker.discoveries() {
        println!("== {name}");
        for a in path.into_actions() {
            println!("   {a:?}");
        }
    }
}
