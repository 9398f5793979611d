//! The msgpack dialect of the RPC protocol (wire-protocol reference, section 1).
//!
//! [`Encode`] writes the one canonical form of the RPC profile: `str8` for strings, `bin` for
//! bytes, smallest integers, records as maps in ascending order of their keys. [`Decode`] is as
//! lenient as the clients in the field need: it takes every form that any release accepts.

use std::collections::BTreeMap;

use rmp::encode as put;
use rmpv::Value;
use zeroize::Zeroizing;

const IN_MEMORY: &str = "writing to memory cannot fail";

/// A value that can be written in the RPC profile.
pub trait Encode {
    /// Appends the canonical encoding.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A value that can be read from any accepted form.
pub trait Decode: Sized {
    /// Reads a decoded msgpack value. Nil is the zero value of every type.
    ///
    /// # Errors
    /// The value is of a type that no release accepts here, or does not fit.
    fn decode(value: Value) -> Result<Self, Malformed>;
}

/// Bytes that are not of the RPC protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Some other type was expected.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// A value that does not fit its field.
    #[error("a number is out of range: {0}")]
    Range(String),
    /// One value takes more bytes than is allowed.
    #[error("a message has more than {limit} bytes")]
    TooLarge {
        /// How many are allowed.
        limit: usize,
    },
    /// One value holds more elements than is allowed.
    #[error("a message has more than {limit} elements")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
    /// One value is nested deeper than is allowed.
    #[error("a message is nested deeper than {limit}")]
    TooDeep {
        /// How deep is allowed.
        limit: usize,
    },
    /// Not msgpack.
    #[error("not msgpack: {0}")]
    Syntax(String),
}

impl Malformed {
    fn unexpected(expected: &'static str, found: &Value) -> Self {
        let found = match found {
            Value::Nil => "nil",
            Value::Boolean(_) => "a boolean",
            Value::Integer(_) => "an integer",
            Value::F32(_) | Value::F64(_) => "a float",
            Value::String(_) => "a string",
            Value::Binary(_) => "bytes",
            Value::Array(_) => "a list",
            Value::Map(_) => "a map",
            Value::Ext(..) => "an extension",
        };
        Self::Type { expected, found }
    }
}

/// A byte slice, which the RPC profile keeps apart from strings and lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Encode for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        put::write_bin(out, &self.0).expect(IN_MEMORY);
    }
}

impl Decode for Bytes {
    fn decode(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Nil => Ok(Self::default()),
            Value::Binary(bytes) => Ok(Self(bytes)),
            Value::String(text) => Ok(Self(text.into_bytes())),
            Value::Array(items) => items
                .into_iter()
                .map(u8::decode)
                .collect::<Result<_, _>>()
                .map(Self),
            other => Err(Malformed::unexpected("bytes", &other)),
        }
    }
}

impl Encode for str {
    fn encode(&self, out: &mut Vec<u8>) {
        put::write_str(out, self).expect(IN_MEMORY);
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Decode for String {
    fn decode(value: Value) -> Result<Self, Malformed> {
        let bytes = match value {
            Value::Nil => return Ok(Self::new()),
            Value::String(text) => text.into_bytes(),
            Value::Binary(bytes) => bytes,
            other => return Err(Malformed::unexpected("a string", &other)),
        };
        // Names of other systems' members may be any bytes; show them as far as they are text.
        Ok(Self::from_utf8(bytes)
            .unwrap_or_else(|error| Self::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

/// A text that is a secret: it is moved from one to the next, never copied.
impl Encode for Zeroizing<String> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Decode for Zeroizing<String> {
    fn decode(value: Value) -> Result<Self, Malformed> {
        String::decode(value).map(Self::new)
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        put::write_bool(out, *self).expect(IN_MEMORY);
    }
}

impl Decode for bool {
    fn decode(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Nil => Ok(false),
            Value::Boolean(flag) => Ok(flag),
            other => match other.as_u64() {
                Some(0) => Ok(false),
                Some(1) => Ok(true),
                _ => Err(Malformed::unexpected("a boolean", &other)),
            },
        }
    }
}

impl Encode for f64 {
    fn encode(&self, out: &mut Vec<u8>) {
        put::write_f64(out, *self).expect(IN_MEMORY);
    }
}

impl Decode for f64 {
    fn decode(value: Value) -> Result<Self, Malformed> {
        if value.is_nil() {
            return Ok(0.0);
        }
        value
            .as_f64()
            .ok_or_else(|| Malformed::unexpected("a number", &value))
    }
}

macro_rules! integer {
    ($($int:ty: $write:ident as $wide:ty),*) => {$(
        impl Encode for $int {
            fn encode(&self, out: &mut Vec<u8>) {
                put::$write(out, <$wide>::from(*self)).expect(IN_MEMORY);
            }
        }

        impl Decode for $int {
            fn decode(value: Value) -> Result<Self, Malformed> {
                let Value::Integer(number) = value else {
                    return match value {
                        Value::Nil => Ok(0),
                        other => Err(Malformed::unexpected("an integer", &other)),
                    };
                };
                let fits = match (number.as_u64(), number.as_i64()) {
                    (Some(n), _) => Self::try_from(n).ok(),
                    (None, Some(n)) => Self::try_from(n).ok(),
                    (None, None) => None,
                };
                fits.ok_or_else(|| Malformed::Range(number.to_string()))
            }
        }
    )*};
}

integer!(
    u8: write_uint as u64,
    u16: write_uint as u64,
    u64: write_uint as u64,
    i32: write_sint as i64,
    i64: write_sint as i64
);

/// `None` is nil.
impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.encode(out),
            None => put::write_nil(out).expect(IN_MEMORY),
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Nil => Ok(None),
            value => T::decode(value).map(Some),
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put::write_array_len(out, length(self.len())).expect(IN_MEMORY);
        for item in self {
            item.encode(out);
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Nil => Ok(Self::new()),
            Value::Array(items) => items.into_iter().map(T::decode).collect(),
            // A map is read as alternating keys and values.
            Value::Map(pairs) => pairs
                .into_iter()
                .flat_map(|(key, value)| [key, value])
                .map(T::decode)
                .collect(),
            other => Err(Malformed::unexpected("a list", &other)),
        }
    }
}

impl<T: Encode> Encode for BTreeMap<String, T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put::write_map_len(out, length(self.len())).expect(IN_MEMORY);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Nil => Ok(Self::new()),
            Value::Map(pairs) => pairs
                .into_iter()
                .map(|(key, value)| Ok((String::decode(key)?, T::decode(value)?)))
                .collect(),
            other => Err(Malformed::unexpected("a map", &other)),
        }
    }
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("a message never holds four billion elements")
}

/// The fields of a record on their way in. Unknown keys are skipped, missing ones are zero, the
/// last of duplicate keys wins.
pub(crate) struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// Takes a map, or a list of the fields in the order in which they are declared.
    pub(crate) fn new(value: Value, declared: &[&str]) -> Result<Self, Malformed> {
        match value {
            Value::Nil => Ok(Self(BTreeMap::new())),
            Value::Map(pairs) => pairs
                .into_iter()
                .map(|(key, value)| Ok((String::decode(key)?, value)))
                .collect::<Result<_, _>>()
                .map(Self),
            Value::Array(items) => {
                let keys = declared.iter().map(|key| (*key).to_owned());
                Ok(Self(keys.zip(items).collect()))
            }
            other => Err(Malformed::unexpected("a record", &other)),
        }
    }

    pub(crate) fn take<T: Decode + Default>(&mut self, key: &str) -> Result<T, Malformed> {
        Ok(self.take_if_present(key)?.unwrap_or_default())
    }

    pub(crate) fn take_if_present<T: Decode>(&mut self, key: &str) -> Result<Option<T>, Malformed> {
        self.0.remove(key).map(T::decode).transpose()
    }
}

/// Declares records: the fields in the order of the reference implementation (which positional
/// encodings follow), each with its key. They are written in ascending order of the keys.
macro_rules! records {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* $key:literal => $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::rpc::codec::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::rpc::codec::encode_record(
                    &mut [$(($key, &self.$field as &dyn $crate::rpc::codec::Encode)),*],
                    out,
                );
            }
        }

        impl $crate::rpc::codec::Decode for $name {
            fn decode(value: rmpv::Value) -> Result<Self, $crate::rpc::codec::Malformed> {
                let mut fields = $crate::rpc::codec::Fields::new(value, &[$($key),*])?;
                Ok(Self { $($field: fields.take($key)?,)* })
            }
        }
    )*};
}
pub(crate) use records;

/// Writes a record with its keys in ascending order.
pub(crate) fn encode_record(fields: &mut [(&str, &dyn Encode)], out: &mut Vec<u8>) {
    fields.sort_unstable_by_key(|(key, _)| *key);
    put::write_map_len(out, length(fields.len())).expect(IN_MEMORY);
    for (key, value) in fields {
        key.encode(out);
        value.encode(out);
    }
}
