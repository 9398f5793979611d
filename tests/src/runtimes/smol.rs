//! smol, with an executor for each test.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use serf_runtime::{BindError, Events, Handle, Options};
use smol::Executor;

use super::no_task_left;
use crate::Runtime;

/// smol on the thread of the test.
#[derive(Debug)]
pub enum Smol {}

thread_local! {
    static EXECUTOR: RefCell<Arc<Executor<'static>>> = RefCell::default();
}

impl Runtime for Smol {
    fn run(test: impl Future<Output = ()>) {
        let executor = Arc::new(Executor::new());
        EXECUTOR.set(Arc::clone(&executor));
        smol::block_on(executor.run(async {
            test.await;
            no_task_left::<Self>(|| usize::from(!executor.is_empty())).await;
        }));
        EXECUTOR.take();
    }

    async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
        let executor = EXECUTOR.with_borrow(Arc::clone);
        serf_smol::bind_with_events_on(executor, options).await
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        let executor = EXECUTOR.with_borrow(Arc::clone);
        serf_smol::bind_on(executor, options).await
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}
