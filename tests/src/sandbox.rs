//! A place for a data path that nothing else on the machine sees.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// A mount namespace of the calling thread's own, with a BPF file system in it.
#[derive(Debug)]
pub struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    /// Takes the calling thread, and those that it will start, into a new mount namespace.
    ///
    /// # Errors
    /// When this is not run by root, or the kernel has no BPF file system.
    pub fn enter() -> anyhow::Result<Self> {
        ensure!(
            nix::unistd::Uid::effective().is_root(),
            "this test loads BPF programs: run it as root"
        );
        unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
        let nothing = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing).context("cannot make mounts private")?;
        let directory = tempfile::tempdir()?;
        mount(
            Some("bpf"),
            directory.path(),
            Some("bpf"),
            MsFlags::empty(),
            nothing,
        )
        .context("cannot mount a BPF file system")?;
        Ok(Self { directory })
    }

    /// Takes the calling thread into a new network namespace, too.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter_empty_network(&self) -> anyhow::Result<()> {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")
    }

    /// Where one data path may keep its pins.
    pub fn pin_dir(&self, host: &str) -> PathBuf {
        self.directory.path().join(host)
    }

    /// Where all pins are.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The mount itself goes with the thread; without this its directory could not be removed.
        let _ = nix::mount::umount2(self.directory.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}
