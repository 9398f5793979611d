//! Two nodes of one name: who keeps it (wire-protocol reference, section 8.8).
//!
//! Both ask the others whom they know by that name, and each other whether they are there. A node
//! gives way only if the other one is, and clearly more than half of all the others know that one:
//! whoever comes back at a new address is not stopped by the memory of where it was. As nobody says
//! both, never both of two contenders give way, whatever gets lost; where nobody has a majority both
//! stay, and go on to say so.

use alloc::vec::Vec;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::outbox::Output;
use super::wires::Dest;
use super::{Node, Phase};
use crate::event::Event;
use crate::member::Status;
use crate::message::{self, RawName};
use crate::serf::collector::Answer;
use crate::serf::query::{QueryKey, QueryParams};
use crate::wire::Wire;
use crate::wire::memberlist::{MemberRecord, read_conflict_response, write_conflict_response};

/// The vote about this node's name that is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Vote {
    query: QueryKey,
    /// The other who claims the name.
    rival: SocketAddr,
    /// The number of the ping that asks whether it is there, and whether it has answered.
    ping: u32,
    rival_answers: bool,
    /// How many others were known when it began.
    electorate: usize,
    votes: usize,
    for_me: usize,
    for_rival: usize,
}

impl Node {
    /// Somebody else claims this node's name: asks the others who it is.
    pub(super) fn begin_vote(&mut self, rival: SocketAddr) {
        if !self.params.resolve_conflicts || self.vote.is_some() || self.phase != Phase::Running {
            return;
        }
        let payload = self.name.clone();
        let electorate = self.table.live() - 1;
        let ping = self.take_seq();
        let begin = |node: &mut Self, query| {
            node.vote = Some(Vote {
                query,
                rival,
                ping,
                rival_answers: false,
                electorate,
                votes: 0,
                for_me: 0,
                for_rival: 0,
            });
        };
        // Too many queries under way: the next time that the conflict shows.
        let begun = self.begin_query(
            "_serf_conflict",
            payload.as_bytes(),
            &QueryParams::default(),
            begin,
        );
        if begun.is_err() {
            return;
        }
        // Nobody has said which wires the rival understands.
        for wire in [Wire::Memberlist, Wire::Native] {
            if !self.params.wires.include(wire) {
                continue;
            }
            self.push(Output::Ping {
                seq: ping,
                target: payload.clone(),
                to: Dest::stranger(rival, wire),
                suspected: None,
            });
        }
    }

    /// An ack came. True if it is the other claimant's.
    pub(super) fn take_rivals_ack(&mut self, seq: u32) -> bool {
        let vote = self.vote.as_mut().filter(|vote| vote.ping == seq);
        vote.is_some_and(|vote| {
            vote.rival_answers = true;
            true
        })
    }

    /// Takes a vote about this node's name. Gives the answer back if it is none.
    pub(super) fn take_vote(&mut self, query: QueryKey, answer: Answer) -> Option<Answer> {
        let own = self.addr;
        let Some(vote) = self.vote.as_mut().filter(|vote| vote.query == query) else {
            return Some(answer);
        };
        let Answer::Response { payload, .. } = answer else {
            return None;
        };
        vote.votes += 1;
        if let Ok(Some(member)) = read_conflict_response(&payload) {
            vote.for_me += usize::from(same(member.addr, own));
            vote.for_rival += usize::from(same(member.addr, vote.rival));
        }
        None
    }

    /// The vote is over. False if the query was none.
    pub(super) fn end_vote(&mut self, query: QueryKey) -> bool {
        let Some(vote) = self.vote.take_if(|vote| vote.query == query) else {
            return false;
        };
        let Vote {
            rival,
            rival_answers,
            electorate,
            votes,
            for_me,
            for_rival,
            ..
        } = vote;
        // Whoever came into view since may have voted, too, after a partition almost all; and whoever did
        // counts, in view or not.
        let electorate = electorate.max(self.table.live() - 1).max(votes);
        let outvoted = rival_answers && for_rival > quorum(electorate);
        let lost = outvoted && self.phase == Phase::Running;
        self.event(Event::NameVote {
            rival,
            for_me,
            for_rival,
            lost,
        });
        if lost {
            self.stop();
        }
        true
    }

    /// Says whom this node knows by a name. The contenders themselves have no vote.
    pub(super) fn answer_conflict_query(&self, query: &message::Query<'_>) -> Option<Vec<u8>> {
        let name = RawName::new(query.payload);
        if name == self.name {
            return None;
        }
        let mut answer = Vec::new();
        let record = self.table.find(name).and_then(|slot| self.table.get(slot));
        let Some(record) = record else {
            write_conflict_response(&mut answer, None);
            return Some(answer);
        };
        let member = record.to_member(self.params.wires);
        let record = MemberRecord {
            name,
            addr: member.addr(),
            tags: member.tags(),
            status: match member.status() {
                Status::Alive => 1,
                Status::Leaving => 2,
                Status::Left => 3,
                Status::Failed => 4,
            },
            versions: member.versions(),
        };
        write_conflict_response(&mut answer, Some(&record));
        if !self.response_fits(&answer) {
            // The tags are not what is asked for.
            answer.clear();
            let tags = crate::Tags::new();
            write_conflict_response(&mut answer, Some(&MemberRecord { tags, ..record }));
        }
        Some(answer)
    }
}

/// So many votes are not enough yet: half, and a sixteenth, which is something from 16 others on.
/// After a partition some members are not in view again when a vote ends, or do not answer, or have
/// come to know the other claimant: one half must not become a majority by that.
const fn quorum(electorate: usize) -> usize {
    electorate / 2 + electorate / 16
}

fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use super::quorum;

    #[test]
    fn one_of_two_halves_is_no_majority_although_a_tenth_is_out_of_view() {
        for others in (0..12_000).step_by(160) {
            let in_view = others - others / 10;
            assert!(others / 2 <= quorum(in_view), "{others} others");
        }
        // Where each counts, more than half is enough.
        assert_eq!([1, 2, 3, 15].map(quorum), [0, 1, 1, 7]);
        assert_eq!([18, 9_998].map(quorum), [10, 5_623]);
    }
}
