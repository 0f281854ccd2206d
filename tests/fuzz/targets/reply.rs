#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| s3_lock::internals::properties::reply(data));
