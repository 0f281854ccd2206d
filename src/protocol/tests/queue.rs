//! The stored bytes of the queue, and what a record says of it.

use crate::protocol::record::MAX_ADVISORY;

use super::*;

const REACT: Duration = Duration::from_millis(4_100);

/// An empty queue whose first ticket is this.
fn empty(next: u64) -> Queue {
    Queue::starting_at(next)
}

/// A queue with tickets of these clients, in order.
pub(super) fn of(next: u64, owners: &[u128]) -> Queue {
    let add = |queue: Queue, owner: &u128| {
        queue
            .with(None, Nonce(*owner), REACT, "somebody")
            .expect("there is room")
    };
    owners.iter().fold(empty(next), add)
}

/// What is read of a queue's JSON.
fn parsed(json: &str) -> Result<Queue, &'static str> {
    Queue::parse(json.as_bytes()).map_err(|unusable| unusable.0)
}

fn json(next: u64, served: u64, tickets: &str) -> String {
    let nonce = "0".repeat(32);
    format!(
        r#"{{"format":1,"nonce":"{nonce}","next":{next},"served":{served},"tickets":[{tickets}]}}"#
    )
}

fn ticket(number: u64, nonce: u128) -> String {
    format!(r#"{{"n":{number},"nonce":"{nonce:032x}","react_ms":1,"label":""}}"#)
}

#[test]
fn a_queue_is_the_json_that_the_documentation_shows() {
    let body = String::from_utf8(of(7, &[0xab]).to_body()).unwrap();
    let expected = r#"{"format":1,"nonce":"00000000000000000000000000000000","next":8,"served":0,"#
        .to_owned()
        + r#""tickets":[{"n":7,"nonce":"000000000000000000000000000000ab","react_ms":4100,"#
        + r#""label":"somebody"}]}"#;
    assert_eq!(body, expected);
}

#[test]
fn a_queue_reads_back_as_it_was_written() {
    let written = of(7, &[3, 2, 1]).without(Nonce(2), 7, Nonce(9));
    assert_eq!(Queue::parse(&written.to_body()), Ok(written));
}

#[test]
fn a_full_queue_with_the_longest_labels_and_numbers_reads_back() {
    let mut queue = empty(MAX_ADVISORY - 1_000);
    for owner in 0..256 {
        let label = "\u{1f512}".repeat(100);
        let with = queue.with(None, Nonce(u128::MAX - owner), Duration::MAX, &label);
        queue = with.expect("there is room");
    }
    let read = Queue::parse(&queue.to_body());
    assert_eq!(read, Ok(queue));
}

#[test]
fn a_queue_has_at_most_256_tickets() {
    let owners: Vec<u128> = (1..=256).collect();
    let full = of(1, &owners);
    assert_eq!(full.tickets.len(), 256);
    assert!(full.clone().with(None, Nonce(0), REACT, "").is_none());
    let left = full.without(Nonce(9), 0, Nonce(0));
    assert!(left.with(None, Nonce(0), REACT, "").is_some());
}

#[test]
fn a_queue_without_numbers_left_gives_out_no_ticket() {
    assert!(
        empty(MAX_ADVISORY - 1)
            .with(None, Nonce(0), REACT, "")
            .is_some()
    );
    assert!(
        empty(MAX_ADVISORY)
            .with(None, Nonce(0), REACT, "")
            .is_none()
    );
}

#[test]
fn a_ticket_comes_after_all_that_had_their_turn() {
    let queue = empty(5).without(Nonce(0), 90, Nonce(0));
    let queue = queue.with(None, Nonce(1), REACT, "").unwrap();
    let queue = queue.with(None, Nonce(2), REACT, "").unwrap();
    let numbers: Vec<u64> = queue.tickets.iter().map(|ticket| ticket.number).collect();
    assert_eq!(numbers, [91, 92]);
}

#[test]
fn tickets_that_had_their_turn_and_ones_own_are_dropped() {
    let queue = of(1, &[10, 20, 30, 40]).without(Nonce(30), 1, Nonce(0));
    let left: Vec<u64> = queue.tickets.iter().map(|ticket| ticket.number).collect();
    assert_eq!(left, [2, 4]);
    assert_eq!(queue.served, 1);
}

#[test]
fn what_was_served_never_goes_back() {
    let queue = of(1, &[1]).without(Nonce(0), 50, Nonce(0));
    assert_eq!(queue.without(Nonce(0), 3, Nonce(0)).served, 50);
}

#[test]
fn a_label_is_cut_to_64_bytes_between_two_characters() {
    let label = |text: &str| {
        let queue = empty(1).with(None, Nonce(1), REACT, text).unwrap();
        queue.tickets[0].label.clone()
    };
    assert_eq!(label(&"x".repeat(65)), "x".repeat(64));
    assert_eq!(label(&"\u{1f512}".repeat(17)), "\u{1f512}".repeat(16));
    assert_eq!(
        label(&format!("x{}", "é".repeat(32))),
        format!("x{}", "é".repeat(31))
    );
}

#[test]
fn a_label_has_no_control_characters() {
    let queue = empty(1)
        .with(None, Nonce(1), REACT, "a\nb\u{7f}\u{202e}")
        .unwrap();
    let label = &queue.tickets[0].label;
    assert!(!label.contains(char::is_control), "{label:?}");
}

#[test]
fn tickets_are_in_the_order_of_their_numbers_and_nonces() {
    let unordered = [ticket(3, 1), ticket(2, 9), ticket(2, 8)].join(",");
    let queue = parsed(&json(4, 0, &unordered)).unwrap();
    let order: Vec<u128> = queue.tickets.iter().map(|ticket| ticket.nonce.0).collect();
    assert_eq!(order, [8, 9, 1]);
}

#[test]
fn numbers_above_the_largest_are_not_believed() {
    let largest = MAX_ADVISORY;
    let too_large = "a number in it is too large to be true";
    assert!(parsed(&json(largest, largest, &ticket(largest, 1))).is_ok());
    for json in [
        json(largest + 1, 0, ""),
        json(1, largest + 1, ""),
        json(1, 0, &ticket(largest + 1, 1)),
        json(1, u64::MAX, ""),
    ] {
        assert_eq!(parsed(&json), Err(too_large), "{json}");
    }
}

#[test]
fn what_is_no_queue_is_refused() {
    let no_queue = "it is no queue that this version knows";
    for body in ["", "{}", "[]", "null", r#"{"format":1}"#, "\u{0}"] {
        assert_eq!(parsed(body), Err(no_queue), "{body:?}");
    }
    let damaged = json(1, 0, r#"{"n":-1}"#);
    assert_eq!(parsed(&damaged), Err(no_queue));
    let record = record("somebody", 1, 1).to_body();
    assert!(Queue::parse(&record).is_err());
}

#[test]
fn a_format_that_this_version_does_not_know_is_refused() {
    let newer = json(1, 0, "").replace(r#""format":1"#, r#""format":2"#);
    assert_eq!(
        parsed(&newer),
        Err("it has a format that this version does not know")
    );
}

#[test]
fn too_many_tickets_or_bytes_are_refused() {
    let tickets: Vec<String> = (1..=257).map(|n| ticket(n, u128::from(n))).collect();
    assert_eq!(
        parsed(&json(300, 0, &tickets.join(","))),
        Err("it has too many tickets")
    );
    let long = json(1, 0, "") + &" ".repeat(64 * 1024);
    assert_eq!(parsed(&long), Err("it is too long"));
}

#[test]
fn a_record_without_advice_reads_as_one_of_which_nobody_waits() {
    let plain = record("somebody", 1, 1);
    assert_eq!((plain.served(), plain.is_queued()), (0, false));
    let body = String::from_utf8(plain.to_body()).unwrap();
    assert!(
        !body.contains("served") && !body.contains("queued"),
        "{body}"
    );
}

/// The record with these fields added.
fn with_fields(fields: &str) -> Record {
    let body = String::from_utf8(record("somebody", 1, 1).to_body()).unwrap();
    let body = body.replacen('{', &format!("{{{fields},"), 1);
    Record::parse(body.as_bytes()).expect("advice never makes a record unusable")
}

#[test]
fn advice_that_cannot_be_believed_is_left_out_and_the_record_stays_usable() {
    let too_large = format!(r#""served":{}"#, MAX_ADVISORY + 1);
    for fields in [
        too_large.as_str(),
        r#""served":-1"#,
        r#""served":1.5"#,
        r#""served":"7""#,
        r#""served":null"#,
        r#""served":1e400"#,
        r#""queued":1"#,
        r#""queued":"true""#,
        r#""queued":null"#,
    ] {
        let read = with_fields(fields);
        assert_eq!((read.served(), read.is_queued()), (0, false), "{fields}");
        // Nor is it carried on.
        let body = String::from_utf8(read.renewed(Nonce(2)).to_body()).unwrap();
        assert!(
            !body.contains("served") && !body.contains("queued"),
            "{body}"
        );
    }
}

#[test]
fn advice_is_kept_through_every_transition() {
    let read = with_fields(r#""served":7,"queued":true"#);
    let holder = Holder {
        owner: "next".to_owned(),
        lease: LEASE,
        acquired_at: stamp(),
        host: String::new(),
        pid: 2,
        purpose: None,
        label: None,
    };
    for written in [
        read.renewed(Nonce(2)),
        read.released(Nonce(3)),
        read.broken(Nonce(4)),
        read.succeeded_by(holder, 2, Nonce(5)),
        read.clone().advised(&Advice::default()),
    ] {
        assert_eq!(
            (written.served(), written.is_queued()),
            (7, true),
            "{written:?}"
        );
        assert_eq!(Record::parse(&written.to_body()), Ok(written));
    }
}

/// A write is recognised by its whole body.
#[test]
fn a_record_that_says_outright_that_nobody_waits_reads_back_as_it_is() {
    let read = with_fields(r#""served":0,"queued":false"#);
    let again = Record::parse(&read.to_body());
    assert_eq!(again, Ok(read));
}

#[test]
fn what_a_record_says_was_served_never_goes_back() {
    let advice = |served| Advice {
        served,
        queued: None,
    };
    let record = record("somebody", 1, 1).advised(&advice(9));
    assert_eq!(record.clone().advised(&advice(3)).served(), 9);
    assert_eq!(record.advised(&advice(12)).served(), 12);
}

#[test]
fn a_record_says_that_others_wait_until_somebody_knows_that_they_do_not() {
    let advice = |queued| Advice { served: 0, queued };
    let queued = record("somebody", 1, 1).advised(&advice(Some(true)));
    assert!(queued.clone().advised(&advice(None)).is_queued());
    assert!(!queued.advised(&advice(Some(false))).is_queued());
}
