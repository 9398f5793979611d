//! A chat over user events, on tokio.

use serf_examples::{Args, Result, chat};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let args = Args::parse()?;
    let (node, events) = serf_tokio::bind_with_events(args.options()).await?;
    chat::run(args, node, events).await
}
