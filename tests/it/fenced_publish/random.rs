//! Holders that overlap, and whose writes come late, twice or not at all.

use std::thread;
use std::time::Duration;

use super::{POINTER, add, impatient, objects};
use super::{claim, objects::Objects};
use crate::support::{Dice, Fault, Match, Server};

const HOLDERS: u64 = 8;

#[test]
fn fenced_publish_loses_no_update_whatever_comes_late_or_not_at_all() {
    let counts: Vec<_> = (0..6).map(round).collect();
    println!("published: {counts:?}");
    assert!(counts.iter().sum::<usize>() > counts.len(), "{counts:?}");
}

/// One round. Returns how many publishes have told that they were done.
fn round(seed: u64) -> usize {
    let server = Server::start();
    server.keep_history(POINTER);
    let mut dice = Dice::new(seed, &[0]);
    for _ in 0..16 {
        let skipped = usize::try_from(dice.below(30)).unwrap();
        server.fault(Match::put().key(POINTER).skip(skipped), fault(&mut dice));
    }
    // Each holder begins while those before it may still be at work, as if their leases had run out.
    let told = thread::scope(|scope| {
        let mut holders = Vec::new();
        for token in 1..=HOLDERS {
            let own = Dice::new(seed, &[token]);
            let objects = if dice.one_in(3) {
                impatient(&server)
            } else {
                objects(&server)
            };
            holders.push(scope.spawn(move || hold(&objects, token, own)));
            thread::sleep(dice.between(Duration::ZERO, Duration::from_millis(150)));
        }
        let ends = holders.into_iter().map(|holder| holder.join().unwrap());
        ends.flatten().collect::<Vec<_>>()
    });
    check(&server, &told, seed);
    told.len()
}

fn fault(dice: &mut Dice) -> Fault {
    let wait = dice.between(Duration::ZERO, Duration::from_millis(1500));
    match dice.below(7) {
        0 => Fault::DropBefore,
        1 => Fault::DropAfter,
        2 => Fault::Duplicate,
        3 => Fault::StallAfter(wait),
        4 => Fault::answer(409, "ConditionalRequestConflict"),
        5 => Fault::answer_after(503, "SlowDown"),
        _ => Fault::Stall(wait),
    }
}

/// One holder's work. Returns the words that it was told are published.
fn hold(objects: &Objects, token: u64, mut dice: Dice) -> Vec<String> {
    let mut told = Vec::new();
    let Ok(mut claim) = claim(objects, token) else {
        return told;
    };
    for number in 0..=dice.below(3) {
        thread::sleep(dice.between(Duration::ZERO, Duration::from_millis(50)));
        let word = format!("{token}.{number} ");
        if add(&mut claim, &word).is_err() {
            break;
        }
        told.push(word);
    }
    told
}

/// Every version of the pointer is a claim by a larger token, which keeps the key, or names data that goes on from the
/// data before it; and what holders were told is in there.
fn check(server: &Server, told: &[String], seed: u64) {
    let (mut token, mut key, mut text) = (0, None, String::new());
    for version in server.history(POINTER) {
        let now: super::objects::Pointer = serde_json::from_slice(&version.body).unwrap();
        let is_claim = now.token > token;
        assert!(
            is_claim || now.token == token,
            "seed {seed}: {} after {token}",
            now.token
        );
        assert_eq!(is_claim, now.key == key, "seed {seed}: token {}", now.token);
        if let Some(key) = now.key.as_ref().filter(|_| !is_claim) {
            let data = server.object(key).unwrap().body;
            let data = String::from_utf8(data).unwrap();
            let word = data
                .strip_prefix(&text)
                .unwrap_or_else(|| panic!("seed {seed}: {data:?} after {text:?}"));
            assert!(
                word.starts_with(&format!("{}.", now.token)),
                "seed {seed}: {word}"
            );
            text = data;
        }
        (token, key) = (now.token, now.key);
    }
    for word in told {
        assert!(
            text.contains(word),
            "seed {seed}: {word} is not in {text:?}"
        );
    }
}
