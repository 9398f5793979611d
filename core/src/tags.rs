//! Tags and their encoding in a member's metadata (wire-protocol reference, section 7.11).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::CommandError;
use crate::member::Versions;
use crate::wire::msgpack::{Reader, append_map_len, append_text};
use crate::wire::{Wire, Wires, append_spoken};

/// Key-value pairs that a member announces about itself.
pub type Tags = BTreeMap<String, String>;

/// The most bytes that encoded tags may take.
pub const META_LIMIT: usize = 512;

/// First byte of metadata that holds tags; anything else is a bare role of the oldest protocol.
const MAGIC: u8 = 0xff;

/// The tag that such a role becomes.
const ROLE: &str = "role";

/// Encodes tags as metadata: a magic byte and a msgpack map in key order.
///
/// # Errors
/// [`CommandError::TagsTooLarge`] past [`META_LIMIT`].
pub fn encode(tags: &Tags) -> Result<Vec<u8>, CommandError> {
    let mut out = alloc::vec![MAGIC];
    append_tags(&mut out, tags);
    bounded(out)
}

fn bounded(meta: Vec<u8>) -> Result<Vec<u8>, CommandError> {
    match meta.len() {
        size if size > META_LIMIT => Err(CommandError::TagsTooLarge {
            size,
            limit: META_LIMIT,
        }),
        _ => Ok(meta),
    }
}

/// Appends the map alone.
pub(crate) fn append_tags(out: &mut Vec<u8>, tags: &Tags) {
    append_map_len(out, tags.len());
    for (key, value) in tags {
        append_text(out, key.as_bytes());
        append_text(out, value.as_bytes());
    }
}

/// Encodes tags as a node announces them that speaks these versions and wires: in the oldest
/// version the role alone. If one of the wires is the native one, and there is room, it says so
/// after the tags; after a role alone it cannot.
///
/// # Errors
/// As for [`encode`].
pub fn announce(tags: &Tags, versions: Versions, wires: Wires) -> Result<Vec<u8>, CommandError> {
    if versions.delegate_cur < Versions::TAGS_SINCE {
        let role = tags.get(ROLE).map(|role| role.as_bytes().to_vec());
        return bounded(role.unwrap_or_default());
    }
    let mut meta = encode(tags)?;
    if wires.include(Wire::Native) {
        append_spoken(&mut meta);
    }
    Ok(meta)
}

/// Decodes metadata. What cannot be read is left out: metadata is data of another node, and
/// never an error of this one.
///
/// Where the map breaks off, the tags before that point remain. Bytes after the map are ignored.
/// Text that is not UTF-8 has the bad parts replaced.
#[must_use]
pub fn decode(meta: &[u8]) -> Tags {
    match meta.split_first() {
        Some((&MAGIC, map)) => read_tags(map),
        _ => [(ROLE.to_owned(), text(meta))].into(),
    }
}

/// What stands after the tags in metadata; nothing where the tags cannot be read to their end.
pub(crate) fn trailer(meta: &[u8]) -> &[u8] {
    let Some((&MAGIC, map)) = meta.split_first() else {
        return &[];
    };
    let mut reader = Reader::new(map);
    match after_short_tags(map) {
        Some(rest) => rest,
        None if reader.skip().is_ok() => reader.rest(),
        None => &[],
    }
}

/// The same for a map of fewer than 16 tags of fewer than 32 bytes each, as nearly all are; `None`
/// for others.
fn after_short_tags(map: &[u8]) -> Option<&[u8]> {
    let (&header @ 0x80..=0x8f, mut rest) = map.split_first()? else {
        return None;
    };
    for _ in 0..2 * (header & 0x0f) {
        let (&len @ 0xa0..=0xbf, text) = rest.split_first()? else {
            return None;
        };
        rest = text.get(usize::from(len & 0x1f)..)?;
    }
    Some(rest)
}

/// Reads the map alone, as far as it can be read.
pub(crate) fn read_tags(map: &[u8]) -> Tags {
    let mut tags = Tags::new();
    let mut reader = Reader::new(map);
    // The length is only believed as far as there are bytes.
    for _ in 0..reader.map_len().unwrap_or(0) {
        let (Ok(key), Ok(value)) = (reader.text(), reader.text()) else {
            break;
        };
        tags.insert(text(key), text(value));
    }
    tags
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Tags {
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn the_bytes_are_those_of_the_reference_system() {
        let long = "this-value-is-longer-than-thirty-one-bytes";
        let mut long_meta = vec![0xff, 0x81, 0xa1, b'k', 0xda, 0x00, 0x2a];
        long_meta.extend(long.as_bytes());
        for (tags, meta) in [
            (tags([("role", "web")]), b"\xff\x81\xa4role\xa3web".to_vec()),
            (tags([]), b"\xff\x80".to_vec()),
            (tags([("k", long)]), long_meta),
        ] {
            assert_eq!(encode(&tags).as_ref(), Ok(&meta));
            assert_eq!(decode(&meta), tags);
        }
    }

    #[test]
    fn metadata_without_the_magic_byte_is_a_role() {
        assert_eq!(decode(b"web"), tags([("role", "web")]));
        assert_eq!(decode(b""), tags([("role", "")]));
        assert_eq!(decode(b"\xc3"), tags([("role", "\u{fffd}")]));
    }

    #[test]
    fn the_oldest_version_announces_the_role_alone() {
        let all = tags([("dc", "x"), ("role", "web")]);
        let announced = |protocol, tags: &Tags| {
            let versions = Versions::speaking(protocol)?;
            announce(tags, versions, Wires::Auto).ok()
        };
        assert_eq!(announced(2, &all), Some(b"web".to_vec()));
        assert_eq!(announced(2, &tags([])), Some(Vec::new()));
        let newer = announced(3, &all);
        assert_eq!(newer.as_deref().map(decode), Some(all));
        let long = tags([("role", &"x".repeat(META_LIMIT + 1))]);
        assert_eq!(announced(2, &long), None);
        assert_eq!(announced(6, &tags([])), None);
    }

    #[test]
    fn every_form_of_string_and_map_is_read() {
        let expected = tags([("k", "v")]);
        let map = |header: &[u8], key: &[u8], value: &[u8]| {
            decode(&[&[0xff], header, key, value].concat())
        };
        for header in [&b"\x81"[..], b"\xde\x00\x01", b"\xdf\x00\x00\x00\x01"] {
            assert_eq!(map(header, b"\xa1k", b"\xa1v"), expected);
        }
        let forms: [&[u8]; 7] = [
            b"\xa1",
            b"\xd9\x01",
            b"\xda\x00\x01",
            b"\xdb\x00\x00\x00\x01",
            b"\xc4\x01",
            b"\xc5\x00\x01",
            b"\xc6\x00\x00\x00\x01",
        ];
        for form in forms {
            let (key, value) = ([form, b"k"].concat(), [form, b"v"].concat());
            assert_eq!(map(b"\x81", &key, b"\xa1v"), expected);
            assert_eq!(map(b"\x81", b"\xa1k", &value), expected);
        }
        assert_eq!(map(b"\x81", b"\xa1k", b"\xc0"), tags([("k", "")]));
        assert_eq!(decode(b"\xff\xc0"), tags([]));
    }

    #[test]
    fn what_comes_before_the_damage_remains() {
        assert_eq!(decode(b"\xff\x82\xa1k\xa1v\xa1"), tags([("k", "v")]));
        assert_eq!(decode(b"\xff\x82\xa1k\xa1v\xa1x\x05"), tags([("k", "v")]));
        assert_eq!(
            decode(b"\xff\xdf\xff\xff\xff\xff\xa1k\xa1v"),
            tags([("k", "v")])
        );
        assert_eq!(decode(b"\xff\x81\xa1k\xdb\xff\xff\xff\xff"), tags([]));
        assert_eq!(decode(b"\xff\x93\x01\x02\x03"), tags([]));
        assert_eq!(decode(b"\xff"), tags([]));
    }

    #[test]
    fn bytes_after_the_map_are_ignored_and_the_last_of_equal_keys_wins() {
        assert_eq!(decode(b"\xff\x81\xa1k\xa1v\xa1k\xa1w"), tags([("k", "v")]));
        assert_eq!(decode(b"\xff\x82\xa1k\xa1v\xa1k\xa1w"), tags([("k", "w")]));
    }

    #[test]
    fn the_limit_is_on_the_encoded_size() {
        // Magic byte, map header, key, three bytes of string header.
        let room = META_LIMIT - 1 - 1 - 2 - 3;
        let fits = tags([("k", &"x".repeat(room))]);
        assert_eq!(encode(&fits).map(|meta| meta.len()), Ok(META_LIMIT));
        let too_large = tags([("k", &"x".repeat(room + 1))]);
        assert_eq!(
            encode(&too_large),
            Err(CommandError::TagsTooLarge {
                size: META_LIMIT + 1,
                limit: META_LIMIT
            })
        );
        assert!(encode(&tags([("k", &"x".repeat(70_000))])).is_err());
    }

    proptest! {
        #[test]
        fn tags_survive(tags in prop::collection::btree_map(".{0,40}", ".{0,300}", 0..20)) {
            if let Ok(meta) = encode(&tags) {
                prop_assert_eq!(decode(&meta), tags);
            }
        }

        #[test]
        fn any_bytes_decode_to_something_of_bounded_size(
            mut meta in prop::collection::vec(any::<u8>(), 0..=META_LIMIT),
            magic: bool,
        ) {
            if let (true, Some(first)) = (magic, meta.first_mut()) {
                *first = MAGIC;
            }
            let size: usize = decode(&meta).iter().map(|(k, v)| k.len() + v.len()).sum();
            prop_assert!(size <= ROLE.len() + 3 * meta.len());
        }
    }
}
