//! Verifying: reading the record to see whether the holding still stands, also beside a renewal.

use super::*;

/// Renews at `millis`, at once and without trouble. Returns what it wrote.
fn renewed(holding: &mut Lease, millis: u64, nonce: u128) -> Record {
    let mut renew = Renew::default();
    let write = write_of(renew.on(Event::Resume, &turn(millis, nonce), holding));
    let applied = applied(ETag(format!("e{nonce}")));
    let end = renew.on(Event::Wrote(applied), &turn(millis, 0), holding);
    assert_eq!(end, Step::Done(Renewed::Yes));
    write.record
}

#[test]
fn verify_that_sees_what_was_known_finds_it_held() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    let own = present("e0", &record("me", 5, 1));
    let end = shown(&mut verify, &mut holding, own, 1_001);
    assert_eq!(end, Step::Done(Verified::Held));
}

#[test]
fn verify_that_sees_anothers_record_finds_it_lost() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    let other = present("x", &record("you", 6, 99));
    let end = shown(&mut verify, &mut holding, other, 1_001);
    assert_eq!(end, Step::Done(Verified::Lost));
}

#[test]
fn verify_that_sees_the_version_before_a_renewal_that_landed_meanwhile_finds_it_held() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    renewed(&mut holding, 1_001, 2);
    let before = present("e0", &record("me", 5, 1));
    let end = shown(&mut verify, &mut holding, before, 1_002);
    assert_eq!(end, Step::Done(Verified::Held));
    assert_eq!(holding.remaining(at(1_001)), LEASE);
}

#[test]
fn verify_that_sees_a_version_in_between_relies_on_a_renewal_that_was_sent_since_it_began() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    let between = renewed(&mut holding, 1_001, 2);
    renewed(&mut holding, 1_002, 3);
    let end = shown(&mut verify, &mut holding, present("e2", &between), 1_003);
    assert_eq!(end, Step::Done(Verified::Held));
}

#[test]
fn verify_looks_again_where_a_renewal_from_before_it_landed_meanwhile() {
    let mut holding = held();
    let mut renew = Renew::default();
    write_of(renew.on(Event::Resume, &turn(900, 2), &mut holding));
    let mut verify = looking(&mut holding, 1_000);
    let applied = Event::Wrote(applied(etag("e2")));
    renew.on(applied, &turn(1_001, 0), &mut holding);
    // This may be a loss, or what some store shows of the time before.
    let other = || present("x", &record("you", 6, 99));
    let step = shown(&mut verify, &mut holding, other(), 1_002);
    assert_eq!(step, Step::Read);
    let end = shown(&mut verify, &mut holding, other(), 1_003);
    assert_eq!(end, Step::Done(Verified::Lost));
}

#[test]
fn verify_looks_again_where_a_renewal_hides_whether_the_lock_is_lost() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    renewed(&mut holding, 1_001, 2);
    let broken = record("me", 5, 1).broken(Nonce(50));
    let broken = || present("x", &broken);
    assert_eq!(
        shown(&mut verify, &mut holding, broken(), 1_002),
        Step::Read
    );
    let end = shown(&mut verify, &mut holding, broken(), 1_003);
    assert_eq!(end, Step::Done(Verified::Lost));
    assert_eq!(holding.check(at(1_003)), Some(&Loss::Broken));
}

#[test]
fn verify_that_sees_a_renewal_under_way_adopts_it_with_its_first_send() {
    let mut holding = held();
    let mut renew = Renew::default();
    let write = write_of(renew.on(Event::Resume, &turn(10_000, 2), &mut holding));
    let mut verify = looking(&mut holding, 12_000);
    let landed = present("e2", &write.record);
    let end = shown(&mut verify, &mut holding, landed, 13_000);
    assert_eq!(end, Step::Done(Verified::Held));
    assert_eq!(
        holding.remaining(at(13_000)),
        LEASE - Duration::from_secs(3)
    );
    // The renewal learns of its success from the look, with any reply of its own.
    let end = renew.on(Event::Wrote(unknown()), &turn(15_000, 0), &mut holding);
    assert_eq!(end, Step::Done(Renewed::Yes));
}

#[test]
fn verify_answered_after_the_deadline_finds_it_lost_whatever_it_shows() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 99_999);
    let own = present("e0", &record("me", 5, 1));
    let end = shown(&mut verify, &mut holding, own, 100_000);
    assert_eq!(end, Step::Done(Verified::Lost));
}
