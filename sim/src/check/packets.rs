//! No datagram is longer than the node's settings allow.

use super::{Check, Observation, Tally, Wants, What};

/// Every datagram fits in the `packet_budget` of its sender, and has a content.
#[derive(Debug, Clone, Default)]
pub struct Packets {
    /// By node.
    budgets: Vec<usize>,
    packets: u64,
}

impl Check for Packets {
    fn name(&self) -> &'static str {
        "datagrams fit in the packet budget"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::DATAGRAMS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        match seen.what {
            What::Started { params, .. } => {
                if self.budgets.len() <= seen.node {
                    self.budgets.resize(seen.node + 1, 0);
                }
                self.budgets[seen.node] = params.packet_budget;
                Ok(())
            }
            What::Datagram { to, bytes } => {
                // What is forged in the name of a node that never ran has no limit.
                let limit = self.budgets.get(seen.node).filter(|limit| **limit > 0);
                let Some(&limit) = limit else {
                    return Ok(());
                };
                self.packets += 1;
                if bytes.is_empty() || bytes.len() > limit {
                    let len = bytes.len();
                    return Err(format!(
                        "node {} sent {len} bytes to {to}, accepted is 1 to {limit}",
                        seen.node
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn tally(&self) -> Tally {
        vec![("datagrams", self.packets)]
    }
}

#[cfg(test)]
mod tests {
    use serf_core::{Config, Instant, Params};

    use super::*;

    #[test]
    fn a_datagram_past_the_budget_is_wrong() {
        let params = Params::new(Config {
            packet_budget: 508,
            ..Config::lan()
        })
        .expect("within bounds");
        let world = &crate::World::builder(0).build();
        let mut check = Packets::default();
        let mut observe = |what| {
            check
                .observe(&Observation {
                    at: Instant::ZERO,
                    node: 3,
                    what,
                    world,
                })
                .is_ok()
        };
        let to = ([10, 0, 0, 1], 7946).into();
        let (params, snapshot) = (&params, None);
        assert!(observe(What::Started { params, snapshot }));
        assert!(observe(What::Datagram {
            to,
            bytes: &[0; 508]
        }));
        assert!(!observe(What::Datagram {
            to,
            bytes: &[0; 509]
        }));
        assert!(!observe(What::Datagram { to, bytes: &[] }));
    }
}
