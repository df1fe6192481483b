//! What a base image contains, as a digest. Reading a large image takes a while, so that a digest
//! is remembered for as long as the file is unchanged.

use std::io::Error;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::image::{self, Format};
use super::nbd::Reader;
use super::settings::Settings;
use crate::hex::hex;
use crate::hypervisor::{Base, HypervisorError};

/// By what a file is recognised as unchanged. Tools that copy set the time of modification back,
/// but not the time of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A digest that is remembered.
#[derive(Serialize, Deserialize)]
struct Memory {
    path: PathBuf,
    stamp: Stamp,
    base: Base,
}

/// What a base image contains, and its format.
///
/// # Errors
/// When it cannot be read, or lies on another image itself: that one could change unnoticed.
pub(super) async fn base(
    path: &Path,
    settings: &Settings,
) -> Result<(Base, Format), HypervisorError> {
    settings.create_run_dir()?;
    base_in(path, &settings.state_dir, &settings.run_dir).await
}

/// The same, remembered below `state_dir`, with a socket in `run_dir` while it is read.
pub(crate) async fn base_in(
    path: &Path,
    state_dir: &Path,
    run_dir: &Path,
) -> Result<(Base, Format), HypervisorError> {
    let info = image::info(path).await?;
    if info.has_base() {
        return Err(HypervisorError::Refused(format!(
            "the base image {} lies on another image itself; make one of them (qemu-img convert -O qcow2)",
            path.display()
        )));
    }
    let (state_dir, run_dir) = (state_dir.to_path_buf(), run_dir.to_path_buf());
    let doing = format!("read the base image {}", path.display());
    let (path, format) = (path.to_path_buf(), info.format);
    let digest =
        tokio::task::spawn_blocking(move || remembered(&path, format, &state_dir, &run_dir));
    let failed = |reason: String| HypervisorError::Failed {
        doing: doing.clone(),
        reason,
    };
    let base = digest.await.map_err(|error| failed(error.to_string()))?;
    Ok((base.map_err(|error| failed(error.to_string()))?, format))
}

fn remembered(
    path: &Path,
    format: Format,
    state_dir: &Path,
    run_dir: &Path,
) -> std::io::Result<Base> {
    let stamp = stamp(path)?;
    let directory = state_dir.join("digests");
    let file = directory.join(format!("{:x}-{:x}.json", stamp.device, stamp.inode));
    let memory = std::fs::read(&file)
        .ok()
        .and_then(|json| serde_json::from_slice::<Memory>(&json).ok());
    if let Some(memory) = memory.filter(|memory| memory.stamp == stamp) {
        return Ok(memory.base);
    }
    let base = read(path, format, run_dir)?;
    if self::stamp(path)? != stamp {
        return Err(Error::other(
            "it changed while it was read; a base image must never be written",
        ));
    }
    let memory = Memory {
        path: path.to_path_buf(),
        stamp,
        base,
    };
    // Without it, the image is read once more next time.
    if let Err(error) = remember(&directory, &file, &memory) {
        tracing::warn!(%error, file = %file.display(), "cannot remember the digest of a base image");
    }
    Ok(memory.base)
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn read(path: &Path, format: Format, run_dir: &Path) -> std::io::Result<Base> {
    let reader = Reader::open(path, format, run_dir)?;
    let size = reader.size();
    let mut context = Context::new(&SHA256);
    reader.read(|part| context.update(part))?;
    let sha256 = hex(context.finish().as_ref());
    Ok(Base { size, sha256 })
}

fn remember(directory: &Path, file: &Path, memory: &Memory) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let new = directory.join(format!("new-{}", std::process::id()));
    std::fs::write(&new, serde_json::to_vec(memory)?)?;
    std::fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::settings::example;

    struct Scene {
        directory: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        async fn digest(&self, name: &str) -> Result<Base, HypervisorError> {
            let settings = Settings {
                state_dir: self.path("state"),
                run_dir: self.path("run"),
                ..example()
            };
            let found = base(&self.path(name), &settings).await;
            found.map(|(base, _)| base)
        }

        fn memories(&self) -> Vec<PathBuf> {
            let entries = std::fs::read_dir(self.path("state/digests")).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        }
    }

    /// An image larger than one request, with something at both ends.
    fn contents() -> Vec<u8> {
        let mut contents = vec![0; 5 << 20];
        contents[0] = 1;
        *contents.last_mut().unwrap() = 2;
        contents
    }

    #[tokio::test]
    async fn is_of_what_a_guest_reads_in_whatever_format() {
        let scene = Scene::new();
        std::fs::write(scene.path("raw"), contents()).unwrap();
        let converted = std::process::Command::new("qemu-img")
            .args(["convert", "-c", "-f", "raw", "-O", "qcow2"])
            .args([scene.path("raw"), scene.path("qcow2")])
            .status();
        assert!(converted.unwrap().success());
        let expected = ring::digest::digest(&SHA256, &contents());
        let digest = scene.digest("raw").await.unwrap();
        assert_eq!(digest.sha256, hex(expected.as_ref()));
        assert_eq!(digest.size, 5 << 20);
        assert_eq!(scene.digest("qcow2").await.unwrap(), digest);
    }

    #[tokio::test]
    async fn is_remembered_until_the_file_changes() {
        let scene = Scene::new();
        std::fs::write(scene.path("raw"), contents()).unwrap();
        let first = scene.digest("raw").await.unwrap();
        let [memory] = &scene.memories()[..] else {
            panic!("not one memory")
        };
        let mut told: Memory = serde_json::from_slice(&std::fs::read(memory).unwrap()).unwrap();
        told.base.sha256 = "remembered".into();
        std::fs::write(memory, serde_json::to_vec(&told).unwrap()).unwrap();
        assert_eq!(scene.digest("raw").await.unwrap().sha256, "remembered");
        let modified = std::fs::metadata(scene.path("raw")).unwrap().modified();
        let mut changed = contents();
        changed[100] = 7;
        std::fs::write(scene.path("raw"), changed).unwrap();
        // As a tool does that copies files with their times.
        let file = std::fs::File::options().write(true).open(scene.path("raw"));
        file.unwrap().set_modified(modified.unwrap()).unwrap();
        let second = scene.digest("raw").await.unwrap().sha256;
        assert!(second != first.sha256 && second != "remembered");
        std::fs::write(memory, "{").unwrap();
        assert_eq!(scene.digest("raw").await.unwrap().sha256, second);
    }

    #[tokio::test]
    async fn refuses_what_lies_on_another_image() {
        let scene = Scene::new();
        std::fs::write(scene.path("raw"), contents()).unwrap();
        image::create(
            &scene.path("overlay"),
            5 << 20,
            Some((&scene.path("raw"), Format::Raw)),
        )
        .await
        .unwrap();
        let refused = scene.digest("overlay").await.unwrap_err().to_string();
        assert!(refused.contains("lies on another image"), "{refused}");
        let missing = scene.digest("none").await.unwrap_err().to_string();
        assert!(missing.contains("none"), "{missing}");
    }
}
