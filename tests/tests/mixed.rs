//! The conformance suite on clusters of all runtimes: two nodes are of each pair of runtimes,
//! three are of all.

mod tokio_first {
    serf_tests::conformance!(serf_tests::runtimes::Mixed<0>);
}

mod smol_first {
    serf_tests::conformance!(serf_tests::runtimes::Mixed<1>);
}

mod glommio_first {
    serf_tests::conformance!(serf_tests::runtimes::Mixed<2>);
}
