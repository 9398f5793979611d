//! Streams: one message each way (wire-protocol reference, section 4).

use alloc::vec::Vec;

use super::compress::{Compressor, Unpacker};
use super::error::{MessageError, StreamError};
use super::field::{Origin, read_str};
use super::frame::read_user_header;
use super::kind;
use super::message::{append_ack, append_ping, read_ack, read_ping};
use super::serf::{append_serf_message, read_serf_message};
use super::sync::{append_sync, read_sync};
use crate::message::StreamMessage;
use crate::wire::msgpack::{Reader, append_map_len, append_text, append_uint, record};

/// Reads a whole message, from which label and seal have been removed already; its end is found by
/// [`Framing`](super::Framing). Bytes after it are ignored. In plain form it may have at most `cap`
/// bytes.
///
/// # Errors
/// Anything wrong with the message; see [`StreamError`].
pub fn read_stream_message<'a>(
    received: &'a [u8],
    origin: Origin,
    unpacker: &'a mut Unpacker,
    cap: usize,
) -> Result<StreamMessage<'a>, StreamError> {
    let content = match received.split_first() {
        Some((&kind::COMPRESS, body)) => {
            unpacker.inflate(body, cap)?;
            &unpacker.inflated
        }
        _ => received,
    };
    let (&kind, body) = content.split_first().ok_or(MessageError::Empty)?;
    let reader = &mut Reader::new(body);
    Ok(match kind {
        kind::PING => StreamMessage::Ping(read_ping(reader, origin)?),
        kind::ACK => StreamMessage::Ack(read_ack(reader)?),
        kind::PUSH_PULL => StreamMessage::Sync(read_sync(reader, origin)?),
        kind::USER => {
            let len = read_user_header(reader)?;
            StreamMessage::Serf(read_serf_message(reader.take(len)?)?)
        }
        kind::ERROR => StreamMessage::Refusal(read_refusal(reader)?),
        _ => return Err(MessageError::Unknown { kind }.into()),
    })
}

fn read_refusal<'a>(reader: &mut Reader<'a>) -> Result<&'a str, MessageError> {
    let mut text = "";
    record!(reader: MessageError, {
        b"Error" => text = read_str(reader)?,
    })
    .map(|()| text)
}

/// Appends a whole message to `buf` and returns its length. A [`Sync`](crate::message::Sync) is
/// written with the entries that it holds in encoded form; to build one see
/// [`SyncWriter`](super::SyncWriter). With a compressor it is compressed, even where that makes it
/// longer, as the reference system does on streams.
pub fn write_stream_message(
    buf: &mut Vec<u8>,
    message: &StreamMessage<'_>,
    compressor: Option<&mut Compressor>,
) -> usize {
    let start = buf.len();
    match message {
        StreamMessage::Ping(m) => append_ping(buf, m),
        StreamMessage::Ack(m) => append_ack(buf, m),
        StreamMessage::Sync(m) => append_sync(buf, m),
        StreamMessage::Serf(m) => {
            append_serf_message(buf, m);
            let len = buf.len() - start;
            let mut header = alloc::vec![kind::USER];
            append_map_len(&mut header, 1);
            append_text(&mut header, b"UserMsgLen");
            append_uint(&mut header, len as u64);
            buf.splice(start..start, header);
        }
        StreamMessage::Refusal(text) => {
            buf.push(kind::ERROR);
            append_map_len(buf, 1);
            append_text(buf, b"Error");
            append_text(buf, text.as_bytes());
        }
    }
    if let Some(compressor) = compressor {
        compressor.compress(buf, start, true);
    }
    buf.len() - start
}
