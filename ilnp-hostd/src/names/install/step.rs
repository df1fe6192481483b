//! Does what was planned.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::error::InstallError;
use super::observe::{self, RESOLV_CONF};
use super::plan::Step;
use super::program;
use super::record::{self, Original};
use ilnp_service::durable;

/// Does one step. `record` is where it is written down what is done to this host.
pub(super) fn take(step: &Step, record: &Path) -> Result<(), InstallError> {
    match step {
        Step::Remember(done) => record::write(record, done),
        Step::Forget => record::remove(record),
        Step::Put(what) => put(Path::new(RESOLV_CONF), what)
            .map_err(|source| InstallError::file("write", Path::new(RESOLV_CONF), source)),
        Step::Resolvectl(words) => resolvectl(words),
        Step::ResolvectlIfThere(words) => {
            if let Err(error) = resolvectl(words) {
                tracing::debug!(%error, "nothing to undo in systemd-resolved");
            }
            Ok(())
        }
        Step::Resolvconf(words, input) => resolvconf(words, input),
    }
}

/// Removes the new file that a crash left beside `/etc/resolv.conf`.
pub(super) fn sweep() -> Result<(), InstallError> {
    let new = durable::beside(Path::new(RESOLV_CONF));
    // On a read-only file system, even removing nothing fails.
    if fs::symlink_metadata(&new).is_err() {
        return Ok(());
    }
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(InstallError::file("remove", &new, error))
        }
        _ => Ok(()),
    }
}

fn resolvectl(words: &[String]) -> Result<(), InstallError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    program::resolvectl(&words).map(drop)
}

/// resolvconf fails when one of its hooks does, a name server's that does not run for example,
/// after it has done what it was told.
fn resolvconf(words: &[&str], input: &str) -> Result<(), InstallError> {
    match program::run_resolvconf(words, input) {
        Err(error) if observe::has_our_record() == input.is_empty() => Err(error),
        Err(error) => {
            tracing::debug!(%error, "resolvconf did what it was told all the same");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn put(path: &Path, what: &Original) -> io::Result<()> {
    match what {
        Original::Missing => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => durable::flush_directory(path),
        },
        Original::Link(target) => {
            let new = durable::beside(path);
            let _ = fs::remove_file(&new);
            symlink(target, &new)?;
            fs::rename(&new, path)?;
            durable::flush_directory(path)
        }
        Original::File { text, mode } => match durable::replace(path, &text.0, *mode) {
            Err(error) if is_fixed(&error) => overwrite(path, &text.0),
            done => done,
        },
    }
}

/// Whether the file can be written although it cannot be replaced: it is a mount of its own, as in
/// containers and in `ip netns exec`, or lies on a file system that is read-only around it.
fn is_fixed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ResourceBusy
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
    )
}

fn overwrite(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}
