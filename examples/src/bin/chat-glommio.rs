//! A chat over user events, on glommio.

#[cfg(target_os = "linux")]
fn main() -> serf_examples::Result {
    use glommio::LocalExecutorBuilder;
    use serf_examples::{Args, chat};

    let args = Args::parse()?;
    serf_glommio::executor(LocalExecutorBuilder::default())?.run(async {
        let (node, events) = serf_glommio::bind_with_events(args.options()).await?;
        chat::run(args, node.remote(), events).await
    })
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("glommio is for Linux");
}
