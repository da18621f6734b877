//! Fuzzes the envelope: every frame kind's body reader, behind a machine that has shaken hands.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::frames(data));
