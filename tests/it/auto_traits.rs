//! What every public type is to the compiler: a change of an inner field must not take it away.

use std::panic::{RefUnwindSafe, UnwindSafe};

use s3_lock::*;

fn is_plain<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}

macro_rules! every {
    ($($name:ident: $public:ty),+ $(,)?) => {$(
        #[test]
        fn $name() {
            is_plain::<$public>();
        }
    )+};
}

every! {
    client_is_send_sync_unpin_and_unwind_safe: Client,
    client_builder_is_send_sync_unpin_and_unwind_safe: ClientBuilder,
    config_error_is_send_sync_unpin_and_unwind_safe: ConfigError,
    etag_form_is_send_sync_unpin_and_unwind_safe: EtagForm,
    fencing_token_is_send_sync_unpin_and_unwind_safe: FencingToken,
    in_memory_store_is_send_sync_unpin_and_unwind_safe: InMemoryStore,
    listed_lock_is_send_sync_unpin_and_unwind_safe: ListedLock,
    lock_error_is_send_sync_unpin_and_unwind_safe: LockError,
    lock_guard_is_send_sync_unpin_and_unwind_safe: LockGuard,
    lock_info_is_send_sync_unpin_and_unwind_safe: LockInfo,
    lock_status_is_send_sync_unpin_and_unwind_safe: LockStatus,
    lost_cause_is_send_sync_unpin_and_unwind_safe: LostCause,
    outcome_counts_is_send_sync_unpin_and_unwind_safe: OutcomeCounts,
    request_counts_is_send_sync_unpin_and_unwind_safe: RequestCounts,
    request_prices_is_send_sync_unpin_and_unwind_safe: RequestPrices,
    s3_lock_is_send_sync_unpin_and_unwind_safe: S3Lock,
    s3_lock_builder_is_send_sync_unpin_and_unwind_safe: S3LockBuilder,
    storage_error_is_send_sync_unpin_and_unwind_safe: StorageError,
    storage_error_kind_is_send_sync_unpin_and_unwind_safe: StorageErrorKind,
    store_report_is_send_sync_unpin_and_unwind_safe: StoreReport,
}
