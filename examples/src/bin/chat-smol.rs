//! A chat over user events, on smol.

use serf_examples::{Args, Result, chat};

fn main() -> Result {
    let args = Args::parse()?;
    smol::block_on(async {
        let (node, events) = serf_smol::bind_with_events(args.options()).await?;
        chat::run(args, node, events).await
    })
}
