#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ilnp_core::fuzzing::relocation_lines(data));
