//! People talk by user events: each line is told to all members once.

use futures_lite::future::or;
use serf_runtime::{Event, Events, Handle, Lagged};

use crate::{Args, Result, lines, say};

/// The name of the events.
const SAID: &str = "said";

enum Next {
    Typed(Option<String>),
    Happened(Option<std::result::Result<Event, Lagged>>),
}

/// Chats until the end of the input, then leaves.
///
/// # Errors
/// The cluster could not be joined, or a line is too long for an event.
pub async fn run(args: Args, node: Handle, mut events: Events) -> Result {
    if !args.seeds.is_empty() {
        let joined = node.join(&args.seeds).await?;
        say(format_args!("joined through {:?}", joined.contacted));
    }
    let lines = lines();
    loop {
        let typed = async { Next::Typed(lines.recv().await.ok()) };
        let happened = async { Next::Happened(events.next().await) };
        match or(typed, happened).await {
            Next::Typed(Some(line)) => {
                let said = format!("{}: {line}", args.name);
                node.user_event(SAID, said.as_bytes(), false).await?;
            }
            Next::Typed(None) => {
                node.leave().await?;
                return Ok(());
            }
            Next::Happened(Some(Ok(Event::User(event)))) if &*event.name == SAID => {
                say(String::from_utf8_lossy(&event.payload));
            }
            Next::Happened(Some(Ok(Event::Member(change)))) => {
                say(format_args!("{} {}", change.kind, change.member.name()));
            }
            Next::Happened(Some(Ok(_))) => {}
            Next::Happened(Some(Err(lagged))) => say(lagged),
            Next::Happened(None) => return Ok(()),
        }
    }
}
