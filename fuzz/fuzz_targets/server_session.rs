//! Fuzzes a server and a stranger: any bytes, at any pace, whatever the application does.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| traitwire_fuzz::server_session(data));
