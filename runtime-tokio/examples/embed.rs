//! A program that is a member of a cluster: joins the seeds given as arguments, prints who comes
//! and goes, and leaves in good order on ctrl-c.
//!
//! ```text
//! cargo run -p serf-tokio --example embed -- one 127.0.0.1:7946
//! cargo run -p serf-tokio --example embed -- two 127.0.0.1:7947 127.0.0.1:7946
//! ```

use serf_tokio::{Event, Options};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(bind)) = (args.next(), args.next()) else {
        return Err("expected arguments: NAME ADDRESS [SEED]...".into());
    };
    let seeds: Vec<String> = args.collect();

    let options = Options::new(name).bind(bind);
    let (node, mut events) = serf_tokio::bind_with_events(options).await?;
    if !seeds.is_empty() {
        let joined = node.join(&seeds).await?;
        println!("joined through {:?}", joined.contacted);
    }
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::Member(it))) => println!("{} {}", it.kind, it.member.name()),
                Some(Ok(_)) => {}
                Some(Err(lagged)) => println!("{lagged}"),
                None => return Ok(()),
            },
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                node.leave().await?;
            }
        }
    }
}
