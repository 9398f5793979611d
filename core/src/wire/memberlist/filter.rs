//! The filters of a query (wire-protocol reference, section 7.6).

use alloc::vec::Vec;

use super::error::MessageError;
use super::field::read_str;
use crate::message::{self, Filter, Filters, RawName};
use crate::wire::msgpack::{
    Fault, Reader, append_array_len, append_bytes, append_map_len, append_nil, append_text, record,
};

/// The kinds of filters.
mod kind {
    pub(super) const NODES: u8 = 0;
    pub(super) const TAG: u8 = 1;
    /// Nobody knows this kind, so nobody passes: what becomes of filters that cannot be read.
    pub(super) const NOBODY: u8 = 0xff;
}

pub(super) fn read_filters<'a>(reader: &mut Reader<'a>) -> Result<Filters<'a>, Fault> {
    let list = reader.raw()?;
    Ok(match Reader::new(list).array_len() {
        Ok(0) => Filters::default(),
        _ => Filters::Memberlist(list),
    })
}

/// Appends a list of filters that came in any form.
pub(super) fn append_filters(out: &mut Vec<u8>, filters: Filters<'_>) {
    let filters = filters.iter();
    let count = filters.clone().count();
    if count == 0 {
        append_nil(out);
        return;
    }
    append_array_len(out, count);
    let mut encoded = Vec::new();
    for filter in filters {
        encoded.clear();
        append_filter(&mut encoded, filter);
        append_bytes(out, &encoded);
    }
}

/// Never of no length: that is more than older peers can take.
pub(super) fn append_filter(out: &mut Vec<u8>, filter: Option<Filter<'_>>) {
    match filter {
        Some(Filter::Nodes(names)) => {
            out.push(kind::NODES);
            append_array_len(out, names.clone().count());
            for name in names {
                append_text(out, name.as_bytes());
            }
        }
        Some(Filter::Tag { key, pattern }) => {
            out.push(kind::TAG);
            append_map_len(out, 2);
            append_text(out, b"Expr");
            append_text(out, pattern.as_bytes());
            append_text(out, b"Tag");
            append_text(out, key.as_bytes());
        }
        None => out.push(kind::NOBODY),
    }
}

/// The filters of a query, in the order in which they were written.
///
/// A filter that cannot be read, or that is of an unknown kind, is an `Err`, and the next one
/// follows. Only when the list itself cannot be read is that `Err` the last item. There are never
/// more items than bytes.
#[derive(Debug, Clone)]
pub struct FilterEntries<'a> {
    list: Reader<'a>,
    left: u64,
}

impl<'a> FilterEntries<'a> {
    /// The filters in the memberlist form of [`Filters`]; without any bytes there are none.
    #[must_use]
    pub fn new(filters: &'a [u8]) -> Self {
        let mut list = Reader::new(filters);
        let left = match list.array_len() {
            Ok(len) => len,
            Err(_) if filters.is_empty() => 0,
            // One item, which is the error.
            Err(_) => {
                list = Reader::new(&[]);
                1
            }
        };
        Self { list, left }
    }
}

impl<'a> Iterator for FilterEntries<'a> {
    type Item = Result<Filter<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match self.list.bytes() {
            Ok(filter) => Some(read_filter(filter)),
            Err(fault) => {
                self.left = 0;
                Some(Err(fault.into()))
            }
        }
    }
}

impl core::iter::FusedIterator for FilterEntries<'_> {}

fn read_filter(filter: &[u8]) -> Result<Filter<'_>, MessageError> {
    let (&kind, body) = filter.split_first().ok_or(MessageError::Empty)?;
    let mut reader = Reader::new(body);
    match kind {
        kind::NODES => {
            let left = reader.array_len()?;
            let names = Names { reader, left };
            Ok(Filter::Nodes(message::Names::Memberlist(names)))
        }
        kind::TAG => {
            let (mut key, mut pattern) = ("", "");
            let reader = &mut reader;
            record!(reader: MessageError, {
                b"Tag" => key = read_str(reader)?,
                b"Expr" => pattern = read_str(reader)?,
            })
            .map(|()| Filter::Tag { key, pattern })
        }
        _ => Err(MessageError::Unknown { kind }),
    }
}

/// The names in a node filter. It ends early where they cannot be read.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    reader: Reader<'a>,
    left: u64,
}

/// Two are equal if the same names are left, whatever the form in which they were written.
impl PartialEq for Names<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for Names<'_> {}

impl<'a> Iterator for Names<'a> {
    type Item = RawName<'a>;

    fn next(&mut self) -> Option<RawName<'a>> {
        self.left = self.left.checked_sub(1)?;
        match self.reader.text() {
            Ok(name) => Some(RawName::new(name)),
            Err(_) => {
                self.left = 0;
                None
            }
        }
    }
}

impl core::iter::FusedIterator for Names<'_> {}
