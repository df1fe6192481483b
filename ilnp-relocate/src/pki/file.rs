//! Files of the authority: made once, replaced as a whole, readable by their owner alone.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::PkiError;

/// No file of an authority is larger, unless it is none.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Makes a directory that only its owner can look into.
pub(super) fn directory(path: &Path) -> Result<(), PkiError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
        .map_err(|source| PkiError::io("make the directory", path, source))
}

/// Keeps other processes out of the authority until the file is dropped.
pub(super) fn lock(directory: &Path) -> Result<File, PkiError> {
    let file = File::open(directory).map_err(|source| PkiError::io("open", directory, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PkiError::Busy(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(PkiError::io("lock", directory, source)),
    }
}

pub(super) fn must_not_exist(path: &Path) -> Result<(), PkiError> {
    if path.symlink_metadata().is_ok() {
        return Err(PkiError::Exists(path.to_owned()));
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_string(&mut text))
        .map_err(|source| PkiError::io("read", path, source))?;
    Ok(text)
}

/// Writes all of these files or none of them; none of them may exist.
pub(super) fn write_new(files: &[(&Path, &[u8])]) -> Result<(), PkiError> {
    let mut made: Vec<&Path> = Vec::new();
    for (path, contents) in files {
        if let Err(source) = write(path, contents, &mut made) {
            for path in made {
                let _ = std::fs::remove_file(path);
            }
            return Err(PkiError::io("write", path, source));
        }
    }
    Ok(())
}

fn write<'a>(path: &'a Path, contents: &[u8], made: &mut Vec<&'a Path>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    made.push(path);
    // The umask may have taken bits away, and never adds any.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(contents)?;
    file.sync_all()
}

/// The certificates of sites in a directory; none when there is no such directory.
pub(super) fn certificates(directory: &Path) -> Result<Vec<PathBuf>, PkiError> {
    let failed = |source| PkiError::io("list", directory, source);
    let entries = match std::fs::read_dir(directory) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let certificate = path.extension().is_some_and(|extension| extension == "pem");
        if certificate && !path.ends_with("ca.pem") && !path.ends_with("revoked.pem") {
            paths.push(path);
        }
    }
    Ok(paths)
}
