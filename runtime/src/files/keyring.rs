//! The keyring file: a JSON array of keys in base64, the primary first.

use std::path::Path;

use serf_core::keyring::{Key, Keyring};
use zeroize::Zeroizing;

use super::replace::{load, save};
use super::{FileError, FileErrorReason, Subject};

const WHAT: &str = "keyring file";

/// Reads a keyring file, which must exist and have at least one key.
///
/// # Errors
/// See [`FileErrorReason`]; the error never shows a key.
pub fn load_keyring(path: &Path) -> Result<Keyring, FileError> {
    let subject = Subject { what: WHAT, path };
    let text = Zeroizing::new(load(subject)?);
    let error = |reason| subject.error("read", reason);
    let keys: Vec<Zeroizing<String>> = serde_json::from_slice(&text).map_err(|json| {
        error(FileErrorReason::json(
            "a JSON array of keys in base64",
            &json,
        ))
    })?;
    let keys = keys.iter().enumerate().map(|(i, key)| {
        let number = i + 1;
        Key::from_base64(key).map_err(|error| FileErrorReason::Key { number, error })
    });
    let keys: Vec<Key> = keys.collect::<Result<_, _>>().map_err(error)?;
    Keyring::from_keys(keys).map_err(|keyring| error(keyring.into()))
}

/// Replaces a keyring file, or creates it so that only its owner may read it.
///
/// # Errors
/// The system's; the old file is still there then.
pub fn save_keyring(path: &Path, keyring: &Keyring) -> Result<(), FileError> {
    let subject = Subject { what: WHAT, path };
    let texts: Vec<_> = keyring.keys().iter().map(Key::to_base64).collect();
    let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
    // Enough room from the start, so that growing leaves no copy behind.
    let mut json = Zeroizing::new(Vec::with_capacity(64 * (texts.len() + 1)));
    serde_json::to_writer_pretty(&mut *json, &texts).expect("texts are always JSON");
    save(subject, &json)
}
