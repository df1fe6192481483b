//! The kernel of guests: that of Debian's `linux-image-cloud-amd64`, downloaded once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Doing, LabError};
use crate::process::{self, Process, last_lines};

/// The package that depends on the present kernel; the name of that carries a number.
const PACKAGE: &str = "linux-image-cloud-amd64";
const CACHE: &str = "/var/cache/ilnp-lab";
/// 27 MB, over a line of 1 Mbit/s.
const DOWNLOAD: Duration = Duration::from_secs(240);

/// A kernel and its modules.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What QEMU takes for `-kernel`.
    pub image: PathBuf,
    /// The folder that modules are below.
    modules: PathBuf,
}

impl Kernel {
    /// Finds Debian's present cloud kernel in the cache, or downloads it there with `apt-get`,
    /// which checks its signature.
    ///
    /// # Errors
    /// [`LabError::Failed`] with what `apt` said, [`LabError::TimedOut`] when it takes minutes.
    pub fn find() -> Result<Self, LabError> {
        let package = match present_package() {
            Ok(package) => package,
            Err(_) => {
                // A fresh machine has no package lists.
                apt(&["update"], Path::new("/"))?;
                present_package()?
            }
        };
        let place = Path::new(CACHE).join(&package);
        if !place.exists() {
            download(&package, &place)?;
        }
        let release = package.trim_start_matches("linux-image-");
        Ok(Self {
            image: place.join("boot").join(format!("vmlinuz-{release}")),
            modules: place.join("lib/modules").join(release).join("kernel"),
        })
    }

    /// The file of a module, whose place below the modules' folder is given without its ending.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when this kernel has no such module.
    pub fn module(&self, place: &str) -> Result<PathBuf, LabError> {
        let path = self.modules.join(format!("{place}.ko"));
        if path.is_file() {
            Ok(path)
        } else {
            let path = path.display();
            Err(LabError::Misuse(format!("the kernel has no module {path}")))
        }
    }
}

/// The name of the kernel's own package.
fn present_package() -> Result<String, LabError> {
    let mut command = Command::new("apt-cache");
    command.args(["depends", "--important", PACKAGE]);
    let output = process::run(&mut command, "")?;
    let text = String::from_utf8_lossy(&output.stdout);
    dependency(&text).ok_or_else(|| LabError::Failed {
        command: format!("apt-cache depends {PACKAGE}"),
        status: "no kernel".to_owned(),
        output: text.trim().to_owned(),
    })
}

/// The kernel in what `apt-cache depends` prints.
fn dependency(text: &str) -> Option<String> {
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    let mut kernels = names.filter(|name| name.starts_with("linux-image-"));
    kernels.next().map(str::to_owned)
}

/// Downloads and unpacks a package; `place` is there when that is complete, and not before.
fn download(package: &str, place: &Path) -> Result<(), LabError> {
    tracing::info!("downloads {package} for guests, once");
    let work = Path::new(CACHE).join(format!("{package}.{}.new", std::process::id()));
    fs::create_dir_all(&work).doing(|| format!("make {}", work.display()))?;
    let result = unpack(package, &work).and_then(|files| {
        // Another lab may have been faster.
        fs::rename(&files, place)
            .or_else(|error| if place.exists() { Ok(()) } else { Err(error) })
            .doing(|| format!("make {}", place.display()))
    });
    // What is left of a failure must not be there for ever.
    fs::remove_dir_all(&work).doing(|| format!("remove {}", work.display()))?;
    result
}

fn unpack(package: &str, work: &Path) -> Result<PathBuf, LabError> {
    apt(&["download", package], work)?;
    let entries = fs::read_dir(work).doing(|| format!("read {}", work.display()))?;
    let archive = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let archive = archive.ok_or_else(|| LabError::Failed {
        command: format!("apt-get download {package}"),
        status: "no package".to_owned(),
        output: last_lines(&work.join("apt.log")),
    })?;
    let files = work.join("files");
    let mut command = Command::new("dpkg-deb");
    process::run(command.arg("--extract").arg(archive).arg(&files), "")?;
    Ok(files)
}

/// Runs `apt-get`, and ends it when it takes too long.
fn apt(words: &[&str], folder: &Path) -> Result<(), LabError> {
    let log = if folder == Path::new("/") {
        PathBuf::from("/dev/null")
    } else {
        folder.join("apt.log")
    };
    let mut command = Command::new("apt-get");
    // apt's own user may not be able to write into the folder.
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2"]);
    command.args(words).current_dir(folder);
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut process = Process::start_with_output("apt-get", &mut command, &log)?;
    match process.wait(DOWNLOAD) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(LabError::Failed {
            command: format!("apt-get {}", words.join(" ")),
            status: process::status_text(status),
            output: last_lines(&log),
        }),
        None => Err(LabError::TimedOut {
            what: format!("apt-get {}", words.join(" ")),
            seconds: DOWNLOAD.as_secs(),
            hint: format!("guests need the kernel of {PACKAGE}: is there a way to its server?"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_what_the_package_depends_on() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        let expected = "linux-image-6.1.0-56-cloud-amd64";
        assert_eq!(dependency(text).as_deref(), Some(expected));
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }
}
