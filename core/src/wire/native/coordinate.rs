//! A node's coordinate as the payload of an ack.
//!
//! ```text
//! payload = 1 | position (8 numbers) | error | adjustment | height
//! ```
//! Each number is an `f32` in little-endian order. As in messages, bytes after the known fields are
//! ignored.

use alloc::vec::Vec;
use core::fmt;

use super::sized::{append, take};
use crate::serf::coordinate::{CompactCoordinate, Coordinate};

/// The version of the payload.
const VERSION: u8 = 1;

/// Appends the payload of an ack: 45 bytes.
pub fn write_coordinate(out: &mut Vec<u8>, coordinate: &Coordinate) {
    append(out, &(VERSION, CompactCoordinate::from(coordinate)));
}

/// Reads the payload of an ack. What it gives is [valid](Coordinate::is_valid).
///
/// # Errors
/// See [`CoordinateError`].
pub fn read_coordinate(payload: &[u8]) -> Result<Coordinate, CoordinateError> {
    let (&version, fields) = payload.split_first().ok_or(CoordinateError::Absent)?;
    if version != VERSION {
        return Err(CoordinateError::Version(version));
    }
    let (compact, _) = take::<CompactCoordinate>(fields).ok_or(CoordinateError::Malformed)?;
    let coordinate = Coordinate::from(&compact);
    if !coordinate.is_valid() {
        return Err(CoordinateError::Invalid);
    }
    Ok(coordinate)
}

/// An ack that brought no coordinate that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinateError {
    /// No payload: the sender does without coordinates.
    Absent,
    /// It is of another version.
    Version(u8),
    /// Cut short.
    Malformed,
    /// A number in it is not finite, or beyond what is accepted.
    Invalid,
}

impl fmt::Display for CoordinateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no coordinate"),
            Self::Version(version) => write!(f, "a coordinate of unknown version {version}"),
            Self::Malformed => f.write_str("a malformed coordinate"),
            Self::Invalid => write!(
                f,
                "a coordinate with a number that is not finite or beyond {} seconds",
                Coordinate::LIMIT
            ),
        }
    }
}

impl core::error::Error for CoordinateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(coordinate: &Coordinate) -> Vec<u8> {
        let mut out = Vec::new();
        write_coordinate(&mut out, coordinate);
        out
    }

    #[test]
    fn the_bytes_are_fixed() {
        let coordinate = Coordinate {
            vec: [0.5, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0],
            ..Coordinate::ORIGIN
        };
        let mut expected = [0; 45];
        expected[0] = 1;
        expected[4] = 0x3f;
        expected[7..9].copy_from_slice(&[0x80, 0xbf]);
        expected[32] = 0x40;
        expected[35..37].copy_from_slice(&[0xc0, 0x3f]);
        expected[41..].copy_from_slice(&[0xac, 0xc5, 0x27, 0x37]);
        assert_eq!(written(&coordinate), expected);
    }

    #[test]
    fn a_later_version_of_the_sender_may_append_fields() {
        let mut payload = written(&Coordinate::ORIGIN);
        let plain = read_coordinate(&payload);
        payload.extend(b"later");
        assert_eq!(read_coordinate(&payload), plain);
        assert!(plain.is_ok());
    }

    #[test]
    fn what_is_no_coordinate_is_refused_with_the_reason() {
        let origin = written(&Coordinate::ORIGIN);
        assert_eq!(read_coordinate(b""), Err(CoordinateError::Absent));
        assert_eq!(read_coordinate(b"\x02"), Err(CoordinateError::Version(2)));
        for len in 1..origin.len() {
            let cut = read_coordinate(&origin[..len]);
            assert_eq!(cut, Err(CoordinateError::Malformed), "{len}");
        }
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30] {
            for field in 0..11 {
                let mut payload = origin.clone();
                payload[1 + 4 * field..][..4].copy_from_slice(&bad.to_le_bytes());
                assert_eq!(read_coordinate(&payload), Err(CoordinateError::Invalid));
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_valid_coordinate_or_an_error(payload: Vec<u8>) {
            if let Ok(coordinate) = read_coordinate(&payload) {
                prop_assert!(coordinate.is_valid());
                prop_assert_eq!(read_coordinate(&written(&coordinate)), Ok(coordinate));
            }
        }

        #[test]
        fn what_is_read_writes_the_same_bytes(numbers in prop::array::uniform11(-100f32..100.0)) {
            let mut payload = alloc::vec![VERSION];
            payload.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
            match read_coordinate(&payload) {
                Ok(coordinate) => prop_assert_eq!(written(&coordinate), payload),
                Err(error) => {
                    prop_assert_eq!(error, CoordinateError::Invalid);
                    prop_assert!(numbers[8] < 0.0 || numbers[10] < 0.0);
                }
            }
        }
    }
}
