//! How many instructions a node-second takes in a cluster at rest. Unlike time, that does not
//! depend on the machine or on what else it does.
//!
//! ```text
//! cargo run --release -p serf-sim --example instructions -- 100 1000
//! ```
//! Needs valgrind. Each cluster runs under callgrind twice, for a few and for more seconds, and
//! the difference is divided: what setting up costs falls out.
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement of this program starts it anew under valgrind"
)]

mod load;

use std::env;
use std::process::{Command, ExitCode};
use std::time::Duration;

use load::Load;

const FEW: u64 = 5;
const MANY: u64 = 25;

fn main() -> ExitCode {
    let args: Vec<usize> = env::args()
        .skip(1)
        .filter_map(|it| it.parse().ok())
        .collect();
    if let (Ok(_), [load, nodes, seconds]) = (env::var("CALLGRIND"), &args[..]) {
        run(Load::ALL[*load], *nodes, *seconds as u64);
        return ExitCode::SUCCESS;
    }
    let sizes = if args.is_empty() {
        &[100, 1_000]
    } else {
        &args[..]
    };
    println!(
        "{:<18} {:>7} {:>28}",
        "load", "nodes", "instructions per node-second"
    );
    for &nodes in sizes {
        for (nth, load) in Load::ALL.into_iter().enumerate() {
            let (Some(few), Some(many)) = (count(nth, nodes, FEW), count(nth, nodes, MANY)) else {
                eprintln!("valgrind is not installed, or could not run this program");
                return ExitCode::FAILURE;
            };
            let per = (many - few) as f64 / ((MANY - FEW) as usize * nodes) as f64;
            println!("{:<18} {nodes:>7} {per:>28.0}", load.name());
        }
    }
    ExitCode::SUCCESS
}

fn run(load: Load, nodes: usize, seconds: u64) {
    let mut world = load.world(1).nodes(nodes).joined().build();
    let ran = world.run_for(Duration::from_secs(seconds));
    ran.expect("nothing goes wrong in a cluster at rest");
}

/// Instructions of one run.
fn count(load: usize, nodes: usize, seconds: u64) -> Option<u64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .args([load.to_string(), nodes.to_string(), seconds.to_string()])
        .env("CALLGRIND", "1")
        .output()
        .ok()?;
    let stderr = String::from_utf8_lossy(&out.stderr);
    let line = stderr.lines().find(|line| line.contains("Collected"))?;
    line.split(':').nth(1)?.trim().parse().ok()
}
