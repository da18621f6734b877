//! Fuzzes two honest machines: the property tests' model, with moves that coverage draws.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::pair(data));
