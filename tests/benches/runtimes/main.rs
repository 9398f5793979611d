//! What nodes cost on each runtime: many in one process, and one in a flood. And what it would save
//! to receive and send datagrams by the batch.
//!
//! ```text
//! cargo bench -p serf-tests --bench runtimes                # all
//! cargo bench -p serf-tests --bench runtimes -- smol        # of one runtime
//! cargo bench -p serf-tests --bench runtimes -- batches
//! ```
//!
//! Each part has a process of its own, and each runtime a single thread. Figures in CPU time mean
//! something on a machine that has other things to do, too; durations only on one that has not.
//! With `--test` all is small and quick, to see that it works.

#[cfg(target_os = "linux")]
mod batches;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod flood;
#[cfg(target_os = "linux")]
mod usage;

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Nodes in one process.
    nodes: usize,
    /// How long they are watched at rest.
    rest: Duration,
    /// User events that are spread, one after the other.
    events: usize,
    /// How long each rate of the flood lasts.
    flood: Duration,
    /// Rates of the flood between the highest that was taken and the lowest that was not.
    refinements: usize,
    /// Datagrams of which batches are made.
    datagrams: usize,
}

const FULL: Scale = Scale {
    nodes: 100,
    rest: Duration::from_secs(30),
    events: 20,
    flood: Duration::from_secs(5),
    refinements: 3,
    datagrams: 1 << 20,
};

const QUICK: Scale = Scale {
    nodes: 5,
    rest: Duration::from_millis(100),
    events: 2,
    flood: Duration::from_millis(100),
    refinements: 0,
    datagrams: 1 << 10,
};

#[cfg(target_os = "linux")]
fn main() {
    use serf_tests::runtimes::{Glommio, OneThread, Smol, glommio_runs};

    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--test");
    let scale = if quick { QUICK } else { FULL };
    match args.iter().find(|arg| !arg.starts_with('-')) {
        None => each_in_its_process(quick),
        Some(part) => match part.as_str() {
            "tokio" => runtime::<OneThread>("tokio", &scale),
            "smol" => runtime::<Smol>("smol", &scale),
            "glommio" if !glommio_runs() => {}
            "glommio" => runtime::<Glommio>("glommio", &scale),
            "batches" => batches::measure(&scale),
            other => panic!("no part called {other:?}: tokio, smol, glommio, batches"),
        },
    }
}

#[cfg(target_os = "linux")]
fn each_in_its_process(quick: bool) {
    let this = std::env::current_exe().expect("this program is a file");
    for part in ["tokio", "smol", "glommio", "batches"] {
        let mut command = std::process::Command::new(&this);
        command.arg(part).args(quick.then_some("--test"));
        let status = command.status().expect("it starts again");
        assert!(status.success(), "{part}: {status}");
    }
}

#[cfg(target_os = "linux")]
fn runtime<R: serf_tests::Runtime>(name: &str, scale: &Scale) {
    println!("{name}");
    R::run(crowd::measure::<R>(scale));
    R::run(flood::measure::<R>(scale));
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("CPU time and memory are asked for in Linux's way");
}
