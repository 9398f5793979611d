//! The tags file: a JSON object in the order of its keys.

use std::path::Path;

use serf_core::Tags;

use super::replace::{load, save};
use super::{FileError, FileErrorReason, Subject};

const WHAT: &str = "tags file";

/// Reads a tags file; `None` if there is no such file.
///
/// # Errors
/// See [`FileErrorReason`].
pub fn load_tags(path: &Path) -> Result<Option<Tags>, FileError> {
    let subject = Subject { what: WHAT, path };
    let text = match load(subject) {
        Err(FileError {
            reason: FileErrorReason::Io(error),
            ..
        }) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    // `null` is what the reference system writes for tags that were never set.
    let tags: Option<Tags> = serde_json::from_slice(&text).map_err(|json| {
        subject.error(
            "read",
            FileErrorReason::json("a JSON object of texts", &json),
        )
    })?;
    Ok(Some(tags.unwrap_or_default()))
}

/// Replaces a tags file, or creates it so that only its owner may read it.
///
/// # Errors
/// The system's; the old file is still there then.
pub fn save_tags(path: &Path, tags: &Tags) -> Result<(), FileError> {
    let subject = Subject { what: WHAT, path };
    let json = serde_json::to_vec_pretty(tags).expect("texts are always JSON");
    save(subject, &json)
}
