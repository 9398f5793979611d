//! The conformance suite on tokio, on one thread and on several.

use std::time::Duration;

use serf_tests::Runtime;
use serf_tokio::{BindError, Handle, Options};
use tokio::runtime::Builder;

struct OneThread;

impl Runtime for OneThread {
    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("tokio starts").block_on(test);
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        serf_tokio::bind(options).await
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct ManyThreads;

impl Runtime for ManyThreads {
    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("tokio starts").block_on(test);
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        serf_tokio::bind(options).await
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

mod one_thread {
    serf_tests::conformance!(super::OneThread);
}

mod many_threads {
    serf_tests::conformance!(super::ManyThreads);
}
