//! What holds of any bytes that a store may send, tried with inputs that are a few changes away from real
//! ones. `tests/fuzz` tries the same for as long as one likes.

use std::env;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use s3_lock::internals::properties::{record, reply};

/// How many inputs each property is tried with.
const CASES: &str = "S3_LOCK_TEST_CASES";

#[test]
fn the_parser_of_records_is_true_to_its_properties() {
    run(record, &RECORDS, RECORD_WORDS);
}

#[test]
fn the_classifier_of_replies_is_true_to_its_properties() {
    run(reply, &REPLIES, REPLY_WORDS);
}

/// Names the input that a property did not survive.
struct Trying {
    case: u64,
    input: Vec<u8>,
}

impl Drop for Trying {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let input = self.input.escape_ascii();
            eprintln!("case {} was \"{input}\"", self.case);
        }
    }
}

/// Tries a property with the same inputs each time, each made of a seed by a few changes.
fn run(property: fn(&[u8]), seeds: &[&str], words: &str) {
    // One on each line, line breaks within it as in source code.
    let words: Vec<_> = words
        .lines()
        .map(|word| word.replace("\\n", "\n"))
        .collect();
    let cases = env::var(CASES).map_or(5_000, |n| n.parse().expect("a number of cases"));
    for seed in seeds {
        property(seed.as_bytes());
    }
    for case in 0..cases {
        let input = mutated(&mut SmallRng::seed_from_u64(case), seeds, &words);
        let trying = Trying { case, input };
        property(&trying.input);
    }
    println!("{cases} cases");
}

fn mutated(rng: &mut SmallRng, seeds: &[&str], words: &[String]) -> Vec<u8> {
    let mut bytes = pick(rng, seeds);
    for _ in 0..rng.random_range(1..6) {
        let from = rng.random_range(0..=bytes.len());
        let to = rng.random_range(from..=bytes.len().min(from + 24));
        let with = match rng.random_range(0..8) {
            0 => Vec::new(),
            1 => vec![rng.random()],
            2 => bytes[from..to].repeat(rng.random_range(2..200)),
            3 => pick(rng, seeds),
            _ => pick(rng, words),
        };
        // As often between two bytes as in place of some.
        let to = if rng.random() { from } else { to };
        bytes.splice(from..to, with);
    }
    bytes
}

fn pick<T: AsRef<str>>(rng: &mut SmallRng, from: &[T]) -> Vec<u8> {
    let text = from.choose(rng).expect("there are some");
    text.as_ref().as_bytes().to_vec()
}

const RECORDS: [&str; 4] = [
    include_str!("../seeds/record/held.json"),
    include_str!("../seeds/record/released.json"),
    include_str!("../seeds/record/newer.json"),
    include_str!("../seeds/record/completed.json"),
];

const RECORD_WORDS: &str = include_str!("../seeds/record.words");

const REPLIES: [&str; 11] = [
    include_str!("../seeds/reply/object.http"),
    include_str!("../seeds/reply/no-such-key.http"),
    include_str!("../seeds/reply/access-denied.http"),
    include_str!("../seeds/reply/skewed.http"),
    include_str!("../seeds/reply/redirect.http"),
    include_str!("../seeds/reply/wrong-region.http"),
    include_str!("../seeds/reply/proxy.http"),
    include_str!("../seeds/reply/list.http"),
    include_str!("../seeds/reply/temporary.http"),
    include_str!("../seeds/reply/posing.http"),
    include_str!("../seeds/reply/login.http"),
];

const REPLY_WORDS: &str = include_str!("../seeds/reply.words");
