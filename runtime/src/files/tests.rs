//! Keyring and tags files, byte by byte as the reference system writes them (`files.json`).

use std::fs;
use std::path::PathBuf;

use serf_core::Tags;
use serf_core::keyring::{Key, Keyring};
use tempfile::TempDir;

use super::*;

const KEYRING: &str = "[\n  \"QEFCQ0RFRkdISUpLTE1OTw==\",\n  \
    \"EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8=\"\n]";

const TAGS: &str = "{\n  \"dc\": \"east\",\n  \"role\": \"db\"\n}";

fn scratch(content: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.json");
    fs::write(&path, content).unwrap();
    (dir, path)
}

fn keyring() -> Keyring {
    let keys = [0x40..0x50, 0x10..0x30_u8].map(|bytes| bytes.collect::<Vec<_>>());
    Keyring::from_keys(keys.map(|bytes| Key::new(&bytes).unwrap())).unwrap()
}

fn tags() -> Tags {
    [("role", "db"), ("dc", "east")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn a_keyring_file_is_read_and_written_as_by_the_reference() {
    let (dir, path) = scratch(KEYRING);
    assert_eq!(load_keyring(&path).unwrap(), keyring());
    let new = dir.path().join("new");
    save_keyring(&new, &keyring()).unwrap();
    assert_eq!(fs::read_to_string(&new).unwrap(), KEYRING);
}

#[test]
fn a_tags_file_is_read_and_written_as_by_the_reference() {
    let (dir, path) = scratch(TAGS);
    assert_eq!(load_tags(&path).unwrap(), Some(tags()));
    let new = dir.path().join("new");
    save_tags(&new, &tags()).unwrap();
    assert_eq!(fs::read_to_string(&new).unwrap(), TAGS);

    save_tags(&new, &Tags::new()).unwrap();
    assert_eq!(fs::read_to_string(&new).unwrap(), "{}");
    assert_eq!(load_tags(&new).unwrap(), Some(Tags::new()));
    fs::write(&new, "null").unwrap();
    assert_eq!(load_tags(&new).unwrap(), Some(Tags::new()));
}

#[test]
fn no_tags_file_is_no_tags_but_no_keyring_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none");
    assert!(load_tags(&path).unwrap().is_none());
    let error = load_keyring(&path).unwrap_err().to_string();
    let start = format!(
        "cannot open keyring file '{}': No such file",
        path.display()
    );
    assert!(error.starts_with(&start), "{error}");
}

#[cfg(unix)]
#[test]
fn new_files_are_the_owners_only_and_old_ones_keep_their_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, old) = scratch("{}");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
    let new = dir.path().join("new");
    for (path, mode) in [(&old, 0o640), (&new, 0o600)] {
        save_tags(path, &tags()).unwrap();
        let permissions = fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode);
        save_keyring(path, &keyring()).unwrap();
        let permissions = fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode);
    }
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    left.sort();
    assert_eq!(left, [old, new]);
}

#[cfg(unix)]
#[test]
fn what_a_link_points_to_is_replaced_not_the_link() {
    let (dir, path) = scratch("{}");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    save_tags(&link, &tags()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), TAGS);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn what_cannot_be_replaced_stays_and_the_error_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = save_tags(dir.path(), &tags()).unwrap_err().to_string();
    let path = dir.path().display();
    let expected = format!("cannot replace tags file '{path}': not a regular file");
    assert_eq!(error, expected);
    assert!(dir.path().is_dir());
}

#[test]
fn mistakes_in_a_file_are_shown_with_their_place() {
    for (content, expected) in [
        ("[]", "Keyring file contains no keys"),
        ("[\"QEFC\"]", "key 1: key size must be 16, 24 or 32 bytes"),
        (
            "[\"QEFCQ0RFRkdISUpLTE1OTw==\", \"-\"]",
            "key 2: the key is not standard base64 with padding",
        ),
        (
            "[\n1]",
            "expected a JSON array of keys in base64; the mistake is at line 2, column 1",
        ),
    ] {
        let (_dir, path) = scratch(content);
        let error = load_keyring(&path).unwrap_err().to_string();
        let path = path.display();
        let expected = format!("cannot read keyring file '{path}': {expected}");
        assert_eq!(error, expected);
    }
    let (_dir, path) = scratch("{\"a\": 1}");
    let error = load_tags(&path).unwrap_err().to_string();
    let path = path.display();
    let expected = "expected a JSON object of texts; the mistake is at line 1, column 7";
    assert_eq!(error, format!("cannot read tags file '{path}': {expected}"));
}

#[test]
fn an_error_never_shows_a_key() {
    let secret = "QEFCQ0RFRkdISUpLTE1OTw==";
    for content in [
        format!("\"{secret}\""),
        format!("{{\"{secret}\": 1}}"),
        format!("[{{\"{secret}\": 1}}]"),
        format!("[\"{secret}!\"]"),
        secret.to_owned(),
    ] {
        let (_dir, path) = scratch(&content);
        let error = load_keyring(&path).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&secret[..8]), "{shown}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let (_dir, path) = scratch(&" ".repeat(MAX_SIZE as usize + 1));
    let error = load_tags(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("it is larger than 1048576 bytes"),
        "{error}"
    );
}
