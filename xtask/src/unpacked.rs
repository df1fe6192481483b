//! Debian packages that tests need and that must not be installed: each of them takes over
//! `/etc/resolv.conf`, and two of them exclude each other.
//!
//! Their files are put below `target/unpacked/<package>`; tests mount them in a namespace of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::step;

const PACKAGES: [&str; 3] = ["openresolv", "resolvconf", "systemd-resolved"];

/// Downloads and unpacks what is not there yet.
pub(crate) fn unpack_missing() -> anyhow::Result<()> {
    let directory = step::target_directory().join("unpacked");
    for package in PACKAGES {
        let place = directory.join(package);
        if !place.exists() {
            unpack(package, &directory, &place)
                .with_context(|| format!("the tests need the files of the package {package}"))?;
        }
    }
    Ok(())
}

fn unpack(package: &str, directory: &Path, place: &Path) -> anyhow::Result<()> {
    let work = directory.join(format!("{package}.new"));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let mut download = Command::new("apt-get");
    // apt's own user may not be able to write here.
    download
        .args(["-o", "APT::Sandbox::User=root", "download", package])
        .current_dir(&work);
    if step::run(&mut download).is_err() {
        // A fresh machine has no package lists, or old ones.
        step::run(Command::new("apt-get").arg("update"))?;
        step::run(&mut download)?;
    }
    let archive = fs::read_dir(&work)?
        .next()
        .context("apt-get downloaded nothing")??;
    let files = work.join("files");
    step::run(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(archive.path())
            .arg(&files),
    )?;
    merge_usr(&files)?;
    fs::rename(&files, place)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// Puts `/lib` and `/sbin` of a package below `/usr`, where they are on every Debian 12.
fn merge_usr(files: &Path) -> anyhow::Result<()> {
    for name in ["bin", "lib", "sbin"] {
        let outside = files.join(name);
        if outside.exists() {
            let inside = files.join("usr").join(name);
            fs::create_dir_all(&inside)?;
            step::run(
                Command::new("cp")
                    .args(["--archive", "--no-target-directory"])
                    .args([&outside, &inside]),
            )?;
            fs::remove_dir_all(outside)?;
        }
    }
    Ok(())
}
