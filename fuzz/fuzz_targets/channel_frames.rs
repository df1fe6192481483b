#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ilnp_relocate::fuzzing::channel_frames(data));
