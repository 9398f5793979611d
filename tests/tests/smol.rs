//! The conformance suite on smol.

serf_tests::conformance!(serf_tests::runtimes::Smol);
