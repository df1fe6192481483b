//! Files that are old or new after a crash, never something in between.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Puts `octets` in the place of whatever is at `path`, a symbolic link too: a new file is written
/// beside it, flushed, and renamed.
///
/// # Errors
/// Those of the file system. What was at `path` is still there then.
pub fn replace(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path);
    let put = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        flush_directory(path)
    };
    put().inspect_err(|_| {
        // What could not be completed is not left behind.
        let _ = fs::remove_file(&new);
    })
}

/// Removes the file at `path`, so that it stays removed after a crash. That there is none is no
/// error.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => flush_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where the new file is written: a crash can leave it behind, and the next [`replace`] takes it.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ilnp-new");
    name.into()
}

/// Makes additions to, and removals from, the directory of `path` outlast a crash.
///
/// # Errors
/// Those of the file system.
pub fn flush_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn replaces_a_link_and_not_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &path).unwrap();
        replace(&path, b"new", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert!(!beside(&path).exists());
    }

    #[test]
    fn removes_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "old").unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        remove(&path).unwrap();
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"new", 0o644).is_err());
        assert!(path.is_dir());
        assert!(!beside(&path).exists());
    }
}
