//! The `on_lost` callbacks of one guard. The background thread or a call of the guard reports the loss
//! here, and each callback runs once, on a thread of its own. If none can be started, the background
//! thread tries again, and a call runs it itself.

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
    /// What the callbacks were told.
    told: Option<LostCause>,
}

impl LossCallbacks {
    /// Adds a callback. Calls it at once if the loss was told already.
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

    /// Calls all waiting callbacks. If no thread could be started for some, those keep waiting and the
    /// error says why.
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

    /// Drops the waiting callbacks: there is nothing left to lose. What a callback owns may call the client
    /// in its `drop`, so do not call this on a thread that drives the runtime.
    pub(crate) fn dismiss(&self) {
        let waiting = std::mem::take(&mut lock(&self.0).waiting);
        for callback in waiting {
            let dropped = foreign_code::contain(|| drop(callback));
            if dropped.is_none() {
                logs::error!("a value owned by an on_lost callback panicked when it was dropped");
            }
        }
    }

    /// Calls all waiting callbacks. Do not call this on a thread that drives the runtime.
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

/// Calls a callback, on the current thread if no other can be started. The current thread must not drive
/// the runtime.
pub(crate) fn call_at_once(callback: LossCallback, cause: &LostCause) {
    if let Err((callback, _)) = call(callback, cause) {
        foreign_code::contain(|| callback(cause));
    }
}

/// Runs a callback on a thread of its own, where it delays nobody. Returns it with the error if no thread
/// can be started.
fn call(callback: LossCallback, cause: &LostCause) -> Result<(), (LossCallback, io::Error)> {
    let slot = Arc::new(Mutex::new(Some(callback)));
    let (inside, cause) = (slot.clone(), cause.clone());
    let started = thread::Builder::new()
        .name("s3-lock-on-lost".to_owned())
        .spawn(move || {
            let callback = lock(&inside).take();
            if let Some(callback) = callback {
                // A panic's payload may panic again when it is dropped. At the end of a thread, that
                // would abort the process.
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
