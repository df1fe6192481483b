//! The files behind a domain's disks, by `qemu-img`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::definition::Image;
use crate::hypervisor::HypervisorError;
use crate::hypervisor::program::qemu_img;

/// What the head of an image says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Head {
    /// The size that a guest sees, in octets.
    pub(super) virtual_size: u64,
    /// What the file takes, in octets.
    pub(super) actual_size: u64,
    /// What the image lies on.
    #[serde(rename = "full-backing-filename")]
    pub(super) base: Option<PathBuf>,
    #[serde(rename = "backing-filename-format")]
    base_format: Option<String>,
}

/// Reads the head of an image, which a running guest may be writing.
pub(super) async fn head(image: &Image) -> Result<Head, HypervisorError> {
    let file = image.file.display();
    if !image.file.exists() {
        return Err(HypervisorError::Refused(format!(
            "there is no {file}, which the definition of the domain names as disk {}: make it, empty and of the size \
             that it has at the other site (`qemu-img create -f {} -F FORMAT -b BASE {file} SIZE`, without -F and -b \
             where it lies on no base image)",
            image.target, image.format
        )));
    }
    let doing = format!("read the image {file}");
    let said = qemu_img(&doing, |command| {
        command
            .args(["info", "--force-share", "--output=json"])
            .args(["-f", &image.format])
            .arg(&image.file);
    })
    .await?;
    serde_json::from_slice(&said).map_err(|error| HypervisorError::Failed {
        doing,
        reason: format!("qemu-img tells something else than is known here: {error}"),
    })
}

/// Makes the image, empty, of the size and on the base that `head` tells.
pub(super) async fn create(image: &Image, head: &Head) -> Result<(), HypervisorError> {
    let doing = format!("make the image {} anew", image.file.display());
    let created = qemu_img(&doing, |command| {
        command.args(["create", "-q", "-f", &image.format]);
        if let Some(base) = &head.base {
            command.arg("-b").arg(base);
            command.args(["-F", head.base_format.as_deref().unwrap_or("raw")]);
        }
        command.arg(&image.file).arg(head.virtual_size.to_string());
    });
    created.await.map(drop)
}

/// Octets that the file at `path` takes.
pub(super) fn taken(path: &Path) -> Result<u64, HypervisorError> {
    let metadata = std::fs::metadata(path).map_err(|error| HypervisorError::Failed {
        doing: format!("read the image {}", path.display()),
        reason: error.to_string(),
    })?;
    // In blocks of 512 octets, whatever the file system's are.
    Ok(metadata.blocks() * 512)
}
