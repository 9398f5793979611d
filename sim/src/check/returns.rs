//! Nobody comes back from the dead but by a newer word of its own.

use std::time::Duration;

use serf_core::{Event, MemberEventKind};

use super::rows::Rows;
use super::{Check, Observation, Tally, Wants, What, settling_time};
use crate::host::State;
use crate::world::World;

/// A member that a node took for failed or gone is alive to it again only under a higher
/// incarnation, one that the member really had; or at a new address. After it was forgotten, any will do, unless the
/// member has been down for the [settling time](super::settling_time) and no old datagram has come back for as long:
/// its announcement in one looks like that of a new member. And nobody is ever alive who was never started.
#[derive(Debug, Clone, Default)]
pub struct Returns {
    /// One more than the incarnation under which a member went.
    gone: Rows,
    /// As above, for those forgotten since.
    forgotten: Rows,
    /// How many nodes were started at all.
    born: usize,
    returns: u64,
}

/// News about a node's last moments is no zombie: as long as nodes may take to agree, somebody may
/// still hold it as alive, and tell those who were made to forget it.
fn down_for(world: &World) -> Duration {
    let agreed = settling_time(&world.params, world.len());
    agreed.unwrap_or_default().max(Duration::from_secs(60))
}

impl Check for Returns {
    fn name(&self) -> &'static str {
        "members return only by a newer word of their own"
    }

    fn wants(&self) -> Wants {
        Wants::STARTED | Wants::EVENTS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let change = match seen.what {
            What::Started { .. } => {
                let name = seen.world.name(seen.node);
                self.born += usize::from(seen.world.hosts[seen.node].starts == 1);
                self.gone.start(seen.node, name);
                self.forgotten.start(seen.node, name);
                return Ok(());
            }
            What::Event(Event::Member(change)) => change,
            _ => return Ok(()),
        };
        let observer = seen.node;
        let nobody_went = self.gone.is_clear(observer) && self.forgotten.is_clear(observer);
        let all_born = self.born >= seen.world.len();
        if nobody_went
            && all_born
            && matches!(change.kind, MemberEventKind::Join | MemberEventKind::Update)
        {
            return Ok(());
        }
        let name = change.member.name();
        let Some(member) = seen.world.index_of(name) else {
            return Ok(());
        };
        let incarnation = change.member.incarnation();
        let number = u16::try_from(incarnation.saturating_add(1)).unwrap_or(u16::MAX);
        match change.kind {
            MemberEventKind::Failed | MemberEventKind::Leave => {
                self.gone.set(observer, member, number);
                self.forgotten.set(observer, member, 0);
            }
            MemberEventKind::Reap => {
                self.gone.set(observer, member, 0);
                self.forgotten.set(observer, member, number);
            }
            MemberEventKind::Join => {
                if seen.world.hosts[member].starts == 0 {
                    return Err(format!(
                        "node {observer} takes {name} for alive, which was never started"
                    ));
                }
                let gone = self.gone.get(observer, member);
                let forgotten = self.forgotten.get(observer, member);
                self.gone.set(observer, member, 0);
                self.forgotten.set(observer, member, 0);
                self.returns += u64::from(gone > 0 || forgotten > 0);
                if gone > 0 && number <= gone && !seen.world.has_moved(member) {
                    let went = gone - 1;
                    return Err(format!(
                        "node {observer} takes {name} for alive at {incarnation}, and had it gone \
                         at {went}"
                    ));
                }
                let host = &seen.world.hosts[member];
                let agreed = down_for(seen.world);
                let replayed = seen.world.network().replayed;
                let down = matches!(host.state, State::Down | State::Left)
                    && seen.at.since(host.disturbed) > agreed
                    && replayed.is_none_or(|last| seen.at.since(last) > agreed);
                if forgotten > 0 && number <= forgotten && down {
                    return Err(format!(
                        "node {observer} had forgotten {name}, which has been down for long, and \
                         takes it for alive at {incarnation}"
                    ));
                }
                let own = seen.world.highest_claimed(member);
                if gone > 0 && incarnation > own {
                    return Err(format!(
                        "node {observer} takes {name} for alive at {incarnation}, and it never \
                         said more than {own}"
                    ));
                }
            }
            MemberEventKind::Update => {}
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![("returns", self.returns)]
    }
}
