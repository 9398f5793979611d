//! Whether the node does what it is there for, for load balancers and supervisors.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use serf_core::{Event, Name};
use serf_tokio::Stats;
use tokio::time::Instant;

/// How long a member counts as out of reach for datagrams after it was found so.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Members that are remembered so.
const KEPT: usize = 256;

/// A local health score from which on a node is of doubtful use: half of what it can be.
const UNWELL: u8 = 4;

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    /// `ready` or `degraded`.
    pub(crate) status: &'static str,
    /// Why it is not ready; empty if it is.
    pub(crate) reasons: Vec<String>,
    /// Members that take part, this one included.
    pub(crate) alive: usize,
    /// Members that failed.
    pub(crate) failed: usize,
}

impl Health {
    pub(crate) fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Signs of trouble that no number tells of.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    /// When members were last found not to answer to datagrams.
    unreached: Mutex<BTreeMap<Name, Instant>>,
}

impl Signs {
    /// Takes note of an event, if it is a sign of trouble.
    pub(crate) fn note(&self, event: &Event) {
        let Event::DatagramsLost { member } = event else {
            return;
        };
        let mut unreached = self
            .unreached
            .lock()
            .expect("nothing panics with this lock");
        if unreached.len() < KEPT || unreached.contains_key(member.name()) {
            unreached.insert(member.name().clone(), Instant::now());
        }
    }

    fn unreached(&self) -> usize {
        let mut unreached = self
            .unreached
            .lock()
            .expect("nothing panics with this lock");
        unreached.retain(|_, since| since.elapsed() < REMEMBERED);
        unreached.len()
    }

    /// The health of a node with these numbers.
    pub(crate) fn judge(&self, stats: &Stats, leaving: bool) -> Health {
        judge(&State {
            alive: stats.alive,
            failed: stats.failed,
            score: stats.health_score,
            unreached: self.unreached(),
            cannot_decrypt: stats.cannot_decrypt,
            leaving,
        })
    }
}

/// What health depends on.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    alive: usize,
    failed: usize,
    score: u8,
    unreached: usize,
    cannot_decrypt: bool,
    leaving: bool,
}

fn judge(state: &State) -> Health {
    let &State {
        alive,
        failed,
        score,
        unreached,
        cannot_decrypt,
        leaving,
    } = state;
    let mut reasons = Vec::new();
    if leaving {
        reasons.push("leaving: the node is on its way out".to_owned());
    }
    if cannot_decrypt {
        let text = "cannot-decrypt: others send what no key of this node decrypts; \
                    give it a key that they have";
        reasons.push(text.to_owned());
    }
    if alive <= 1 {
        reasons.push("alone: no other member takes part".to_owned());
    }
    if unreached > 0 {
        reasons.push(format!(
            "udp-one-way: {unreached} members answer over TCP but not over UDP"
        ));
    }
    if score >= UNWELL {
        reasons.push(format!(
            "slow: the local health score is {score}, so answers come late or not at all"
        ));
    }
    Health {
        status: if reasons.is_empty() {
            "ready"
        } else {
            "degraded"
        },
        reasons,
        alive,
        failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_with_company_is_ready_and_otherwise_the_reasons_are_named() {
        let well = State {
            alive: 2,
            failed: 5,
            ..State::default()
        };
        assert!(judge(&well).is_ready());
        for (state, reason) in [
            (State { alive: 1, ..well }, "alone"),
            (
                State {
                    unreached: 1,
                    ..well
                },
                "udp-one-way",
            ),
            (State { score: 4, ..well }, "slow"),
            (
                State {
                    cannot_decrypt: true,
                    ..well
                },
                "cannot-decrypt",
            ),
            (
                State {
                    leaving: true,
                    ..well
                },
                "leaving",
            ),
        ] {
            let health = judge(&state);
            assert_eq!(health.status, "degraded");
            assert_eq!(health.reasons.len(), 1);
            assert!(health.reasons[0].starts_with(reason), "{health:?}");
        }
    }
}
