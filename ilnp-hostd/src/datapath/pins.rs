//! The pin directory: what stays in the kernel when the daemon goes.
//!
//! ```text
//! <pin-dir>/layout-1/ilnp_peers        a table
//! <pin-dir>/layout-1/tcx-ilnp_in-7     a program's link to interface 7
//! <pin-dir>/layout-1/clsact-ilnp_in-7  a program that is a filter of interface 7
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::error::DataPathError;
use super::layout::LAYOUT;

/// The pins of one daemon.
#[derive(Debug)]
pub(super) struct Pins {
    layout: PathBuf,
    fresh: bool,
}

impl Pins {
    /// Finds the pins of an earlier daemon, or makes room for new ones.
    ///
    /// # Errors
    /// When the directory is not on a BPF file system, or holds something else.
    pub(super) fn open(top: &Path) -> Result<Self, DataPathError> {
        let existing = top
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or_else(|| Path::new("/"));
        let file_system =
            statfs(existing).map_err(DataPathError::failed_to("look at the pin directory"))?;
        if file_system.filesystem_type() != BPF_FS_MAGIC {
            return Err(DataPathError::NoBpfFileSystem(top.to_owned()));
        }
        let layout = top.join(LAYOUT);
        if let Some(found) = entries(top)?.into_iter().find(|name| name != LAYOUT) {
            return Err(DataPathError::OtherLayout {
                pin_dir: top.to_owned(),
                found,
            });
        }
        let fresh = !layout.exists();
        fs::create_dir_all(&layout).map_err(DataPathError::failed_to("make the pin directory"))?;
        Ok(Self { layout, fresh })
    }

    /// Whether no earlier daemon left anything.
    pub(super) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Where a table or attachment is pinned.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.layout.join(name)
    }

    /// The names of all pins.
    pub(super) fn names(&self) -> Result<Vec<String>, DataPathError> {
        entries(&self.layout)
    }

    /// Removes one pin; that it is gone already is no error.
    pub(super) fn remove(&self, name: &str) -> Result<(), DataPathError> {
        gone(fs::remove_file(self.path(name)))
    }

    /// Removes every pin below a directory, of whichever version, and the directory.
    pub(super) fn remove_all(top: &Path) -> Result<(), DataPathError> {
        gone(fs::remove_dir_all(top))
    }
}

/// The names in a directory; none when there is no directory.
pub(super) fn entries(directory: &Path) -> Result<Vec<String>, DataPathError> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(DataPathError::failed_to("read the pin directory")),
    }
}

fn gone(result: io::Result<()>) -> Result<(), DataPathError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(DataPathError::failed_to("remove pins")),
    }
}
