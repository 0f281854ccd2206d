//! Chance that can be had again: the same seed gives the same throws.

use std::time::Duration;

/// A sequence of throws (SplitMix64, which is short and passes for chance).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Makes the sequence that belongs to a seed and to what it is for.
    pub fn new(seed: u64, purpose: &[u64]) -> Dice {
        let mut dice = Dice { state: seed };
        for part in purpose {
            dice.state = dice.throw() ^ part;
        }
        dice
    }

    /// Returns 64 random bits.
    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// Says yes once in so many throws, on average.
    pub fn one_in(&mut self, throws: u64) -> bool {
        self.below(throws) == 0
    }

    /// Returns a span between two, to the millisecond.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let range = most.saturating_sub(least).as_millis();
        let range = u64::try_from(range).expect("no span is as long as that");
        least + Duration::from_millis(self.below(range + 1))
    }
}
