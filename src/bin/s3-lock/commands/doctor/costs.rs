//! What locks cost. Pure.

use std::time::Duration;

use s3_lock::RequestPrices;
use s3_lock::inspection::cost;

use crate::output::doctor::Costs;

/// The lease of `run` and `hold` unless they are told otherwise: 60 s, and 10 s to acquire it.
const LEASE: Duration = Duration::from_secs(70);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Looks in an hour, as the documentation of `RequestPrices` has them, and a ticket.
const LOOKS_ALONE: u64 = 460;
const LOOKS_AMONG_SEVERAL: u64 = 1_830;

/// What so many PUTs cost there.
pub fn of_puts(puts: u64) -> f64 {
    cost(RequestPrices::S3_STANDARD_US_EAST_1, 0, puts)
}

impl Costs {
    pub fn in_us_east_1() -> Costs {
        let prices = RequestPrices::S3_STANDARD_US_EAST_1;
        // To the tenth of a millionth: the rest is the computer's.
        let of = |reads, writes| (cost(prices, reads, writes) * 1e7).round() / 1e7;
        // A third of the lease after each other.
        let renewals = DAY.as_secs() * 3 / LEASE.as_secs();
        Costs {
            cycle_warm: of(0, 2),
            cycle_cold: of(1, 2),
            waiter_hour: of(LOOKS_ALONE + 1, 1),
            waiter_hour_among_several: of(LOOKS_AMONG_SEVERAL + 1, 1),
            held_day: of(0, renewals),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_documentation_of_prices() {
        let costs = Costs::in_us_east_1();
        let shown = |dollars: f64| format!("{dollars:.7}");
        assert_eq!(shown(costs.cycle_warm), "0.0000100");
        assert_eq!(shown(costs.cycle_cold), "0.0000104");
        assert_eq!(format!("{:.4}", costs.waiter_hour), "0.0002");
        assert_eq!(format!("{:.4}", costs.waiter_hour_among_several), "0.0007");
        assert_eq!(format!("{:.4}", costs.held_day), "0.0185");
    }
}
