//! The conformance suite on glommio.
#![cfg(target_os = "linux")]

serf_tests::conformance!(serf_tests::runtimes::Glommio);
