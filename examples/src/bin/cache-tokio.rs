//! A sharded cache that follows the membership, on tokio.

use serf_examples::{Args, Result, cache};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let args = Args::parse()?;
    let cache = cache::Cache::start(&args)?;
    let (node, events) = serf_tokio::bind_with_events(args.options().tags(cache.tags())).await?;
    cache::run(args, cache, node, events).await
}
