//! glommio, where the kernel lets it run.

use std::time::Duration;

use glommio::LocalExecutorBuilder;
use serf_runtime::{BindError, Events, Handle, Options};

use super::skipped;
use crate::Runtime;

/// An executor of glommio on the thread of the test.
#[derive(Debug)]
pub enum Glommio {}

/// True if it runs here; says why if it does not.
#[must_use]
pub fn glommio_runs() -> bool {
    match serf_glommio::check() {
        Ok(()) => true,
        Err(why) => {
            skipped(&format!("glommio: {why}"));
            false
        }
    }
}

impl Runtime for Glommio {
    fn run(test: impl Future<Output = ()>) {
        if !glommio_runs() {
            return;
        }
        let small = LocalExecutorBuilder::default().io_memory(64 << 10);
        let executor = serf_glommio::executor(small);
        executor.expect("glommio starts").run(test);
    }

    async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
        let (handle, events) = serf_glommio::bind_with_events(options).await?;
        Ok((handle.remote(), events))
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        Ok(serf_glommio::bind(options).await?.remote())
    }

    async fn sleep(duration: Duration) {
        glommio::timer::sleep(duration).await;
    }
}
