//! The messages of Serf.

use alloc::vec::Vec;

use super::kind;
use super::packet::MessageError;
use super::sized::{append, take};
use crate::message::SerfMessage;

pub(super) fn append_serf(out: &mut Vec<u8>, message: &SerfMessage<'_>) {
    match message {
        SerfMessage::LeaveIntent(m) => append(out, &(kind::LEAVE_INTENT, m)),
        SerfMessage::JoinIntent(m) => append(out, &(kind::JOIN_INTENT, m)),
        SerfMessage::UserEvent(m) => append(out, &(kind::USER_EVENT, m)),
        SerfMessage::Query(m) => append(out, &(kind::QUERY, m)),
        SerfMessage::QueryResponse(m) => append(out, &(kind::QUERY_RESPONSE, m)),
        SerfMessage::Relay(m) => append(out, &(kind::RELAY, m)),
    }
}

pub(super) fn read_serf(kind: u8, fields: &[u8]) -> Result<SerfMessage<'_>, MessageError> {
    match kind {
        kind::LEAVE_INTENT => take(fields).map(|(m, _)| SerfMessage::LeaveIntent(m)),
        kind::JOIN_INTENT => take(fields).map(|(m, _)| SerfMessage::JoinIntent(m)),
        kind::USER_EVENT => take(fields).map(|(m, _)| SerfMessage::UserEvent(m)),
        kind::QUERY => take(fields).map(|(m, _)| SerfMessage::Query(m)),
        kind::QUERY_RESPONSE => take(fields).map(|(m, _)| SerfMessage::QueryResponse(m)),
        kind::RELAY => take(fields).map(|(m, _)| SerfMessage::Relay(m)),
        _ => return Err(MessageError::Unknown { kind }),
    }
    .ok_or(MessageError::Malformed)
}
