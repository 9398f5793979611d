//! Replacing the whole content of a file, so that whenever the machine stops there is either the
//! old or the new one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{FileError, FileErrorReason, MAX_SIZE, Subject};

/// The whole of a small file.
pub(super) fn load(subject: Subject<'_>) -> Result<Vec<u8>, FileError> {
    let file = File::open(subject.path).map_err(|error| subject.error("open", error))?;
    // Room for all of it from the start, and some more for the look beyond its end, and for what tells
    // no size, such as a pipe: a buffer that grows leaves a copy behind, and there may be keys in it.
    let size = file.metadata().map_or(0, |it| it.len().min(MAX_SIZE));
    let mut text = Vec::with_capacity(size as usize + 4_096);
    let read = file.take(MAX_SIZE + 1).read_to_end(&mut text);
    let len = read.map_err(|error| subject.error("read", error))?;
    if len as u64 > MAX_SIZE {
        return Err(subject.error("read", FileErrorReason::TooLarge));
    }
    Ok(text)
}

/// Replaces a small file, or creates it so that only its owner may read it. What a symbolic link
/// points to is replaced, not the link.
pub(super) fn save(subject: Subject<'_>, text: &[u8]) -> Result<(), FileError> {
    let path = fs::canonicalize(subject.path);
    let path = path.as_deref().unwrap_or(subject.path);
    let error = |error| subject.error("replace", error);
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(error(io::Error::other("not a regular file")));
    }
    match replace(path, ".tmp", 0o600, |file| file.write_all(text)) {
        Ok(_) => Ok(()),
        // The file may be writable where the directory is not, or be mounted on its own into a
        // container. The reference system always writes in place.
        Err(refused) if is_about_the_directory(&refused) => {
            write_in_place(path, text).map_err(|_| error(refused))
        }
        Err(other) => Err(error(other)),
    }
}

fn is_about_the_directory(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(
        error.kind(),
        PermissionDenied | ReadOnlyFilesystem | ResourceBusy
    )
}

fn write_in_place(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// The name of a file with something appended to it.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Writes a new file beside the old one (as `PATH` with `suffix`), makes sure that it is on the
/// disk, and renames it over the old one. Returns the new file, for appending to it.
///
/// A file that exists keeps its permissions; a new one gets `mode`, minus the umask.
pub(super) fn replace(
    path: &Path,
    suffix: &str,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<File> {
    let new = with_suffix(path, suffix);
    // Whatever an earlier attempt has left there may have other permissions.
    remove_if_there(&new)?;
    let mut file = create(&new, mode)?;
    let written = write(&mut file)
        .and_then(|()| keep_permissions(path, &file))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        // It would take the room that may be what is missing.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    // The new file is in place, whatever becomes of this.
    let _ = sync_directory(path);
    Ok(file)
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn keep_permissions(old: &Path, new: &File) -> io::Result<()> {
    match fs::metadata(old) {
        Ok(old) if old.is_file() => new.set_permissions(old.permissions()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a rename survive a power failure, where the system can open directories.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}
