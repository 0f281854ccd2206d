//! Runs of some locks, each of which something happens to. However that is, no command goes on beside its successor.

use std::thread;
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::program::{Running, s3_lock, signal};
use crate::run::{SHORT, watchdog};
use crate::support::{Dice, Server};

/// How many locks, and for how long.
const LOCKS: u64 = 6;
const TIME: Duration = Duration::from_secs(40);
/// Longer than a lease, and than another takes to notice its end.
const STOPPED: Duration = Duration::from_secs(8);

#[test]
#[ignore = "takes most of a minute"]
fn run_never_lets_a_command_go_on_beside_its_successor() {
    let server = Server::start();
    let folder = Folder::new();
    thread::scope(|scope| {
        for lock in 0..LOCKS {
            for side in 0..2 {
                let (server, folder) = (&server, &folder);
                scope.spawn(move || runs(server, folder, lock, side));
            }
        }
    });
    for lock in 0..LOCKS {
        let log = folder.text(&lock.to_string());
        let tokens: Vec<u64> = log.lines().map(|line| line.parse().unwrap()).collect();
        let is_in_order = tokens.windows(2).all(|pair| pair[0] <= pair[1]);
        assert!(is_in_order, "{log}");
        let mut holdings = tokens;
        holdings.dedup();
        println!("lock {lock}: {} holdings", holdings.len());
        assert!(holdings.len() > 2, "{holdings:?}");
    }
}

/// One of those that take turns.
fn runs(server: &Server, folder: &Folder, lock: u64, side: u64) {
    let mut dice = Dice::new(20_261_130, &[lock, side]);
    let file = folder.file(&lock.to_string());
    let step = format!("echo $S3_LOCK_FENCING_TOKEN >> {file}; sleep 0.04");
    let text = format!("trap '' TERM; echo begun; for i in $(seq 40); do {step}; done");
    let url = format!("s3://locks-test/locks/{lock}");
    let first = ["run", &url].into_iter().chain(SHORT);
    let words: Vec<_> = first.chain(["-c", &text]).collect();
    let start = Instant::now();
    while start.elapsed() < TIME {
        let running = Running::start(&mut s3_lock(server, &words));
        running.stdout_line("begun");
        thread::sleep(dice.between(Duration::ZERO, Duration::from_millis(900)));
        let s3_lock = i32::try_from(running.id()).unwrap();
        match dice.below(5) {
            0 => {}
            1 => {
                signal(s3_lock, libc::SIGKILL);
                // What it leaves behind must not need this test to end.
                thread::sleep(STOPPED);
            }
            2 => {
                signal(s3_lock, libc::SIGSTOP);
                thread::sleep(STOPPED);
                signal(s3_lock, libc::SIGCONT);
            }
            3 => watchdog(&running)
                .into_iter()
                .for_each(|id| signal(id, libc::SIGKILL)),
            _ => watchdog(&running)
                .into_iter()
                .for_each(|id| signal(id, libc::SIGSTOP)),
        }
        running.end();
    }
}
