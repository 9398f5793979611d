//! A sharded cache that follows the membership, on smol.

use serf_examples::{Args, Result, cache};

fn main() -> Result {
    let args = Args::parse()?;
    let cache = cache::Cache::start(&args)?;
    smol::block_on(async {
        let (node, events) = serf_smol::bind_with_events(args.options().tags(cache.tags())).await?;
        cache::run(args, cache, node, events).await
    })
}
