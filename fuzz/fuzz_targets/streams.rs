//! Fuzzes two honest machines with streams: the flow tests' model, with steps that coverage draws.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::streams(data));
