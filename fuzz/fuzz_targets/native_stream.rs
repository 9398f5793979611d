//! See `serf_fuzz::native_stream`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| serf_fuzz::native_stream(data));

#[cfg(not(fuzzing))]
fn main() {
    serf_fuzz::replay(serf_fuzz::native_stream);
}
