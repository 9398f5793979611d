//! Where a message on a stream ends (wire-protocol reference, section 4).
//!
//! Messages of this wire do not say how long they are; their ends are found by stepping over their
//! values.

use serde::{Deserialize, Serialize};

use super::error::{MessageError, StreamError};
use super::kind;
use super::sync::Header;
use crate::wire::msgpack::{Fault, Reader, Skip, record};
use crate::wire::native::Frame;

/// A header that is longer than this is none: no release writes one of more than 50 bytes.
const MAX_HEADER: usize = 256;

/// Looks for the end of a message on a stream while its bytes arrive. What has been looked at is
/// not looked at again, however small the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framing {
    /// How many bytes have been stepped over.
    at: usize,
    stage: Stage,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Type,
    /// The header of a message of this type, which says what follows.
    Header(u8),
    /// Values, and then so many bytes.
    Values(Skip, u64),
    Bytes(u64),
    End,
}

/// Why there is no next stage.
enum Stop {
    /// The input ends too early, by at least so many bytes.
    Short(u64),
    Broken(MessageError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Short { missing } => Self::Short(missing),
            Fault::Malformed => Self::Broken(MessageError::Malformed),
        }
    }
}

impl Default for Framing {
    fn default() -> Self {
        Self::new()
    }
}

impl Framing {
    /// A search that stands at the beginning of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            at: 0,
            stage: Stage::Type,
        }
    }

    /// Goes on with all bytes received so far, those of earlier calls included.
    ///
    /// `cap` is the most bytes that a message may have. One that is longer is refused as soon as
    /// its headers say so; the caller never needs room for more than `cap`.
    ///
    /// # Errors
    /// The message is too large, of a type that does not belong on a stream, or broken. No further
    /// bytes can change that.
    pub fn advance(&mut self, received: &[u8], cap: usize) -> Result<Frame, StreamError> {
        while self.stage != Stage::End {
            let rest = received.get(self.at..).unwrap_or_default();
            let mut reader = Reader::new(rest);
            let stopped = self.stage.step(&mut reader);
            self.at += rest.len() - reader.rest().len();
            match stopped {
                Ok(()) => {}
                Err(Stop::Broken(error)) => return Err(error.into()),
                Err(Stop::Short(missing)) => {
                    let len = missing.saturating_add(received.len() as u64);
                    return within(len, cap).map(|()| Frame::Partial);
                }
            }
        }
        within(self.at as u64, cap).map(|()| Frame::Complete { len: self.at })
    }
}

fn within(len: u64, cap: usize) -> Result<(), StreamError> {
    if len > cap as u64 {
        return Err(StreamError::TooLarge { len, cap });
    }
    Ok(())
}

impl Stage {
    /// Goes to the next stage. If it cannot yet, the reader stands where to go on.
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        *self = match self {
            Self::Type => match reader.byte()? {
                kind @ (kind::PUSH_PULL | kind::USER) => Self::Header(kind),
                kind::PING | kind::ACK | kind::COMPRESS | kind::ERROR => {
                    Self::Values(Skip::new(1), 0)
                }
                kind => return Err(Stop::Broken(MessageError::Unknown { kind })),
            },
            Self::Header(kind) => {
                let rest = reader.rest();
                let window = &rest[..rest.len().min(MAX_HEADER)];
                let mut ahead = Reader::new(window);
                let stage = match read_header(*kind, &mut ahead) {
                    Err(Fault::Short { .. }) if window.len() == MAX_HEADER => {
                        return Err(Fault::Malformed.into());
                    }
                    result => result?,
                };
                reader.take((window.len() - ahead.rest().len()) as u64)?;
                stage
            }
            Self::Values(skip, bytes) => match skip.advance(reader) {
                Err(Fault::Short { missing }) => {
                    return Err(Stop::Short(missing.saturating_add(*bytes)));
                }
                result => {
                    result?;
                    Self::Bytes(*bytes)
                }
            },
            Self::Bytes(len) => {
                reader.take(*len)?;
                Self::End
            }
            Self::End => Self::End,
        };
        Ok(())
    }
}

fn read_header(kind: u8, reader: &mut Reader<'_>) -> Result<Stage, Fault> {
    if kind == kind::USER {
        return read_user_header(reader).map(Stage::Bytes);
    }
    let header = Header::read(reader)?;
    Ok(Stage::Values(Skip::new(header.nodes), header.user_state))
}

/// The length of a user message on a stream.
pub(super) fn read_user_header(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    let mut len = 0;
    record!(reader: Fault, {
        b"UserMsgLen" => len = reader.u64()?,
    })
    .map(|()| len)
}
