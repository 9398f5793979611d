//! The filters of a query.

use alloc::vec::Vec;

use super::packet::MessageError;
use super::sized::{append_bytes, append_sized, split_sized};
use crate::message::{self, Filter, Filters, RawName};

/// The kinds of filters.
mod kind {
    pub(super) const NODES: u8 = 0;
    pub(super) const TAG: u8 = 1;
    /// Nobody knows this kind, so nobody passes: what becomes of filters that cannot be read.
    pub(super) const NOBODY: u8 = 0xff;
}

/// Appends a filter that passes the members of these names to those that `out` holds.
pub fn append_node_filter<'n>(out: &mut Vec<u8>, names: impl IntoIterator<Item = &'n str>) {
    append_names(out, names.into_iter().map(RawName::from));
}

fn append_names<'n>(out: &mut Vec<u8>, names: impl Iterator<Item = RawName<'n>>) {
    append_sized(out, usize::MAX, |out| {
        out.push(kind::NODES);
        for name in names {
            append_bytes(out, name.as_bytes());
        }
    });
}

/// Appends filters that came in any form.
pub(super) fn append_filters(out: &mut Vec<u8>, filters: Filters<'_>) {
    for filter in filters.iter() {
        match filter {
            Some(Filter::Nodes(names)) => append_names(out, names),
            Some(Filter::Tag { key, pattern }) => append_tag_filter(out, key, pattern),
            None => {
                append_sized(out, usize::MAX, |out| out.push(kind::NOBODY));
            }
        }
    }
}

/// Appends a filter that passes the members with a tag of this key whose value the regular
/// expression matches to those that `out` holds.
pub fn append_tag_filter(out: &mut Vec<u8>, key: &str, pattern: &str) {
    append_sized(out, usize::MAX, |out| {
        out.push(kind::TAG);
        append_bytes(out, key.as_bytes());
        append_bytes(out, pattern.as_bytes());
    });
}

/// The filters of a query, in the order in which they were written.
///
/// A filter that cannot be read, or that is of an unknown kind, is an `Err`, and the next one
/// follows. Only when a length runs past the end is that `Err` the last item. There are never
/// more items than bytes.
#[derive(Debug, Clone)]
pub struct FilterEntries<'a> {
    rest: &'a [u8],
}

impl<'a> FilterEntries<'a> {
    /// The filters in the native form of [`Filters`](crate::message::Filters).
    #[must_use]
    pub const fn new(filters: &'a [u8]) -> Self {
        Self { rest: filters }
    }
}

impl<'a> Iterator for FilterEntries<'a> {
    type Item = Result<Filter<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((filter, rest)) = split_sized(self.rest) else {
            self.rest = &[];
            return Some(Err(MessageError::Malformed));
        };
        self.rest = rest;
        Some(read_filter(filter))
    }
}

impl core::iter::FusedIterator for FilterEntries<'_> {}

fn read_filter(filter: &[u8]) -> Result<Filter<'_>, MessageError> {
    let (&kind, fields) = filter.split_first().ok_or(MessageError::Malformed)?;
    match kind {
        kind::NODES => Some(Filter::Nodes(message::Names::Native(Names {
            rest: fields,
        }))),
        kind::TAG => read_tag(fields),
        _ => return Err(MessageError::Unknown { kind }),
    }
    .ok_or(MessageError::Malformed)
}

fn read_tag(fields: &[u8]) -> Option<Filter<'_>> {
    let (key, rest) = split_sized(fields)?;
    let (pattern, _) = split_sized(rest)?;
    Some(Filter::Tag {
        key: str::from_utf8(key).ok()?,
        pattern: str::from_utf8(pattern).ok()?,
    })
}

/// The names in a node filter. They fill it to its end, so this is the one place where later
/// versions cannot append a field; they would need another kind of filter.
///
/// It ends early where a length runs past the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Names<'a> {
    type Item = RawName<'a>;

    fn next(&mut self) -> Option<RawName<'a>> {
        let (name, rest) = split_sized(self.rest)?;
        self.rest = rest;
        Some(RawName::new(name))
    }
}

impl core::iter::FusedIterator for Names<'_> {}
