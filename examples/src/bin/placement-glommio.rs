//! Where nodes can live with one thread per core: several on one executor, and one on each of
//! several executors, all in one cluster.

#[cfg(target_os = "linux")]
fn main() -> serf_examples::Result {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("glommio is for Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::thread::{self, JoinHandle};

    use async_channel::{Sender, bounded};
    use glommio::{LocalExecutorBuilder, Placement};
    use serf_examples::{Result, say};
    use serf_glommio::{BindError, Config, Handle, LocalHandle, Options, executor};

    pub(super) fn main() -> Result {
        let threads = executor(LocalExecutorBuilder::default())?.run(async {
            let seed = on_one_executor().await?;
            let threads = on_each_core(&seed).await?;
            seed.shutdown().await;
            Result::Ok(threads)
        })?;
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")?;
        }
        Ok(())
    }

    async fn bind(name: impl Into<String>) -> std::result::Result<LocalHandle, BindError> {
        let options = Options::new(name).bind("127.0.0.1:0");
        serf_glommio::bind(options.config(Config::local())).await
    }

    /// Several nodes: nothing but asking for them.
    async fn on_one_executor() -> Result<LocalHandle> {
        let first = bind("shared-0").await?;
        let seed = first.bind_addr().to_string();
        for i in 1..3 {
            let node = bind(format!("shared-{i}")).await?;
            let joined = node.join(&[&seed]).await?;
            say(format_args!(
                "{} joined {:?}",
                node.name(),
                joined.contacted
            ));
            node.leave().await?;
        }
        Ok(first)
    }

    /// A thread, an executor and a node for each core. The nodes' remote handles come back to
    /// this thread, and steer them from here.
    async fn on_each_core(seed: &LocalHandle) -> Result<Vec<JoinHandle<()>>> {
        let cores = thread::available_parallelism()?.get();
        let (started, nodes) = bounded(cores);
        let spawn = |core| {
            let started = started.clone();
            thread::spawn(move || {
                if let Err(error) = run_on(core, started) {
                    say(format_args!("core {core}: {error}"));
                }
            })
        };
        let threads = (0..cores).map(spawn).collect();
        drop(started);
        let seed_addr = seed.bind_addr().to_string();
        let mut joined = Vec::new();
        while let Ok(node) = nodes.recv().await {
            let contacted = node.join(&[&seed_addr]).await?.contacted;
            say(format_args!("{} joined {contacted:?}", node.name()));
            joined.push(node);
        }
        let seen = seed.stats().await?.alive - 1;
        say(format_args!("{seen} of {cores} cores seen"));
        for node in joined {
            node.shutdown().await;
        }
        Ok(threads)
    }

    fn run_on(core: usize, started: Sender<Handle>) -> Result {
        // A node needs none of the memory that is for files.
        let pinned = LocalExecutorBuilder::new(Placement::Fixed(core)).io_memory(64 << 10);
        executor(pinned)?.run(async {
            let node = bind(format!("core-{core}")).await?;
            started.send(node.remote()).await?;
            drop(started);
            node.stopped().await;
            Ok(())
        })
    }
}
