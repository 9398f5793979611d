//! Who accuses: a name in four bytes.
//!
//! After a partition a node remembers who accused each of the others, several times over. Nearly
//! all of them are members that it knows.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::member::Name;
use crate::message::RawName;
use crate::swim::table::{Slot, Table};

/// Who accused a member: another one that is known, by its slot, or one of the [`Strangers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accuser(NonZeroU32);

/// Set in an accuser that is a stranger.
const STRANGER: u32 = 1 << 31;

impl Accuser {
    /// The member in a slot.
    pub(crate) const fn member(slot: Slot) -> Self {
        Self::of(slot & !STRANGER)
    }

    const fn stranger(place: usize) -> Self {
        Self::of(place as u32 | STRANGER)
    }

    /// One more than the number, so that nobody is not a member.
    const fn of(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    const fn number(self) -> u32 {
        self.0.get() - 1
    }
}

/// The most accusers remembered at a time that are no members here. Accusations by others are
/// ignored then, so that nobody fills the memory with names that he makes up.
const MAX_STRANGERS: usize = 64;

/// The names of accusers that are not known as members (any more).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Strangers(Vec<Name>);

impl Strangers {
    /// The accuser called `name`, a member of `table` or not; `None` if it is no valid name, or there
    /// are too many strangers. A stranger that becomes a member has two numbers until nobody is accused
    /// any more, and may confirm a suspicion twice.
    pub(crate) fn accuser(&mut self, name: RawName<'_>, table: &Table) -> Option<Accuser> {
        if let Some(slot) = table.find(name) {
            return Some(Accuser::member(slot));
        }
        let place = self.0.iter().position(|known| name == *known);
        let place = match place {
            Some(place) => place,
            None if self.0.len() >= MAX_STRANGERS => return None,
            None => {
                self.0.push(Name::try_from(name).ok()?);
                self.0.len() - 1
            }
        };
        Some(Accuser::stranger(place))
    }

    /// Its name.
    pub(crate) fn name<'a>(&'a self, accuser: Accuser, table: &'a Table) -> Option<&'a Name> {
        let number = accuser.number();
        if number & STRANGER != 0 {
            self.0.get((number & !STRANGER) as usize)
        } else {
            table.get(number).map(|record| &record.profile.name)
        }
    }

    /// Forgets all, once nobody is accused.
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::sync::Arc;

    use super::*;
    use crate::member::{Profile, Versions};
    use crate::swim::record::{Record, State};
    use crate::time::Instant;

    #[test]
    fn members_and_strangers_keep_their_names_and_strangers_are_bounded() {
        let name = |text: &str| Name::new(text).expect("test names are valid");
        let mut table = Table::new(7);
        let addr = "10.0.0.1:7946".parse().expect("a valid address");
        let profile = Profile::new(name("member"), addr, Versions::CURRENT, &[]);
        table.insert(Record::new(
            Arc::new(profile),
            1,
            State::Alive,
            Instant::ZERO,
        ));
        let mut strangers = Strangers::default();
        for n in 0..MAX_STRANGERS {
            let text = format!("stranger-{n}");
            let accuser = strangers.accuser((&*text).into(), &table);
            let accuser = accuser.expect("there is room");
            assert_eq!(strangers.name(accuser, &table), Some(&name(&text)));
            assert_eq!(
                strangers.accuser((&*text).into(), &table),
                Some(accuser),
                "the same one again"
            );
        }
        assert_eq!(strangers.accuser("one more".into(), &table), None);
        let member = strangers.accuser("member".into(), &table);
        let member = member.expect("a member needs no room");
        assert_eq!(strangers.name(member, &table), Some(&name("member")));
    }
}
