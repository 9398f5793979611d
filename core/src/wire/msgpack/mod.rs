//! msgpack as the reference system speaks it (wire-protocol reference, section 1).
//!
//! Two generations of its codec are about. What is written here is the older one, which all
//! understand: texts and byte strings have the same form, and no length of one byte; integers are
//! as short as they can be. What is read is anything that either accepts: byte strings and texts
//! of all forms, integers of all forms, nil for nothing, records as maps or as lists of their
//! fields in order.
//!
//! Nothing here allocates on reading: texts and byte strings borrow from the input. Nor does
//! anything recurse, so that the depth of what comes in does not matter.

mod read;
mod write;

pub(crate) use read::{Fault, Reader, Skip};
pub(crate) use write::{append_array_len, append_bool, append_bytes, append_f64};
pub(crate) use write::{append_map_len, append_nil, append_text, append_uint};

/// Reads a record: a map, or a list of the fields in the order given here.
///
/// For each field there is its name and what is done with the reader when its value comes up.
/// Fields that do not come up are left alone; of repeated ones the last one counts; others are
/// skipped. An action may fail with `?`, with the error that is named.
macro_rules! record {
    ($reader:ident: $error:ty, { $($name:literal => $action:expr),* $(,)? }) => {
        $reader.record::<$error>(&[$(&$name[..]),*], |$reader, name| {
            match name {
                $($name => $action,)*
                _ => $reader.skip()?,
            }
            Ok(())
        })
    };
}
pub(crate) use record;
