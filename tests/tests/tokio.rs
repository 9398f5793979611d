//! The conformance suite on tokio, on one thread and on several.

mod one_thread {
    serf_tests::conformance!(serf_tests::runtimes::OneThread);
}

mod many_threads {
    serf_tests::conformance!(serf_tests::runtimes::ManyThreads);
}
