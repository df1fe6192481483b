//! Where reports are kept: one file each, the newest some.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ilnp_service::durable;

use super::Report;

/// How many reports are kept.
const KEPT: usize = 200;

/// Why a report cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct ShelfError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The reports of a site.
#[derive(Clone, Debug)]
pub struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    /// The reports in `state_dir`.
    ///
    /// # Errors
    /// When their directory cannot be made.
    pub fn open(state_dir: &Path) -> Result<Self, ShelfError> {
        let directory = state_dir.join("reports");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(error("create", &directory))?;
        Ok(Self { directory })
    }

    /// Keeps a report, and lets the oldest ones go.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&self, report: &Report) -> Result<(), ShelfError> {
        // In the order of time, which is the order of names.
        let name = format!("{:017.3}-{}.json", report.asked_s, report.relocation);
        let path = self.directory.join(name);
        let octets = serde_json::to_vec(report).map_err(io::Error::other);
        octets
            .and_then(|octets| durable::replace(&path, &octets, 0o600))
            .map_err(error("write", &path))?;
        let paths = self.paths()?;
        let old = paths.len().saturating_sub(KEPT);
        for path in paths.iter().take(old) {
            fs::remove_file(path).map_err(error("remove", path))?;
        }
        Ok(())
    }

    /// All reports, the newest first. A file that is none is left out.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn reports(&self) -> Result<Vec<Report>, ShelfError> {
        let mut reports = Vec::new();
        for path in self.paths()?.iter().rev().take(KEPT) {
            let octets = fs::read(path).map_err(error("read", path))?;
            match serde_json::from_slice(&octets) {
                Ok(report) => reports.push(report),
                Err(error) => tracing::warn!(path = %path.display(), %error, "this is no report"),
            }
        }
        Ok(reports)
    }

    fn paths(&self) -> Result<Vec<PathBuf>, ShelfError> {
        let failed = || error("read", &self.directory);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

fn error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShelfError {
    let path = path.to_owned();
    move |source| ShelfError {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::Storage;
    use crate::report::Recorder;

    #[test]
    fn a_report_that_was_read_is_replaced_by_its_next_version() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        for number in 0..50 {
            let relocation = format!("{number:032x}").parse().unwrap();
            let sites = ("a".parse().unwrap(), "b".parse().unwrap());
            let mut report = Recorder::new(relocation, "vm1", sites, 2, Storage::Delta).report();
            report.asked_s += f64::from(number) / 1e3;
            shelf.keep(&report).unwrap();
        }
        for report in shelf.reports().unwrap() {
            shelf.keep(&report).unwrap();
        }
        assert_eq!(shelf.reports().unwrap().len(), 50);
    }

    #[test]
    fn the_newest_reports_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        for number in 0..KEPT + 3 {
            let relocation = format!("{number:032x}").parse().unwrap();
            let sites = ("a".parse().unwrap(), "b".parse().unwrap());
            let mut report = Recorder::new(relocation, "vm1", sites, 2, Storage::Delta).report();
            report.asked_s += f64::from(u32::try_from(number).unwrap());
            shelf.keep(&report).unwrap();
        }
        fs::write(directory.path().join("reports/9-broken.json"), "{").unwrap();
        let reports = shelf.reports().unwrap();
        assert_eq!(reports.len(), KEPT - 1);
        let newest = format!("{:032x}", KEPT + 2);
        assert_eq!(reports[0].relocation.to_string(), newest);
    }
}
