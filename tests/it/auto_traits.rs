//! What the compiler knows of every public type, so that it cannot change unseen.

use std::panic::{RefUnwindSafe, UnwindSafe};

/// Checks that all of these can be shared between threads, moved, kept, and used after a panic was caught.
macro_rules! all_are_free {
    ($($name:ident)+) => {
        $(
            #[test]
            #[allow(non_snake_case)]
            fn $name() {
                fn is_free<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
                is_free::<s3_lock::$name>();
            }
        )+
    };
}

all_are_free! {
    Client ClientBuilder ConfigError EtagForm FencingToken InMemoryStore ListedLock LockError LockGuard
    LockInfo LockStatus LostCause OutcomeCounts RenewalTrouble RequestCounts RequestPrices S3Lock S3LockBuilder
    StorageError StorageErrorKind StoreReport WaitHandle WaitStatus
}
