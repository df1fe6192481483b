//! What an image held before a guest arrived in it.
//!
//! The domain's definition names the file that a guest arrives in, so what an earlier stay has left
//! there is put aside: it comes back when the guest does not come, and is kept when it does.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::definition::Image;
use super::images;
use crate::hypervisor::HypervisorError;

/// While a guest arrives.
const ASIDE: &str = ".aside";
/// Once it runs here. There is one at most.
const LEFT: &str = ".left";

/// Puts the image's contents aside and leaves an empty one in its place, on the same base.
pub(super) async fn put(image: &Image) -> Result<(), HypervisorError> {
    back(image)?;
    let head = images::head(image).await?;
    let aside = with_suffix(&image.file, ASIDE);
    rename(&image.file, &aside)?;
    let made = match images::create(image, &head).await {
        Ok(()) => alike(&aside, &image.file).map_err(|error| HypervisorError::Failed {
            doing: format!("give {} its owner", image.file.display()),
            reason: error.to_string(),
        }),
        Err(error) => Err(error),
    };
    if made.is_err() {
        back(image)?;
    }
    made
}

/// The guest did not come: what was put aside comes back, if anything was.
pub(super) fn back(image: &Image) -> Result<(), HypervisorError> {
    let aside = with_suffix(&image.file, ASIDE);
    if aside.exists() {
        rename(&aside, &image.file)?;
    }
    Ok(())
}

/// The guest has come: what was put aside is kept, in the place of what was kept before.
pub(super) fn keep(image: &Image) -> Result<(), HypervisorError> {
    let aside = with_suffix(&image.file, ASIDE);
    if aside.exists() {
        tracing::info!(image = %image.file.display(), "of an earlier stay, is kept as .left");
        rename(&aside, &with_suffix(&image.file, LEFT))?;
    }
    Ok(())
}

/// libvirt may have been told to leave owners alone.
fn alike(before: &Path, after: &Path) -> io::Result<()> {
    let before = fs::metadata(before)?;
    std::os::unix::fs::chown(after, Some(before.uid()), Some(before.gid()))?;
    fs::set_permissions(after, Permissions::from_mode(before.mode() & 0o7777))
}

fn rename(from: &Path, to: &Path) -> Result<(), HypervisorError> {
    fs::rename(from, to)
        .and_then(|()| {
            let directory = to.parent().unwrap_or_else(|| Path::new("/"));
            // Names are kept before a guest writes.
            match fs::File::open(directory)?.sync_all() {
                Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
                synced => synced,
            }
        })
        .map_err(|error| HypervisorError::Failed {
            doing: format!("rename {} to {}", from.display(), to.display()),
            reason: error.to_string(),
        })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_there_comes_back_or_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("vm1.raw");
        let image = Image {
            target: "vda".into(),
            format: "raw".into(),
            file: file.clone(),
        };
        let left = with_suffix(&file, LEFT);
        let old = vec![7; 4096];
        fs::write(&file, &old).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();

        put(&image).await.unwrap();
        assert_eq!(fs::read(&file).unwrap(), [0; 4096]);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        back(&image).unwrap();
        back(&image).unwrap();
        assert_eq!(fs::read(&file).unwrap(), old);
        keep(&image).unwrap();
        assert!(!left.exists());

        // An agent that ends in between loses nothing.
        put(&image).await.unwrap();
        put(&image).await.unwrap();
        keep(&image).unwrap();
        assert_eq!(fs::read(&left).unwrap(), old);
        assert_eq!(fs::read(&file).unwrap(), [0; 4096]);
    }
}
