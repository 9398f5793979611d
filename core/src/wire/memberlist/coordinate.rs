//! A node's coordinate as the payload of an ack (wire-protocol reference, section 9.3).

use alloc::vec::Vec;

use crate::serf::coordinate::Coordinate;
use crate::wire::msgpack::{
    Fault, Reader, append_array_len, append_f64, append_map_len, append_text, record,
};
use crate::wire::native::CoordinateError;

/// The version of the payload.
const VERSION: u8 = 1;

/// Appends the payload of an ack: 112 bytes.
pub fn write_coordinate(out: &mut Vec<u8>, coordinate: &Coordinate) {
    out.push(VERSION);
    append_map_len(out, 4);
    append_text(out, b"Adjustment");
    append_f64(out, coordinate.adjustment);
    append_text(out, b"Error");
    append_f64(out, coordinate.error);
    append_text(out, b"Height");
    append_f64(out, coordinate.height);
    append_text(out, b"Vec");
    append_array_len(out, coordinate.vec.len());
    for x in coordinate.vec {
        append_f64(out, x);
    }
}

/// Reads the payload of an ack. What it gives is [valid](Coordinate::is_valid).
///
/// # Errors
/// See [`CoordinateError`]; a coordinate of other than eight dimensions is malformed.
pub fn read_coordinate(payload: &[u8]) -> Result<Coordinate, CoordinateError> {
    let (&version, body) = payload.split_first().ok_or(CoordinateError::Absent)?;
    if version != VERSION {
        return Err(CoordinateError::Version(version));
    }
    let coordinate = read(body).map_err(|_| CoordinateError::Malformed)?;
    if !coordinate.is_valid() {
        return Err(CoordinateError::Invalid);
    }
    Ok(coordinate)
}

fn read(body: &[u8]) -> Result<Coordinate, Fault> {
    let (mut vec, mut error, mut adjustment, mut height) = (None, 0.0, 0.0, 0.0);
    let reader = &mut Reader::new(body);
    record!(reader: Fault, {
        b"Vec" => vec = Some(read_vec(reader)?),
        b"Error" => error = reader.f64()?,
        b"Adjustment" => adjustment = reader.f64()?,
        b"Height" => height = reader.f64()?,
    })
    .and_then(|()| {
        Ok(Coordinate {
            vec: vec.ok_or(Fault::Malformed)?,
            error,
            adjustment,
            height,
        })
    })
}

fn read_vec(reader: &mut Reader<'_>) -> Result<[f64; Coordinate::DIMENSIONS], Fault> {
    let mut vec = [0.0; Coordinate::DIMENSIONS];
    if reader.array_len()? != vec.len() as u64 {
        return Err(Fault::Malformed);
    }
    for x in &mut vec {
        *x = reader.f64()?;
    }
    Ok(vec)
}
