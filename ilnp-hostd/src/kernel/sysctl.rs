//! The settings below `/proc/sys/net/ipv6/conf`.

use std::fs;
use std::path::{Path, PathBuf};

use super::KernelError;

/// The file of a setting of an interface, in the network namespace of the calling thread.
pub fn path(interface: &str, setting: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv6/conf")
        .join(interface)
        .join(setting)
}

/// Reads a setting.
///
/// # Errors
/// [`KernelError::Sysctl`].
pub fn read(interface: &str, setting: &str) -> Result<String, KernelError> {
    let path = path(interface, setting);
    match fs::read_to_string(&path) {
        Ok(value) => Ok(value.trim().into()),
        Err(source) => Err(KernelError::Sysctl { path, source }),
    }
}

/// Writes a setting.
///
/// # Errors
/// [`KernelError::Sysctl`].
pub fn write(interface: &str, setting: &str, value: &str) -> Result<(), KernelError> {
    let path = path(interface, setting);
    fs::write(&path, value).map_err(|source| KernelError::Sysctl { path, source })
}
