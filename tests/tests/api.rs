//! The adapters have one API: the same types, calls and errors, and `bind` alone is each one's own.

use serf_runtime::{BindError, Events, Handle, Options};

/// The public items of an adapter, as far as they are in its first line.
fn public_items(source: &str) -> Vec<&str> {
    source.lines().filter(|l| l.starts_with("pub ")).collect()
}

const SHARED: &str = "pub use serf_runtime::*;";
const BIND: &str = "pub async fn bind(options: Options) -> Result<Handle, BindError> {";
const WITH_EVENTS: &str =
    "pub async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {";

#[test]
fn an_adapter_adds_to_what_all_share_only_what_its_runtime_asks_for() {
    let tokio = public_items(include_str!("../../runtime-tokio/src/lib.rs"));
    assert_eq!(tokio, [SHARED, BIND, WITH_EVENTS]);

    // An executor may be one's own.
    let smol = public_items(include_str!("../../runtime-smol/src/lib.rs"));
    let own = ["pub async fn bind_on(", "pub async fn bind_with_events_on("];
    assert_eq!(smol, [&[SHARED, BIND, WITH_EVENTS], &own[..]].concat());

    // Its handle stays on its thread, and the kernel may not allow it.
    let glommio = public_items(include_str!("../../runtime-glommio/src/lib.rs"));
    let local = |item: &str| item.replace("Handle", "LocalHandle");
    let expected = [
        SHARED,
        "pub use available::{Unavailable, check, executor};",
        "pub use handle::LocalHandle;",
        &local(BIND),
        &local(WITH_EVENTS),
    ];
    assert_eq!(glommio, expected);
}

/// Fails to compile if an adapter has another type under one of these names than all others.
macro_rules! same_types {
    ($($adapter:ident)*) => {
        $(
            const _: () = {
                same_types!(@each $adapter:
                    Answer Answers AnswerError BindError CallError CommandError Config Coordinate
                    Counters Event Events Handle Joined JoinError Key KeyOperation KeyReport Keyring
                    Lagged LamportTime Left Member MemberEvent Name Options Query QueryParams
                    QuerySummary RespondError SeedFailure SeedFailureReason Spread Stats Status
                    Stopped StreamFailure Tags UserEvent
                );
            };
        )*
    };
    (@each $adapter:ident: $($name:ident)*) => {
        $(const _: fn($adapter::$name) -> serf_runtime::$name = |same| same;)*
    };
}

same_types!(serf_tokio serf_smol);
#[cfg(target_os = "linux")]
same_types!(serf_glommio);

/// Takes the calls of an adapter whose handle stays on its thread, and does not compile with others.
#[cfg(target_os = "linux")]
fn starts_here<H, F, G>(_bind: impl Fn(Options) -> F, _with_events: impl Fn(Options) -> G)
where
    H: std::ops::Deref<Target = Handle> + Clone + std::fmt::Debug,
    F: Future<Output = Result<H, BindError>>,
    G: Future<Output = Result<(H, Events), BindError>>,
{
}

/// As above, of an adapter whose nodes may be on any thread.
fn starts_anywhere<F, G>(_bind: impl Fn(Options) -> F, _with_events: impl Fn(Options) -> G)
where
    F: Future<Output = Result<Handle, BindError>> + Send,
    G: Future<Output = Result<(Handle, Events), BindError>> + Send,
{
}

#[test]
fn every_adapter_starts_nodes_by_the_same_calls() {
    starts_anywhere(serf_tokio::bind, serf_tokio::bind_with_events);
    starts_anywhere(serf_smol::bind, serf_smol::bind_with_events);
    #[cfg(target_os = "linux")]
    starts_here::<serf_glommio::LocalHandle, _, _>(
        serf_glommio::bind,
        serf_glommio::bind_with_events,
    );
}
