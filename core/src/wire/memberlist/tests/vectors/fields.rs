//! A decoded message as the fields of a vector.

use super::*;

/// A decoded field.
#[derive(Debug)]
pub(super) enum Field {
    Bytes(Vec<u8>),
    Number(u64),
    Bool(bool),
    List(Vec<Self>),
    Record(Vec<(&'static str, Self)>),
}

impl Field {
    /// Vectors have byte strings in hexadecimal, captured ones as text or marked as hexadecimal,
    /// and null for none.
    pub(super) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bytes(bytes), Value::Null) => bytes.is_empty(),
            (Self::Bytes(bytes), Value::String(text)) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                text.as_bytes() == bytes || *text == hex || *text == format!("hex:{hex}")
            }
            (Self::Bytes(bytes), Value::Array(numbers)) => numbers
                .iter()
                .map(Value::as_u64)
                .eq(bytes.iter().map(|&byte| Some(byte.into()))),
            (Self::Number(number), value) => value.as_u64() == Some(*number),
            (Self::Bool(bool), value) => value.as_bool() == Some(*bool),
            (Self::List(list), Value::Null) => list.is_empty(),
            (Self::List(list), Value::Array(values)) => {
                list.len() == values.len() && list.iter().zip(values).all(|(a, b)| a.is(b))
            }
            (Self::Record(record), Value::Object(_)) => same(record, value),
            _ => false,
        }
    }
}

/// True if the record has these fields. What is not a field of the message (its type, say) begins
/// with a lower-case letter.
pub(super) fn same(record: &[(&'static str, Field)], expected: &Value) -> bool {
    let expected = expected.as_object().expect("fields");
    let named = expected
        .iter()
        .filter(|(name, _)| name.starts_with(|first: char| first.is_ascii_uppercase()));
    record.len() == named.clone().count()
        && record
            .iter()
            .all(|(name, field)| expected.get(*name).is_some_and(|value| field.is(value)))
}

pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Field {
    Field::Bytes(bytes.as_ref().to_vec())
}

pub(super) fn ip(addr: SocketAddr) -> Field {
    let mut out = Vec::new();
    field::append_ip(&mut out, addr.ip());
    bytes(&out[1..])
}

pub(super) fn versions(versions: Versions) -> Field {
    let mut out = Vec::new();
    field::append_versions(&mut out, versions);
    bytes(&out[1..])
}

pub(super) fn source(record: &mut Vec<(&'static str, Field)>, source: SocketAddr, name: &[u8]) {
    if source != NOWHERE.from {
        record.push(("SourceAddr", ip(source)));
        record.push(("SourcePort", Field::Number(source.port().into())));
        record.push(("SourceNode", bytes(name)));
    }
}

pub(super) fn fields_of(message: &Message<'_>) -> Vec<(&'static str, Field)> {
    let number = |number: u32| Field::Number(number.into());
    match message {
        Message::Ping(m) => {
            let mut record = vec![
                ("SeqNo", number(m.seq)),
                ("Node", bytes(m.target.as_bytes())),
            ];
            source(&mut record, m.source, m.source_name.as_bytes());
            record
        }
        Message::IndirectPing(m) => {
            let mut record = vec![
                ("SeqNo", number(m.seq)),
                ("Node", bytes(m.target.as_bytes())),
                ("Target", ip(m.target_addr)),
                ("Port", number(m.target_addr.port().into())),
                ("Nack", Field::Bool(m.nack)),
            ];
            source(&mut record, m.source, m.source_name.as_bytes());
            record
        }
        Message::Ack(m) => vec![("SeqNo", number(m.seq)), ("Payload", bytes(m.payload))],
        Message::Nack(m) => vec![("SeqNo", number(m.seq))],
        Message::Suspect(m) | Message::Dead(m) => vec![
            ("Incarnation", number(m.incarnation)),
            ("Node", bytes(m.name.as_bytes())),
            ("From", bytes(m.from.as_bytes())),
        ],
        Message::Alive(m) => vec![
            ("Incarnation", number(m.incarnation)),
            ("Node", bytes(m.name.as_bytes())),
            ("Addr", ip(m.addr)),
            ("Port", number(m.addr.port().into())),
            ("Meta", bytes(m.meta)),
            ("Vsn", versions(m.versions)),
        ],
        Message::Serf(m) => serf_fields_of(m),
    }
}

pub(super) fn serf_fields_of(message: &SerfMessage<'_>) -> Vec<(&'static str, Field)> {
    let number = |number: u32| Field::Number(number.into());
    let ltime = |ltime: LamportTime| ("LTime", Field::Number(ltime.get()));
    match message {
        SerfMessage::LeaveIntent(m) => vec![
            ltime(m.ltime),
            ("Node", bytes(m.node.as_bytes())),
            ("Prune", Field::Bool(m.prune)),
        ],
        SerfMessage::JoinIntent(m) => vec![ltime(m.ltime), ("Node", bytes(m.node.as_bytes()))],
        SerfMessage::UserEvent(m) => vec![
            ltime(m.ltime),
            ("Name", bytes(m.name)),
            ("Payload", bytes(m.payload)),
            ("CC", Field::Bool(m.coalesce)),
        ],
        SerfMessage::Query(m) => {
            let filters = m.filters.iter().map(|filter| {
                let mut out = Vec::new();
                filter::append_filter(&mut out, filter);
                Field::Bytes(out)
            });
            vec![
                ltime(m.ltime),
                ("ID", number(m.id)),
                ("Addr", ip(m.source)),
                ("Port", number(m.source.port().into())),
                ("SourceNode", bytes(m.source_name.as_bytes())),
                ("Filters", Field::List(filters.collect())),
                ("Flags", number(m.flags.bits())),
                ("RelayFactor", number(m.relay_factor.into())),
                ("Timeout", Field::Number(crate::time::nanos(m.timeout))),
                ("Name", bytes(m.name)),
                ("Payload", bytes(m.payload)),
            ]
        }
        SerfMessage::QueryResponse(m) => vec![
            ltime(m.ltime),
            ("ID", number(m.id)),
            ("From", bytes(m.from.as_bytes())),
            ("Flags", number(m.flags)),
            ("Payload", bytes(m.payload)),
        ],
        SerfMessage::Relay(m) => {
            let dest = vec![
                ("IP", ip(m.dest)),
                ("Port", number(m.dest.port().into())),
                ("Zone", bytes("")),
            ];
            vec![
                ("DestAddr", Field::Record(dest)),
                ("DestName", bytes(m.dest_name.as_bytes())),
            ]
        }
    }
}
