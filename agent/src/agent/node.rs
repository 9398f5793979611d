//! Starting the node on the runtime of the operator's choice.
//!
//! The handle crosses threads, so that the rest of the agent does not know which one it is.

use serf_tokio::{Events, Handle, Options};

use crate::config::Runtime;

/// Starts the node.
///
/// # Errors
/// In words for the operator: what is wrong with the options, or why the runtime cannot be used.
pub(super) async fn start(runtime: Runtime, options: Options) -> Result<(Handle, Events), String> {
    match runtime {
        Runtime::Tokio => said(serf_tokio::bind_with_events(options).await),
        #[cfg(feature = "smol")]
        Runtime::Smol => said(serf_smol::bind_with_events(options).await),
        #[cfg(all(feature = "glommio", target_os = "linux"))]
        Runtime::Glommio => glommio::start(options).await,
    }
}

fn said<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

#[cfg(all(feature = "glommio", target_os = "linux"))]
mod glommio {
    use std::thread;

    use glommio::LocalExecutorBuilder;
    use serf_tokio::{Events, Handle, Options};
    use tokio::sync::oneshot;

    use super::said;

    /// Memory for operations on files, of which there are none here: as little as there can be.
    const IO_MEMORY: usize = 64 * 1024;

    /// Starts the node on a thread that ends with it.
    pub(super) async fn start(options: Options) -> Result<(Handle, Events), String> {
        let (reply, answer) = oneshot::channel();
        thread::Builder::new()
            .name("serf-glommio".to_owned())
            .spawn(move || run(options, reply))
            .map_err(|error| format!("cannot start a thread for glommio: {error}"))?;
        let answer = answer.await;
        answer.unwrap_or_else(|_| Err("glommio ended unexpectedly".to_owned()))
    }

    fn run(options: Options, reply: oneshot::Sender<Result<(Handle, Events), String>>) {
        let builder = LocalExecutorBuilder::default().io_memory(IO_MEMORY);
        let executor = match said(serf_glommio::executor(builder)) {
            Ok(executor) => executor,
            Err(why) => return drop(reply.send(Err(why))),
        };
        executor.run(async {
            let (handle, events) = match said(serf_glommio::bind_with_events(options).await) {
                Ok(started) => started,
                Err(why) => return drop(reply.send(Err(why))),
            };
            let remote = handle.remote();
            drop(handle);
            let stopped = remote.clone();
            // Whoever asked waits for it.
            let _ = reply.send(Ok((remote, events)));
            stopped.stopped().await;
        });
    }
}
