//! Who wants to be told that a lock is lost, and telling them.

use std::io;
use std::sync::Arc;

use crate::sys::sync::{Mutex, lock, thread};
use crate::sys::{foreign_code, logs};
use crate::types::errors::LostCause;

pub(crate) type LossCallback = Box<dyn FnOnce(&LostCause) + Send>;

/// The callbacks of one guard.
#[derive(Default)]
pub(crate) struct LossCallbacks(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    waiting: Vec<LossCallback>,
    /// What they were told.
    told: Option<LostCause>,
}

impl LossCallbacks {
    /// Adds one; if the loss was told already, it is called at once.
    pub(crate) fn add(&self, callback: LossCallback) {
        let mut callbacks = lock(&self.0);
        match callbacks.told.clone() {
            None => callbacks.waiting.push(callback),
            Some(cause) => {
                drop(callbacks);
                call_at_once(callback, &cause);
            }
        }
    }

    /// Calls all that wait. Those that no thread could be started for go on waiting, and the error
    /// says why.
    pub(crate) fn tell(&self, cause: &LostCause) -> io::Result<()> {
        let mut callbacks = lock(&self.0);
        callbacks.told.get_or_insert_with(|| cause.clone());
        let mut told = Ok(());
        for callback in std::mem::take(&mut callbacks.waiting) {
            if let Err((callback, error)) = call(callback, cause) {
                callbacks.waiting.push(callback);
                told = Err(error);
            }
        }
        told
    }

    /// Drops those that wait: there is nothing left to lose. What a callback owns may itself call
    /// the client when it is dropped, so this is not for a thread that drives its runtime.
    pub(crate) fn dismiss(&self) {
        let waiting = std::mem::take(&mut lock(&self.0).waiting);
        for callback in waiting {
            let dropped = foreign_code::contain(|| drop(callback));
            if dropped.is_none() {
                logs::error!("what an on_lost callback owns panicked when it was dropped");
            }
        }
    }

    /// Calls all that wait, for whoever has learned of the loss: their thread drives no runtime.
    pub(crate) fn tell_at_once(&self, cause: &LostCause) {
        let waiting = {
            let mut callbacks = lock(&self.0);
            callbacks.told.get_or_insert_with(|| cause.clone());
            std::mem::take(&mut callbacks.waiting)
        };
        for callback in waiting {
            call_at_once(callback, cause);
        }
    }
}

/// Calls a callback for whoever brings it: their thread drives no runtime, and may be kept waiting
/// where no other is to be had.
pub(crate) fn call_at_once(callback: LossCallback, cause: &LostCause) {
    if let Err((callback, _)) = call(callback, cause) {
        foreign_code::contain(|| callback(cause));
    }
}

/// Starts a callback on a thread of its own, where it can keep nobody waiting; hands it back where
/// there is no thread to be had.
fn call(callback: LossCallback, cause: &LostCause) -> Result<(), (LossCallback, io::Error)> {
    let slot = Arc::new(Mutex::new(Some(callback)));
    let (inside, cause) = (slot.clone(), cause.clone());
    let started = thread::Builder::new()
        .name("s3-lock-on-lost".to_owned())
        .spawn(move || {
            let callback = lock(&inside).take();
            if let Some(callback) = callback {
                // What a panic carries may panic again when it is dropped, and a thread that ends by
                // it ends the process.
                foreign_code::contain(|| callback(&cause));
            }
        });
    match started {
        Ok(_) => Ok(()),
        Err(error) => match lock(&slot).take() {
            Some(callback) => Err((callback, error)),
            None => Ok(()),
        },
    }
}
