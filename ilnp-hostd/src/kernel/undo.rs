//! Takes changes of the host's settings back.
//!
//! Before a setting is changed, its name and value go to a file, so that a daemon that crashed can be
//! cleaned up after, and a new daemon knows the values from before the first one. The file belongs
//! to one boot and one network namespace: elsewhere its values mean nothing.

use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ilnp_core::id::Nid;
use serde::{Deserialize, Serialize};

use super::{KernelError, Netlink, sysctl};

/// The settings that were changed, with the values that they had before.
#[derive(Debug)]
pub struct Undo {
    path: PathBuf,
    journal: Journal,
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// The identifier of the boot.
    boot: String,
    /// The inode of the network namespace.
    namespace: u64,
    changed: Vec<Setting>,
}

/// A setting with the value that it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A file below `/proc/sys/net/ipv6/conf`.
    Sysctl {
        /// The interface.
        interface: String,
        /// The file's name.
        setting: String,
        /// Its contents.
        value: String,
    },
    /// The address token of an interface.
    Token {
        /// The interface.
        interface: String,
        /// The token, or `None` when there was none.
        value: Option<Nid>,
    },
    /// An address that was not there, put in place for a planned move.
    Address {
        /// The interface.
        interface: String,
        /// The address, with a prefix of 64 bits.
        address: Ipv6Addr,
    },
    /// A default route that was not there, put in place for a planned move.
    LastRoute {
        /// The interface.
        interface: String,
        /// The router.
        router: Ipv6Addr,
    },
}

impl Setting {
    /// Whether both name the same setting, whatever the values.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Sysctl {
                    interface, setting, ..
                },
                Self::Sysctl {
                    interface: other_interface,
                    setting: other_setting,
                    ..
                },
            ) => interface == other_interface && setting == other_setting,
            (
                Self::Token { interface, .. },
                Self::Token {
                    interface: other, ..
                },
            ) => interface == other,
            (Self::Address { .. }, Self::Address { .. })
            | (Self::LastRoute { .. }, Self::LastRoute { .. }) => self == other,
            _ => false,
        }
    }
}

impl Undo {
    /// The file's name in the daemon's state directory.
    pub const FILE: &str = "kernel-settings.json";

    /// Opens the journal in this directory, which is made when it does not exist.
    ///
    /// # Errors
    /// [`KernelError::Undo`].
    pub fn open(directory: &Path) -> Result<Self, KernelError> {
        let path = directory.join(Self::FILE);
        let failed = |source| KernelError::Undo {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let here = Journal::of_this_namespace().map_err(failed)?;
        let journal = match fs::read(&path) {
            Ok(octets) => {
                let found: Journal = serde_json::from_slice(&octets)
                    .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
                if (&found.boot, found.namespace) == (&here.boot, here.namespace) {
                    found
                } else {
                    here
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => here,
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path, journal })
    }

    /// Remembers the value that a setting has before it is changed for the first time.
    ///
    /// # Errors
    /// [`KernelError::Undo`]; the setting must then not be changed.
    pub fn remember(&mut self, setting: Setting) -> Result<(), KernelError> {
        let changed = &mut self.journal.changed;
        if changed.iter().any(|known| known.is_same_as(&setting)) {
            return Ok(());
        }
        changed.push(setting);
        self.save()
    }

    /// Forgets a setting that need not be changed back.
    ///
    /// # Errors
    /// [`KernelError::Undo`].
    pub fn forget(&mut self, setting: &Setting) -> Result<(), KernelError> {
        let before = self.journal.changed.len();
        self.journal
            .changed
            .retain(|known| !known.is_same_as(setting));
        match self.journal.changed.len() == before {
            true => Ok(()),
            false => self.save(),
        }
    }

    /// Removes what a daemon that is gone put in place for a move that nobody knows of any more.
    ///
    /// # Errors
    /// [`KernelError::Undo`] when that cannot be noted.
    pub async fn take_back_plans(&mut self, netlink: &Netlink) -> Result<(), KernelError> {
        let is_plan = |setting: &Setting| match setting {
            Setting::Address { .. } | Setting::LastRoute { .. } => true,
            Setting::Sysctl { .. } | Setting::Token { .. } => false,
        };
        let changed = std::mem::take(&mut self.journal.changed);
        let (plans, others): (Vec<_>, Vec<_>) = changed.into_iter().partition(is_plan);
        self.journal.changed = others;
        if plans.is_empty() {
            return Ok(());
        }
        for setting in plans {
            change_back(netlink, &setting).await;
        }
        self.save()
    }

    /// Writes a setting of an interface after remembering the value that it had.
    ///
    /// # Errors
    /// [`KernelError::Sysctl`] and [`KernelError::Undo`].
    pub fn change_sysctl(
        &mut self,
        interface: &str,
        setting: &str,
        value: &str,
    ) -> Result<(), KernelError> {
        let before = sysctl::read(interface, setting)?;
        if before == value {
            return Ok(());
        }
        self.remember(Setting::Sysctl {
            interface: interface.into(),
            setting: setting.into(),
            value: before,
        })?;
        sysctl::write(interface, setting, value)
    }

    /// The interfaces whose address token was changed, with the token that they had.
    pub fn tokens(&self) -> impl Iterator<Item = (&str, Option<Nid>)> {
        self.journal
            .changed
            .iter()
            .filter_map(|setting| match setting {
                Setting::Token { interface, value } => Some((interface.as_str(), *value)),
                Setting::Sysctl { .. } | Setting::Address { .. } | Setting::LastRoute { .. } => {
                    None
                }
            })
    }

    /// Gives every changed setting its old value, the last one first, and removes the file. A setting
    /// of an interface that is gone is left out; one that cannot be set is logged.
    ///
    /// # Errors
    /// [`KernelError::Undo`] when the file cannot be removed.
    pub async fn restore(mut self, netlink: &Netlink) -> Result<(), KernelError> {
        while let Some(setting) = self.journal.changed.pop() {
            change_back(netlink, &setting).await;
        }
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(KernelError::Undo {
                path: self.path,
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Writes the file so that a crash leaves the old one or the new one.
    fn save(&self) -> Result<(), KernelError> {
        let new = self.path.with_extension("new");
        serde_json::to_vec_pretty(&self.journal)
            .map_err(io::Error::other)
            .and_then(|octets| fs::write(&new, octets))
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|source| KernelError::Undo {
                path: self.path.clone(),
                source,
            })
    }
}

/// Gives a setting its old value. One of an interface that is gone is left out; one that cannot be set
/// is logged.
async fn change_back(netlink: &Netlink, setting: &Setting) {
    let restored = match setting {
        Setting::Sysctl {
            interface,
            setting,
            value,
        } if sysctl::path(interface, setting).exists() => sysctl::write(interface, setting, value),
        Setting::Sysctl { .. } => Ok(()),
        Setting::Token { interface, .. }
        | Setting::Address { interface, .. }
        | Setting::LastRoute { interface, .. } => match netlink.interface(interface).await {
            Ok(index) => restore_on(netlink, index, setting).await,
            Err(KernelError::NoInterface { .. }) => Ok(()),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = restored {
        tracing::warn!(%error, ?setting, "cannot give a setting its old value");
    }
}

/// Gives a setting of an interface that is there its old value.
async fn restore_on(netlink: &Netlink, index: u32, setting: &Setting) -> Result<(), KernelError> {
    match setting {
        Setting::Sysctl { .. } => Ok(()),
        Setting::Token { value, .. } => restore_token(netlink, index, *value).await,
        Setting::Address { address, .. } => netlink.remove_address(index, *address, 64).await,
        Setting::LastRoute { router, .. } => netlink.remove_last_route(index, *router).await,
    }
}

/// Sets the token unless it is so already, which is refused where none could be set.
///
/// # Errors
/// [`KernelError::Request`].
pub async fn restore_token(
    netlink: &Netlink,
    interface: u32,
    value: Option<Nid>,
) -> Result<(), KernelError> {
    if netlink.token(interface).await? == value {
        return Ok(());
    }
    netlink.set_token(interface, value).await
}

impl Journal {
    /// An empty journal of the boot and the network namespace of the calling thread.
    fn of_this_namespace() -> io::Result<Self> {
        Ok(Self {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")?
                .trim()
                .into(),
            namespace: fs::metadata("/proc/thread-self/ns/net")?.ino(),
            changed: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(value: &str) -> Setting {
        Setting::Sysctl {
            interface: "eth0".into(),
            setting: "use_optimistic".into(),
            value: value.into(),
        }
    }

    #[test]
    fn keeps_the_value_from_before_the_first_change_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut undo = Undo::open(directory.path()).unwrap();
        undo.remember(setting("0")).unwrap();
        let mut undo = Undo::open(directory.path()).unwrap();
        undo.remember(setting("1")).unwrap();
        assert_eq!(undo.journal.changed, [setting("0")]);
    }

    #[test]
    fn forgets_what_belongs_to_another_boot() {
        let directory = tempfile::tempdir().unwrap();
        let mut undo = Undo::open(directory.path()).unwrap();
        undo.journal.boot = "another".into();
        undo.remember(setting("0")).unwrap();
        let undo = Undo::open(directory.path()).unwrap();
        assert_eq!(undo.journal.changed, []);
    }

    #[test]
    fn says_what_to_do_about_a_damaged_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(Undo::FILE), "{").unwrap();
        let error = Undo::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
    }
}
