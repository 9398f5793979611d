//! What people do in a drawn scenario: use the cluster, add machines to it, change its keys.

use std::time::Duration;

use super::Draw;
use crate::scenario::fault::{Fault, Join, Whom};
use crate::scenario::work::{Churn, Event, Work};
use crate::scenario::{GiveKeys, Namesake, Nodes, Query, RotateKey, Scenario, Share, Span};

impl Draw {
    pub(super) fn work(&mut self) -> Vec<Work> {
        let mut work = Vec::new();
        let until = Some(Span(Duration::from_secs(150)));
        if !self.one_in(3) {
            work.push(Work {
                until,
                every: self.span(50, 10_000),
                event: Some(Event {
                    nodes: Nodes::All,
                    payload: self.pick(&[0, 10, 100, 400]),
                }),
                ..Work::default()
            });
        }
        if self.one_in(3) {
            work.push(Work {
                until,
                every: self.span(100, 10_000),
                tags: Some(Whom { nodes: Nodes::All }),
                ..Work::default()
            });
        }
        if self.one_in(3) {
            work.push(Work {
                until,
                every: self.span(500, 20_000),
                query: Some(Query {
                    nodes: Nodes::All,
                    payload: self.pick(&[0, 10, 100]),
                    timeout: None,
                    relays: self.pick(&[0, 0, 2]),
                }),
                ..Work::default()
            });
        }
        let until = Some(Span(Duration::from_secs(90)));
        if self.one_in(4) {
            let every = self.span(1_000, 20_000);
            let nodes = self.some();
            work.push(Work {
                until,
                every,
                churn: Some(Churn {
                    nodes: self.but_door(nodes),
                    away: self.span(12_000, 40_000),
                    crash: self.one_in(2),
                }),
                ..Work::default()
            });
        }
        if self.one_in(8) {
            let every = self.span(100, 10_000);
            let nodes = self.some();
            let nodes = self.but_door(nodes);
            work.push(Work {
                until,
                every,
                leave: Some(Whom { nodes }),
                ..Work::default()
            });
        }
        work
    }

    /// The nodes from here on are late: they come one after the other, or all at once.
    pub(super) fn latecomers(&mut self, from: usize) -> (Option<Fault>, Option<Work>) {
        let nodes = Nodes::range(from, self.nodes);
        if from == self.nodes {
            return (None, None);
        }
        if self.one_in(2) {
            let replay = self.one_in(2);
            let fault = Fault {
                at: self.span(0, 90_000),
                join: Some(Join { nodes, replay }),
                ..Fault::default()
            };
            return (Some(fault), None);
        }
        let work = Work {
            from: self.span(0, 30_000),
            until: Some(Span(Duration::from_secs(90))),
            every: self.span(10, 5_000),
            join: Some(Whom { nodes }),
            ..Work::default()
        };
        (None, Some(work))
    }

    /// The node after all others comes up under the name of one of them.
    pub(super) fn namesake(&mut self) -> Fault {
        let of = self.below(self.nodes as u64) as usize;
        let through = self.below(self.nodes as u64) as usize;
        Fault {
            at: self.span(0, 90_000),
            namesake: Some(Namesake {
                nodes: Nodes::these(&[self.nodes]),
                of: of.into(),
                through: self.one_in(2).then(|| through.into()),
            }),
            ..Fault::default()
        }
    }

    /// Perhaps some nodes ask all others once these agree again, and all have to answer: node 0, which
    /// is always there, and two more, which may be down. A query goes round by gossip alone, so that
    /// this holds only where nothing is lost and it is sent so often that it misses nobody, with 80
    /// nodes once in six million queries.
    pub(super) fn last_question(&mut self, scenario: &mut Scenario, settled: Duration) {
        let network = &scenario.network;
        let lossless = [network.loss, network.flip, network.truncate] == [Share::default(); 3];
        let asked = scenario.work.iter().any(|work| work.query.is_some());
        let mut faults = scenario.faults.iter();
        let apart = faults.any(|fault| fault.rotate.is_some() || fault.namesake.is_some());
        if !lossless || asked || apart || !scenario.groups.is_empty() || !self.one_in(4) {
            return;
        }
        let within = Span(Duration::from_secs(20));
        scenario.config.retransmit_mult = Some(10);
        scenario.expect.answered_by_all_within = Some(within);
        let (payload, relays) = (self.pick(&[0, 10, 100]), self.pick(&[0, 0, 2]));
        let mut any = || self.below(scenario.cluster.nodes as u64) as usize;
        let askers = [0, any(), any()];
        scenario.faults.push(Fault {
            at: Span(settled),
            query: Some(Query {
                nodes: Nodes::these(&askers),
                payload,
                timeout: Some(within),
                relays,
            }),
            ..Fault::default()
        });
    }

    /// The cluster gets another key while it runs. Whoever misses a step of that hears nobody any
    /// more, so somebody gives all of them the keys by hand: soon, and once all else is over.
    pub(super) fn rotation(&mut self, calm: Duration) -> Vec<Fault> {
        let key = || Some(super::NEW_KEY.to_owned());
        let at = self.span(5_000, 90_000).0;
        let by = (self.below(self.nodes as u64) as usize).into();
        let rotate = |seconds: u64, rotate: RotateKey| Fault {
            at: Span(at + Duration::from_secs(seconds)),
            rotate: Some(RotateKey { by, ..rotate }),
            ..Fault::default()
        };
        let given = |at| Fault {
            at: Span(at),
            keys: Some(GiveKeys {
                nodes: Nodes::All,
                ring: vec![super::NEW_KEY.to_owned(), super::OLD_KEY.to_owned()],
            }),
            ..Fault::default()
        };
        let by_hand = at + Duration::from_secs(40);
        vec![
            rotate(
                0,
                RotateKey {
                    install: key(),
                    ..RotateKey::default()
                },
            ),
            rotate(
                10,
                RotateKey {
                    use_key: key(),
                    ..RotateKey::default()
                },
            ),
            rotate(
                20,
                RotateKey {
                    remove: Some(super::OLD_KEY.to_owned()),
                    ..RotateKey::default()
                },
            ),
            given(by_hand),
            given(calm.max(by_hand)),
        ]
    }
}
