#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ilnp_dns::fuzzing::stub_request(data));
