//! Disk images, by `qemu-img`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::hypervisor::HypervisorError;
use crate::hypervisor::program::qemu_img;

/// The form of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    Qcow2,
    Raw,
}

/// What the head of an image says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Info {
    pub(super) format: Format,
    /// The size that a guest sees.
    pub(super) virtual_size: u64,
    /// What the image lies on.
    full_backing_filename: Option<PathBuf>,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        }
    }
}

impl Info {
    pub(super) fn has_base(&self) -> bool {
        self.full_backing_filename.is_some()
    }
}

/// Reads the head of an image that nobody writes.
pub(super) async fn info(path: &Path) -> Result<Info, HypervisorError> {
    read_head(path, &[]).await
}

/// Reads the head of an image that a guest may be writing.
pub(super) async fn info_while_in_use(path: &Path) -> Result<Info, HypervisorError> {
    read_head(path, &["--force-share"]).await
}

async fn read_head(path: &Path, options: &[&str]) -> Result<Info, HypervisorError> {
    let doing = format!("read the image {}", path.display());
    let output = qemu_img(&doing, |command| {
        let info = command.args(["info", "--output=json"]);
        info.args(options).arg(path);
    })
    .await?;
    serde_json::from_slice(&output).map_err(|error| HypervisorError::Failed {
        doing,
        reason: format!("it is neither qcow2 nor raw, or qemu-img tells something else than is known here: {error}"),
    })
}

/// Whether a QEMU, here or wherever the file is shared to with its locks, writes the image.
pub(super) async fn is_in_use(path: &Path) -> Result<bool, HypervisorError> {
    match info(path).await {
        Ok(_) => Ok(false),
        Err(HypervisorError::Failed { reason, .. })
            if reason.contains("Failed to get") && reason.contains("lock") =>
        {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Makes an empty overlay of this size, on a base or alone.
pub(super) async fn create(
    path: &Path,
    size: u64,
    base: Option<(&Path, Format)>,
) -> Result<(), HypervisorError> {
    let doing = format!("create the image {}", path.display());
    let created = qemu_img(&doing, |command| {
        command.args(["create", "-q", "-f", "qcow2"]);
        if let Some((base, format)) = base {
            command.args(["-F", format.name(), "-b"]).arg(base);
        }
        command.arg(path).arg(size.to_string());
    });
    created.await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_what_an_image_is() {
        let directory = tempfile::tempdir().unwrap();
        let (base, overlay) = (
            directory.path().join("base.raw"),
            directory.path().join("overlay"),
        );
        std::fs::write(&base, vec![0; 1 << 20]).unwrap();
        create(&overlay, 4 << 20, Some((&base, Format::Raw)))
            .await
            .unwrap();
        let (low, high) = (info(&base).await.unwrap(), info(&overlay).await.unwrap());
        assert_eq!(
            (low.format, low.virtual_size, low.has_base()),
            (Format::Raw, 1 << 20, false)
        );
        assert_eq!(
            (high.format, high.virtual_size, high.has_base()),
            (Format::Qcow2, 4 << 20, true)
        );
        assert!(!is_in_use(&overlay).await.unwrap());
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_an_image() {
        let directory = tempfile::tempdir().unwrap();
        let missing = info(&directory.path().join("none"))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("none") && missing.contains("No such file"),
            "{missing}"
        );
        let base = directory.path().join("no-base");
        let orphan = create(
            &directory.path().join("o"),
            1 << 20,
            Some((&base, Format::Raw)),
        )
        .await
        .unwrap_err();
        assert!(orphan.to_string().contains("no-base"), "{orphan}");
    }
}
