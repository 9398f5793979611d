//! What tests of any adapter need: a runtime, addresses, settings, patience.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_lite::future;
use serf_runtime::{BindError, Config, Event, Events, Handle, Member, MemberEventKind, Options};
use serf_runtime::{MemberEvent, Status};

/// A runtime, as far as tests need one.
pub trait Runtime {
    /// Runs a test to its end.
    fn run(test: impl Future<Output = ()>);

    /// Starts a node; the adapter's `bind_with_events`.
    fn bind_with_events(
        options: Options,
    ) -> impl Future<Output = Result<(Handle, Events), BindError>>;

    /// Starts a node; the adapter's `bind`.
    fn bind(options: Options) -> impl Future<Output = Result<Handle, BindError>>;

    /// Counts nodes that another process has started: what runs nodes in turn goes on from there.
    fn skip(_nodes: usize) {}

    /// Waits.
    fn sleep(duration: Duration) -> impl Future<Output = ()>;
}

/// How long a test waits for what ought to happen soon.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a future, and panics if that takes longer than anything here should.
pub async fn within<R: Runtime, T>(what: &str, future: impl Future<Output = T>) -> T {
    let give_up = async {
        R::sleep(PATIENCE).await;
        panic!("waited {PATIENCE:?} in vain: {what}");
    };
    future::or(future, give_up).await
}

/// Asks again and again until the answer is yes, and panics if it never is.
pub async fn eventually<R: Runtime>(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            R::sleep(Duration::from_millis(5)).await;
        }
    };
    within::<R, _>(what, asking).await;
}

/// A loopback address that no other test of this process uses.
#[must_use]
pub fn loopback() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, c, d] = n.to_be_bytes();
    // Processes that test at the same time mostly get blocks of their own; ports do the rest.
    let block = 100 + (std::process::id() % 100) as u8;
    Ipv4Addr::new(127, block, c, d)
}

/// Settings under which failures show within a second.
pub(crate) fn fast() -> Config {
    Config {
        probe_interval: Duration::from_millis(50),
        probe_timeout: Duration::from_millis(40),
        gossip_interval: Duration::from_millis(10),
        // With the two of a local cluster, both copies of a query may go to the same member, on
        // pings and acks, and nothing makes up for that.
        retransmit_mult: 8,
        push_pull_interval: Duration::from_secs(2),
        stream_timeout: Duration::from_secs(5),
        broadcast_timeout: Duration::from_secs(2),
        leave_propagate_delay: Duration::from_millis(50),
        reconnect_interval: Duration::from_millis(200),
        ..Config::local()
    }
}

/// Options for a fast node on a loopback address of its own and any free port.
#[must_use]
pub fn options(name: &str) -> Options {
    Options::new(name)
        .bind(format!("{}:0", loopback()))
        .config(fast())
}

/// Starts a node as by [`options`].
pub(crate) async fn start<R: Runtime>(name: &str) -> Handle {
    R::bind(options(name)).await.unwrap()
}

/// Starts nodes of these names, all of which join the first.
pub(crate) async fn cluster<R: Runtime, const N: usize>(names: [&str; N]) -> [Handle; N] {
    let mut nodes: Vec<Handle> = Vec::new();
    for name in names {
        nodes.push(start::<R>(name).await);
    }
    for node in &nodes[1..] {
        join::<R>(node, &nodes[0]).await;
    }
    for node in &nodes {
        for name in names {
            sees::<R>(node, name, Status::Alive).await;
        }
    }
    nodes.try_into().unwrap()
}

/// Lets a node join another.
pub(crate) async fn join<R: Runtime>(node: &Handle, seed: &Handle) {
    let seeds = [seed.advertise_addr().to_string()];
    let joined = within::<R, _>("joining", node.join(&seeds)).await.unwrap();
    assert_eq!(joined.contacted, [seed.advertise_addr()]);
    assert_eq!(joined.failed, []);
}

/// The member of that name, as the node sees it.
pub(crate) async fn member(node: &Handle, name: &str) -> Option<Member> {
    let members = node.members().await.unwrap();
    members.into_iter().find(|m| m.name().as_str() == name)
}

/// Waits until the node sees the member in that status.
pub(crate) async fn sees<R: Runtime>(node: &Handle, name: &str, status: Status) {
    let what = format!("{} should see {name} as {status}", node.name());
    eventually::<R>(&what, async || {
        member(node, name)
            .await
            .is_some_and(|m| m.status() == status)
    })
    .await;
}

/// Waits for a change of that kind to that member, and passes over all other events.
pub(crate) async fn hears<R: Runtime>(
    events: &mut Events,
    kind: MemberEventKind,
    name: &str,
) -> MemberEvent {
    let listening = async {
        loop {
            let event = events.next().await.expect("the node runs");
            let Event::Member(change) = event.expect("the test keeps up") else {
                continue;
            };
            if change.kind == kind && change.member.name().as_str() == name {
                return change;
            }
        }
    };
    within::<R, _>(&format!("{kind} of {name} should be heard of"), listening).await
}
