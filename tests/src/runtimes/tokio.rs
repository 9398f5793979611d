//! tokio, with one thread and with several.

use std::time::Duration;

use serf_runtime::{BindError, Events, Handle, Options};
use tokio::runtime::Builder;

use super::no_task_left;
use crate::Runtime;

/// tokio on the thread of the test alone.
#[derive(Debug)]
pub enum OneThread {}

/// tokio with two threads besides that of the test.
#[derive(Debug)]
pub enum ManyThreads {}

fn run<R: Runtime>(runtime: &tokio::runtime::Runtime, test: impl Future<Output = ()>) {
    runtime.block_on(test);
    let tasks = || runtime.metrics().num_alive_tasks();
    runtime.block_on(no_task_left::<R>(tasks));
}

impl Runtime for OneThread {
    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        run::<Self>(&runtime.expect("tokio starts"), test);
    }

    async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
        serf_tokio::bind_with_events(options).await
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        serf_tokio::bind(options).await
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Runtime for ManyThreads {
    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        run::<Self>(&runtime.expect("tokio starts"), test);
    }

    async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
        serf_tokio::bind_with_events(options).await
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        serf_tokio::bind(options).await
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
