//! A sharded cache that follows the membership, on glommio.

#[cfg(target_os = "linux")]
fn main() -> serf_examples::Result {
    use glommio::LocalExecutorBuilder;
    use serf_examples::{Args, cache};

    let args = Args::parse()?;
    let cache = cache::Cache::start(&args)?;
    serf_glommio::executor(LocalExecutorBuilder::default())?.run(async {
        let (node, events) =
            serf_glommio::bind_with_events(args.options().tags(cache.tags())).await?;
        cache::run(args, cache, node.remote(), events).await
    })
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("glommio is for Linux");
}
