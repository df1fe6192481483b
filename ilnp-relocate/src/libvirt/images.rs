//! The files behind a domain's disks, by `qemu-img`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use super::definition::Image;
use crate::hypervisor::HypervisorError;

/// For what concerns the head of an image only.
const DEADLINE: Duration = Duration::from_secs(30);

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
    let mut command = Command::new("qemu-img");
    command
        .args([
            "info",
            "--force-share",
            "--output=json",
            "-f",
            &image.format,
        ])
        .arg(&image.file);
    let said = run(&doing, command).await?;
    serde_json::from_slice(&said).map_err(|error| HypervisorError::Failed {
        doing,
        reason: format!("qemu-img tells something else than is known here: {error}"),
    })
}

/// Makes the image, empty, of the size and on the base that `head` tells.
pub(super) async fn create(image: &Image, head: &Head) -> Result<(), HypervisorError> {
    let doing = format!("make the image {} anew", image.file.display());
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", &image.format]);
    if let Some(base) = &head.base {
        command.arg("-b").arg(base);
        command.args(["-F", head.base_format.as_deref().unwrap_or("raw")]);
    }
    command.arg(&image.file).arg(head.virtual_size.to_string());
    run(&doing, command).await.map(drop)
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

async fn run(doing: &str, mut command: Command) -> Result<Vec<u8>, HypervisorError> {
    let failed = |reason: String| HypervisorError::Failed {
        doing: doing.to_owned(),
        reason,
    };
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output())
        .await
        .map_err(|_| HypervisorError::TimedOut {
            doing: doing.to_owned(),
            seconds: DEADLINE.as_secs(),
        })?
        .map_err(|error| {
            failed(format!(
                "qemu-img does not start: {error} (Debian has it in qemu-utils)"
            ))
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim().replace('\n', "; ")))
}
