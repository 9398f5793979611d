//! Reading a journal.

use core::fmt;

use super::{Entry, HEADER, RECORD_HEADER, checksum, length_check};

/// The entries of a journal, in order.
///
/// It ends at the end of the bytes, or at the first record that is damaged: what comes after that
/// cannot be trusted, since inputs are missing.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
    version: Option<u8>,
}

impl<'a> Reader<'a> {
    /// A reader of what a file holds.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
            version: None,
        }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// What is wrong and where. From then on every answer is the same.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'a>>, Damage> {
        if self.version.is_none() {
            self.header()?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (entry, after) = self.record().ok_or(self.damage(DamageKind::Truncated))?;
        let entry = entry.ok_or(self.damage(DamageKind::Checksum))?;
        let entry = postcard::from_bytes(entry);
        let entry = entry.map_err(|_| self.damage(DamageKind::Malformed))?;
        self.offset += self.rest.len() - after.len();
        self.rest = after;
        Ok(Some(entry))
    }

    fn header(&mut self) -> Result<(), Damage> {
        let (magic, version) = (&HEADER[..HEADER.len() - 1], HEADER[HEADER.len() - 1]);
        match self.rest.split_first_chunk::<{ HEADER.len() }>() {
            Some((header, rest)) if *header == HEADER => {
                self.rest = rest;
                self.offset = HEADER.len();
                self.version = Some(version);
                Ok(())
            }
            Some((header, _)) if header.starts_with(magic) => {
                Err(self.damage(DamageKind::Version(header[HEADER.len() - 1])))
            }
            None if HEADER.starts_with(self.rest) => Err(self.damage(DamageKind::Truncated)),
            _ => Err(self.damage(DamageKind::Foreign)),
        }
    }

    /// `None` if it is cut short; no entry if what it says of itself is wrong.
    fn record(&self) -> Option<(Option<&'a [u8]>, &'a [u8])> {
        let (header, rest) = self.rest.split_first_chunk::<RECORD_HEADER>()?;
        let [a, b, c, check, sum @ ..] = *header;
        if check != length_check([a, b, c]) {
            return Some((None, rest));
        }
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        let (entry, after) = rest.split_at_checked(len)?;
        let sound = checksum(entry) == u32::from_le_bytes(sum);
        Some((sound.then_some(entry), after))
    }

    const fn damage(&self, kind: DamageKind) -> Damage {
        Damage {
            offset: self.offset,
            kind,
        }
    }
}

/// Where a journal cannot be read any further, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Bytes before it, all of which were good.
    pub offset: usize,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// It is no journal.
    Foreign,
    /// It has another version of the format.
    Version(u8),
    /// It breaks off in the middle of a record, as after a crash.
    Truncated,
    /// A record was changed after it was written.
    Checksum,
    /// A record is none that this version knows.
    Malformed,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, kind } = self;
        match kind {
            DamageKind::Foreign => f.write_str("it is no journal of a node"),
            DamageKind::Version(version) => {
                let known = HEADER[HEADER.len() - 1];
                write!(
                    f,
                    "its format has version {version}, accepted is version {known}"
                )
            }
            DamageKind::Truncated => write!(f, "it breaks off after byte {offset}"),
            DamageKind::Checksum => {
                write!(f, "the record at byte {offset} is damaged: wrong checksum")
            }
            DamageKind::Malformed => write!(f, "the record at byte {offset} is of no known form"),
        }
    }
}

impl core::error::Error for Damage {}
