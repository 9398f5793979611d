//! Reading, with as many forms of each value as any release accepts.

use rmp::Marker;
use serde::{Deserialize, Serialize};

/// Why a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The input ends too early, by at least so many bytes.
    Short {
        /// How many more bytes there must be.
        missing: u64,
    },
    /// A value of another type, or a number beyond what its field can hold.
    Malformed,
}

/// A place in an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes as they are.
    #[inline]
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], Fault> {
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((taken, rest)) = split else {
            let missing = len - self.rest.len() as u64;
            return Err(Fault::Short { missing });
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            let missing = (N - self.rest.len()) as u64;
            return Err(Fault::Short { missing });
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// Steps over these bytes if they come next.
    #[inline]
    pub(crate) fn literal(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(bytes)?;
        Some(())
    }

    /// The next byte as it is.
    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        self.fixed().map(|[byte]| byte)
    }

    /// True if the next value is nil.
    pub(crate) const fn is_nil(&self) -> bool {
        matches!(self.rest.first(), Some(0xc0))
    }

    #[inline]
    fn marker(&mut self) -> Result<Marker, Fault> {
        self.fixed().map(|[byte]| Marker::from_u8(byte))
    }

    fn be8(&mut self) -> Result<u64, Fault> {
        self.fixed().map(u8::from_be_bytes).map(u64::from)
    }

    fn be16(&mut self) -> Result<u64, Fault> {
        self.fixed().map(u16::from_be_bytes).map(u64::from)
    }

    fn be32(&mut self) -> Result<u64, Fault> {
        self.fixed().map(u32::from_be_bytes).map(u64::from)
    }

    fn be64(&mut self) -> Result<u64, Fault> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// An integer that is not negative. (No field of any message has a use for negative ones.)
    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        match self.marker()? {
            Marker::FixPos(value) => Ok(value.into()),
            other => self.long_uint(other),
        }
    }

    fn long_uint(&mut self, marker: Marker) -> Result<u64, Fault> {
        // A signed form of n bits is an integer without sign if its highest bit is not set.
        let (value, highest) = match marker {
            Marker::Null => return Ok(0),
            Marker::U8 => return self.be8(),
            Marker::U16 => return self.be16(),
            Marker::U32 => return self.be32(),
            Marker::U64 => return self.be64(),
            Marker::I8 => (self.be8()?, 7),
            Marker::I16 => (self.be16()?, 15),
            Marker::I32 => (self.be32()?, 31),
            Marker::I64 => (self.be64()?, 63),
            _ => return Err(Fault::Malformed),
        };
        match value >> highest {
            0 => Ok(value),
            _ => Err(Fault::Malformed),
        }
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.u64()?.try_into().map_err(|_| Fault::Malformed)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.u64()?.try_into().map_err(|_| Fault::Malformed)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.u64()?.try_into().map_err(|_| Fault::Malformed)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Fault> {
        match self.marker()? {
            Marker::Null | Marker::False | Marker::FixPos(0) => Ok(false),
            Marker::True | Marker::FixPos(1) => Ok(true),
            _ => Err(Fault::Malformed),
        }
    }

    /// A number with a fraction, in any form of number.
    pub(crate) fn f64(&mut self) -> Result<f64, Fault> {
        let mut ahead = *self;
        match ahead.marker()? {
            Marker::F64 => {
                let value = f64::from_be_bytes(ahead.fixed()?);
                *self = ahead;
                Ok(value)
            }
            Marker::F32 => {
                let value = f32::from_be_bytes(ahead.fixed()?).into();
                *self = ahead;
                Ok(value)
            }
            Marker::FixNeg(value) => {
                *self = ahead;
                Ok(value.into())
            }
            _ => self.u64().map(|value| value as f64),
        }
    }

    /// A text; whether it is UTF-8 is up to the caller.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a [u8], Fault> {
        let marker = self.marker()?;
        match self.text_len(marker)? {
            Some(len) => self.take(len),
            None => Err(Fault::Malformed),
        }
    }

    #[inline]
    fn text_len(&mut self, marker: Marker) -> Result<Option<u64>, Fault> {
        Ok(Some(match marker {
            Marker::FixStr(len) => len.into(),
            Marker::Null => 0,
            Marker::Str8 | Marker::Bin8 => self.be8()?,
            Marker::Str16 | Marker::Bin16 => self.be16()?,
            Marker::Str32 | Marker::Bin32 => self.be32()?,
            _ => return Ok(None),
        }))
    }

    /// A byte string. Nil and no bytes are the same.
    ///
    /// Some decoders take a list of integers, too. So does this one, as far as it can without a
    /// copy: if none of them is above 127, the list's content is the byte string.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let marker = self.marker()?;
        if let Some(len) = self.text_len(marker)? {
            return self.take(len);
        }
        let len = match marker {
            Marker::FixArray(len) => len.into(),
            Marker::Array16 => self.be16()?,
            Marker::Array32 => self.be32()?,
            _ => return Err(Fault::Malformed),
        };
        let bytes = self.take(len)?;
        match bytes.is_ascii() {
            true => Ok(bytes),
            false => Err(Fault::Malformed),
        }
    }

    /// How many values there are in a list; they follow. A map is a list of its keys and values.
    pub(crate) fn array_len(&mut self) -> Result<u64, Fault> {
        match self.marker()? {
            Marker::Null => Ok(0),
            Marker::FixArray(len) => Ok(len.into()),
            Marker::Array16 => self.be16(),
            Marker::Array32 => self.be32(),
            marker => Ok(2 * self.pairs(marker)?),
        }
    }

    /// How many keys with values there are in a map; they follow.
    pub(crate) fn map_len(&mut self) -> Result<u64, Fault> {
        match self.marker()? {
            Marker::Null => Ok(0),
            marker => self.pairs(marker),
        }
    }

    fn pairs(&mut self, marker: Marker) -> Result<u64, Fault> {
        match marker {
            Marker::FixMap(len) => Ok(len.into()),
            Marker::Map16 => self.be16(),
            Marker::Map32 => self.be32(),
            _ => Err(Fault::Malformed),
        }
    }

    /// Steps over a value of any type and depth.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        Skip::new(1).advance(self)
    }

    /// Steps over a value and gives it as it is.
    pub(crate) fn raw(&mut self) -> Result<&'a [u8], Fault> {
        let from = self.rest;
        self.skip()?;
        Ok(&from[..from.len() - self.rest.len()])
    }

    /// Reads a record; see the macro of the same name. `names` are its fields in the order in
    /// which a list has them. `field` is called with the reader before each value, and has to
    /// read exactly that.
    #[inline]
    pub(crate) fn record<E: From<Fault>>(
        &mut self,
        names: &[&[u8]],
        mut field: impl FnMut(&mut Self, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.marker()? {
            Marker::Null => {}
            list @ (Marker::FixArray(_) | Marker::Array16 | Marker::Array32) => {
                let len = match list {
                    Marker::FixArray(len) => len.into(),
                    Marker::Array16 => self.be16()?,
                    _ => self.be32()?,
                };
                let mut names = names.iter();
                for _ in 0..len {
                    match names.next() {
                        Some(name) => field(self, name)?,
                        None => self.skip()?,
                    }
                }
            }
            map => {
                for _ in 0..self.pairs(map)? {
                    let name = self.text()?;
                    field(self, name)?;
                }
            }
        }
        Ok(())
    }
}

/// Stepping over values of any type and depth, which can pause where the input ends for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skip {
    /// How many values are still to be stepped over. Containers add what they contain. Each marker
    /// adds less than 2^33 and takes a byte of the input, so this cannot overflow.
    values: u64,
}

impl Skip {
    pub(crate) const fn new(values: u64) -> Self {
        Self { values }
    }

    /// Goes on as far as possible. With [`Fault::Short`] the reader stands where to go on with more
    /// input.
    pub(crate) fn advance(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        while self.values > 0 {
            // Every value takes a byte at least.
            let rest = reader.rest.len() as u64;
            if self.values > rest {
                let missing = self.values - rest;
                return Err(Fault::Short { missing });
            }
            let mut ahead = *reader;
            let contained = ahead.skip_one()?;
            *reader = ahead;
            self.values += contained;
            self.values -= 1;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Steps over a value, but not over what it contains; gives how many values that is.
    #[inline]
    fn skip_one(&mut self) -> Result<u64, Fault> {
        let len = match self.marker()? {
            Marker::Null | Marker::True | Marker::False | Marker::Reserved => 0,
            Marker::FixPos(_) | Marker::FixNeg(_) => 0,
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 => 2,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::FixStr(len) => len.into(),
            Marker::Str8 | Marker::Bin8 => self.be8()?,
            Marker::Str16 | Marker::Bin16 => self.be16()?,
            Marker::Str32 | Marker::Bin32 => self.be32()?,
            // Behind the length of an extension comes a byte with its type.
            Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::FixExt4 => 5,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::Ext8 => 1 + self.be8()?,
            Marker::Ext16 => 1 + self.be16()?,
            Marker::Ext32 => 1 + self.be32()?,
            Marker::FixArray(len) => return Ok(len.into()),
            Marker::Array16 => return self.be16(),
            Marker::Array32 => return self.be32(),
            map => return Ok(2 * self.pairs(map)?),
        };
        self.take(len).map(|_| 0)
    }
}
