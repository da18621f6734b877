//! Fuzzes configuration files: policies and rules.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::config(data));
