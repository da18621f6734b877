//! Fuzzes payloads: the scan, and decoding into types of every shape.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::body(data));
