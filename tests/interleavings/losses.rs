//! The loss callbacks: each callback is told of a loss once, or dropped.

use std::sync::Arc;

use shuttle::sync::mpsc::{Receiver, Sender, channel};
use shuttle::thread;

use crate::explore;
use crate::loss_callbacks::{LossCallback, LossCallbacks};
use crate::types::errors::LostCause;

/// Sends a message when it is dropped.
struct Owned(Sender<&'static str>);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A callback, and a receiver that learns what becomes of it. Its type allows only one call.
fn callback() -> (LossCallback, Receiver<&'static str>) {
    let (sender, receiver) = channel();
    let owned = Owned(sender);
    let callback = Box::new(move |cause: &LostCause| {
        assert!(matches!(cause, LostCause::Broken));
        let _ = owned.0.send("told");
    });
    (callback, receiver)
}

/// Retries until a thread could be started for each callback, as the background thread does.
fn tell(callbacks: &LossCallbacks) {
    while callbacks.tell(&LostCause::Broken).is_err() {
        thread::yield_now();
    }
}

/// What becomes of a callback: told or dropped. If neither happens, shuttle finds a wait for ever.
fn fate(receiver: &Receiver<&'static str>) -> &'static str {
    receiver.recv().expect("dropped without a word")
}

#[test]
fn tell_reaches_each_callback_whenever_it_was_added() {
    explore(|| {
        let callbacks = Arc::new(LossCallbacks::default());
        let (early, early_fate) = callback();
        callbacks.add(early);
        let background = callbacks.clone();
        let background = thread::spawn(move || tell(&background));
        let guard = callbacks.clone();
        let guard = thread::spawn(move || guard.tell_at_once(&LostCause::Broken));
        let fates = [(); 2].map(|()| {
            let (late, fate) = callback();
            let callbacks = callbacks.clone();
            (thread::spawn(move || callbacks.add(late)), fate)
        });
        assert_eq!(fate(&early_fate), "told");
        for (adding, late_fate) in fates {
            assert_eq!(fate(&late_fate), "told");
            adding.join().unwrap();
        }
        background.join().unwrap();
        guard.join().unwrap();
    });
}

#[test]
fn tell_reaches_a_callback_that_is_added_meanwhile() {
    explore(|| {
        let callbacks = Arc::new(LossCallbacks::default());
        let background = callbacks.clone();
        let background = thread::spawn(move || tell(&background));
        let (callback, its_fate) = callback();
        callbacks.add(callback);
        assert_eq!(fate(&its_fate), "told");
        background.join().unwrap();
    });
}

#[test]
fn dismiss_that_races_with_tell_leaves_each_callback_told_or_dropped() {
    explore(|| {
        let callbacks = Arc::new(LossCallbacks::default());
        let fates = [(); 2].map(|()| {
            let (callback, fate) = callback();
            callbacks.add(callback);
            fate
        });
        let background = callbacks.clone();
        let background = thread::spawn(move || tell(&background));
        callbacks.dismiss();
        for each in fates {
            fate(&each);
        }
        background.join().unwrap();
    });
}

#[test]
fn dismiss_holds_no_mutex_while_it_drops_what_a_callback_owns() {
    /// Uses the callbacks when it is dropped.
    struct Meddler(Arc<LossCallbacks>, Sender<()>);

    impl Drop for Meddler {
        fn drop(&mut self) {
            self.0.add(Box::new(|_| {}));
            let _ = self.1.send(());
        }
    }

    explore(|| {
        let callbacks = Arc::new(LossCallbacks::default());
        let (sender, meddled) = channel();
        let meddler = Meddler(callbacks.clone(), sender);
        callbacks.add(Box::new(move |_| drop(meddler)));
        let background = callbacks.clone();
        let background = thread::spawn(move || tell(&background));
        callbacks.dismiss();
        // `dismiss` catches panics in `drop`, so the message must be checked here.
        meddled.recv().expect("its drop ended");
        background.join().unwrap();
    });
}
