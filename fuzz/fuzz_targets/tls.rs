//! Fuzzes TLS through the driver: any sizes of reads and writes, a turned bit, a cut, or a stranger.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::tls(data));
