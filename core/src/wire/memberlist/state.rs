//! What Serf adds to a state exchange (wire-protocol reference, section 7.4).

use alloc::vec::Vec;

use super::error::MessageError;
use super::field::{read_name, read_str};
use super::serf::read_ltime;
use super::serf_kind as kind;
use crate::message::{Clocks, MemberTime, StateEntry, UserEvent};
use crate::serf::clock::LamportTime;
use crate::wire::msgpack::{
    Fault, Reader, append_array_len, append_bytes, append_map_len, append_text, append_uint, record,
};

/// Everything but the entries: type, keys, and lengths and clocks at their longest.
const OVERHEAD: usize = 2 + 62 + 3 * 9 + 3 * 5;

/// Collects Serf's part of a state exchange.
///
/// It is not written before its [`finish`](Self::finish), as in this form the number of entries
/// comes before them.
#[derive(Debug)]
pub struct StateWriter {
    clocks: Clocks,
    /// How many bytes are left.
    room: usize,
    times: Entries,
    left: Entries,
    events: Entries,
}

#[derive(Debug, Default)]
struct Entries {
    count: usize,
    bytes: Vec<u8>,
}

impl StateWriter {
    /// Begins with the clocks, which every state has. All together takes at most `budget` bytes,
    /// unless a state without entries (at most 106) takes more.
    #[must_use]
    pub fn new(clocks: &Clocks, budget: usize) -> Self {
        Self {
            clocks: *clocks,
            room: budget.saturating_sub(OVERHEAD),
            times: Entries::default(),
            left: Entries::default(),
            events: Entries::default(),
        }
    }

    /// Adds a member. If it does not fit in what is left of the budget, leaves the state as it is
    /// and returns false.
    #[must_use = "false means that the member is not in the state"]
    pub fn push_member(&mut self, member: &MemberTime<'_>) -> bool {
        let before = (self.times.bytes.len(), self.left.bytes.len());
        append_text(&mut self.times.bytes, member.name.as_bytes());
        append_uint(&mut self.times.bytes, member.ltime.get());
        if member.left {
            append_text(&mut self.left.bytes, member.name.as_bytes());
        }
        let taken = self.times.bytes.len() - before.0 + self.left.bytes.len() - before.1;
        if taken > self.room {
            self.times.bytes.truncate(before.0);
            self.left.bytes.truncate(before.1);
            return false;
        }
        self.room -= taken;
        self.times.count += 1;
        self.left.count += usize::from(member.left);
        true
    }

    /// Adds an event. If it does not fit in what is left of the budget, leaves the state as it is
    /// and returns false.
    #[must_use = "false means that the event is not in the state"]
    pub fn push_event(&mut self, event: &UserEvent<'_>) -> bool {
        let before = self.events.bytes.len();
        let out = &mut self.events.bytes;
        append_map_len(out, 2);
        append_text(out, b"Events");
        append_array_len(out, 1);
        append_map_len(out, 2);
        append_text(out, b"Name");
        append_text(out, event.name.as_bytes());
        append_text(out, b"Payload");
        append_bytes(out, event.payload);
        append_text(out, b"LTime");
        append_uint(out, event.ltime.get());
        let taken = out.len() - before;
        if taken > self.room {
            out.truncate(before);
            return false;
        }
        self.room -= taken;
        self.events.count += 1;
        true
    }

    /// Appends the state, for [`SyncWriter::finish`](super::SyncWriter::finish).
    pub fn finish(self, out: &mut Vec<u8>) {
        out.push(kind::STATE);
        append_map_len(out, 6);
        append_text(out, b"EventLTime");
        append_uint(out, self.clocks.event.get());
        append_text(out, b"Events");
        append_array_len(out, self.events.count);
        out.extend_from_slice(&self.events.bytes);
        append_text(out, b"LTime");
        append_uint(out, self.clocks.member.get());
        append_text(out, b"LeftMembers");
        append_array_len(out, self.left.count);
        out.extend_from_slice(&self.left.bytes);
        append_text(out, b"QueryLTime");
        append_uint(out, self.clocks.query.get());
        append_text(out, b"StatusLTimes");
        append_map_len(out, self.times.count);
        out.extend_from_slice(&self.times.bytes);
    }
}

/// The entries of Serf's part of a state exchange: the clocks, the members, the events.
///
/// An entry that cannot be read is an `Err`. Where the rest of its kind is lost with it, the next
/// kind follows. There are never more items than bytes.
///
/// That a member left is told apart from when; to bring the two together, the places of the names
/// of those who left are kept in order: four bytes for each, which has at least two in `state`.
#[derive(Debug, Clone)]
pub struct StateEntries<'a> {
    state: &'a [u8],
    clocks: Option<Clocks>,
    /// Where the names of those who left begin in `state`, in the order of the names.
    left: Vec<u32>,
    times: List<'a>,
    slots: List<'a>,
    /// The events of the slot that is being read, and their time.
    events: List<'a>,
    ltime: LamportTime,
}

/// Values that are still to be read.
#[derive(Debug, Clone, Copy)]
struct List<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl<'a> List<'a> {
    const EMPTY: Self = Self {
        reader: Reader::new(&[]),
        left: 0,
    };

    /// Reads one more, if there is one more. After an error there are none.
    fn next<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, MessageError>,
    ) -> Option<Result<T, MessageError>> {
        self.left = self.left.checked_sub(1)?;
        let result = read(&mut self.reader);
        if result.is_err() {
            self.left = 0;
        }
        Some(result)
    }
}

impl<'a> StateEntries<'a> {
    /// The entries of the user state of a [`Sync`](crate::message::Sync).
    ///
    /// # Errors
    /// It is not Serf's, or so broken that nothing can be read.
    pub fn new(state: &'a [u8]) -> Result<Self, MessageError> {
        let (&kind, body) = state.split_first().ok_or(MessageError::Empty)?;
        if kind != kind::STATE {
            return Err(MessageError::UnknownSerf { kind });
        }
        let mut clocks = Clocks::default();
        let (mut times, mut left, mut slots) = (List::EMPTY, List::EMPTY, List::EMPTY);
        let mut left_end = 0;
        let reader = &mut Reader::new(body);
        let read = record!(reader: MessageError, {
            b"LTime" => clocks.member = read_ltime(reader)?,
            b"StatusLTimes" => times = read_list(reader, Reader::map_len)?,
            b"LeftMembers" => {
                left = read_list(reader, Reader::array_len)?;
                left_end = state.len() - reader.rest().len();
            },
            b"EventLTime" => clocks.event = read_ltime(reader)?,
            b"Events" => slots = read_list(reader, Reader::array_len)?,
            b"QueryLTime" => clocks.query = read_ltime(reader)?,
        });
        read?;
        Ok(Self {
            state,
            clocks: Some(clocks),
            left: places(state, left, left_end),
            times,
            slots,
            events: List::EMPTY,
            ltime: LamportTime::ZERO,
        })
    }

    fn has_left(&self, name: &[u8]) -> bool {
        self.left
            .binary_search_by(|&place| text_at(self.state, place).cmp(name))
            .is_ok()
    }

    fn next_slot(&mut self) -> Option<Result<(), MessageError>> {
        let slot = self.slots.next(|reader| {
            let (mut ltime, mut events) = (LamportTime::ZERO, List::EMPTY);
            record!(reader: MessageError, {
                b"LTime" => ltime = read_ltime(reader)?,
                b"Events" => events = read_list(reader, Reader::array_len)?,
            })
            .map(|()| (ltime, events))
        })?;
        Some(slot.map(|(ltime, events)| (self.ltime, self.events) = (ltime, events)))
    }
}

/// Steps over a list and gives it to be read later.
fn read_list<'a>(
    reader: &mut Reader<'a>,
    len: impl FnOnce(&mut Reader<'a>) -> Result<u64, Fault>,
) -> Result<List<'a>, MessageError> {
    let mut reader = Reader::new(reader.raw()?);
    let left = len(&mut reader)?;
    Ok(List { reader, left })
}

/// Where the names in a list begin in `state`, in the order of the names. Empty ones are nobody's.
/// The list ends at `end`.
fn places(state: &[u8], mut names: List<'_>, end: usize) -> Vec<u32> {
    let mut places = Vec::new();
    loop {
        let place = end - names.reader.rest().len();
        match (names.next(read_name), u32::try_from(place)) {
            (Some(Ok(name)), Ok(place)) if !name.as_bytes().is_empty() => places.push(place),
            (Some(Ok(_)), _) => {}
            _ => break,
        }
    }
    places.sort_unstable_by(|&a, &b| text_at(state, a).cmp(text_at(state, b)));
    places
}

fn text_at(state: &[u8], place: u32) -> &[u8] {
    Reader::new(&state[place as usize..])
        .text()
        .unwrap_or_default()
}

impl<'a> Iterator for StateEntries<'a> {
    type Item = Result<StateEntry<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(clocks) = self.clocks.take() {
            return Some(Ok(StateEntry::Clocks(clocks)));
        }
        let member = self
            .times
            .next(|reader| Ok((read_name(reader)?, read_ltime(reader)?)));
        if let Some(member) = member {
            return Some(member.map(|(name, ltime)| {
                let left = self.has_left(name.as_bytes());
                StateEntry::Member(MemberTime { name, ltime, left })
            }));
        }
        loop {
            let ltime = self.ltime;
            if let Some(event) = self.events.next(|reader| read_event(reader, ltime)) {
                return Some(event.map(StateEntry::Event));
            }
            match self.next_slot()? {
                Ok(()) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl core::iter::FusedIterator for StateEntries<'_> {}

fn read_event<'a>(
    reader: &mut Reader<'a>,
    ltime: LamportTime,
) -> Result<UserEvent<'a>, MessageError> {
    let (mut name, mut payload) = ("", &[][..]);
    record!(reader: MessageError, {
        b"Name" => name = read_str(reader)?,
        b"Payload" => payload = reader.bytes()?,
    })
    .map(|()| UserEvent {
        ltime,
        name,
        payload,
        coalesce: false,
    })
}
