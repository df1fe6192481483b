//! Sockets that a libvirt guest's QEMU reaches: it runs as a user of its own, and confined.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::cannot_listen;
use super::definition::Owner;
use crate::hypervisor::HypervisorError;

/// Others may enter, and see nothing.
const ENTER: u32 = 0o011;
/// The longest path of a Unix socket that Linux takes, without the octet that ends it.
const LONGEST: usize = 107;

/// The directory that QEMUs of a libvirt daemon listen in.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Beside the socket of the daemon: where AppArmor's profile of every domain lets its QEMU
    /// listen, under a [certain name](Self::socket).
    pub(super) fn beside(daemon: &Path) -> Self {
        Self(
            daemon
                .parent()
                .unwrap_or_else(|| Path::new("/"))
                .join("ilnp-relocate"),
        )
    }

    /// Makes it, for nobody but `owner`: these sockets ask for no password.
    pub(super) fn make(&self, owner: Option<Owner>) -> Result<(), HypervisorError> {
        self.try_to_make(owner)
            .map_err(|error| HypervisorError::Failed {
                doing: format!(
                    "make the directory {} for sockets of QEMU",
                    self.0.display()
                ),
                reason: error.to_string(),
            })
    }

    fn try_to_make(&self, owner: Option<Owner>) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(Owner { user, group }) = owner {
            std::os::unix::fs::lchown(&self.0, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// A socket for a domain to listen on. It is free, and its name is what libvirt's
    /// `virt-aa-helper` writes into the domain's profile.
    pub(super) fn socket(&self, purpose: &str, domain: &str) -> Result<PathBuf, HypervisorError> {
        let path = self
            .0
            .join(format!("{purpose}.tunnelmigrate.dest.{domain}"));
        if path.as_os_str().len() > LONGEST {
            return Err(HypervisorError::Refused(format!(
                "domain {domain} has too long a name: the socket {} would need more than {LONGEST} octets",
                path.display()
            )));
        }
        free(&path)?;
        Ok(path)
    }
}

/// Removes what an earlier move has left at this path.
pub(super) fn free(path: &Path) -> Result<(), HypervisorError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot_listen(path, &error)),
        _ => Ok(()),
    }
}

/// Lets QEMU enter the directory of the agent's sockets, of which libvirt gives it those that it
/// may connect to. The others stay root's.
pub(super) fn let_in(directory: &Path) -> Result<(), HypervisorError> {
    let permit = || {
        let mode = fs::metadata(directory)?.permissions().mode();
        if mode & ENTER == ENTER {
            return Ok(());
        }
        fs::set_permissions(directory, Permissions::from_mode(mode | ENTER))
    };
    permit().map_err(|error: io::Error| HypervisorError::Failed {
        doing: format!("let QEMU enter {}", directory.display()),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_enters_where_qemu_listens() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::beside(&place.path().join("libvirt-sock"));
        for _ in 0..2 {
            directory.make(None).unwrap();
        }
        let mode = fs::metadata(&directory.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let socket = directory.socket("memory", "vm1").unwrap();
        fs::write(&socket, "").unwrap();
        assert_eq!(directory.socket("memory", "vm1").unwrap(), socket);
        assert!(!socket.exists());
        let long = directory.socket("memory", &"x".repeat(100)).unwrap_err();
        assert!(long.to_string().contains("too long a name"), "{long}");
    }

    #[test]
    fn qemu_may_enter_and_not_look() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
        let_in(place.path()).unwrap();
        let mode = fs::metadata(place.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o711);
        assert!(let_in(&place.path().join("none")).is_err());
    }
}
