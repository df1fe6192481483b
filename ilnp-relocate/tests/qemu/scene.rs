//! Two sites on one machine.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ilnp_relocate::hypervisor::{HypervisorError, Plan, Storage, Target as _};
use ilnp_relocate::qemu::{DiskSettings, Incoming, Qemu, Settings};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::time::{Instant, sleep, timeout};

use crate::image::image;
use crate::records::{record, records};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Where the base image has something, beyond what guests write.
const BASE_AT: u64 = 32 << 20;

/// Two sites, `a` and `b`, that hold the same base image.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    /// With a base image that guests see as a disk of this many MiB.
    pub(crate) fn new(mebibytes: u64) -> Self {
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for site in ["a", "b"] {
            std::fs::create_dir(scene.path(site)).unwrap();
            let base = std::fs::File::create(scene.base(site)).unwrap();
            base.set_len(mebibytes << 20).unwrap();
            // What a guest that reads through its overlay must find at both sites.
            base.write_all_at(&vec![0x5a; 8 << 20], BASE_AT).unwrap();
        }
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn base(&self, site: &str) -> PathBuf {
        self.path(site).join("base.raw")
    }

    pub(crate) fn serial(&self, site: &str) -> PathBuf {
        self.path(site).join("serial")
    }

    pub(crate) fn overlay(&self, site: &str) -> PathBuf {
        self.path(site).join("vm1.qcow2")
    }

    pub(crate) fn settings(&self, site: &str) -> Settings {
        self.settings_for(site, "")
    }

    /// A guest that does some work.
    pub(crate) fn settings_for(&self, site: &str, work: &str) -> Settings {
        let image = image();
        let kernel = |path: &Path| path.to_str().unwrap().to_owned();
        let append = format!("console=ttyS0 quiet panic=-1 no_timer_check work={work}");
        let serial = format!(
            "file,id=serial,path={},append=on",
            self.serial(site).display()
        );
        let arguments = [
            "-kernel",
            &kernel(&image.kernel),
            "-initrd",
            &kernel(&image.initrd),
            "-append",
            &append,
            "-no-reboot",
            "-chardev",
            &serial,
            "-serial",
            "chardev:serial",
        ];
        Settings {
            name: "vm1".into(),
            program: "qemu-system-x86_64".into(),
            machine: "pc-q35-7.2".into(),
            cpu: "qemu64,-cx16".into(),
            accelerator: "tcg,thread=multi".into(),
            memory: 160 << 20,
            processors: 1,
            arguments: arguments.map(str::to_owned).to_vec(),
            port: true,
            disks: vec![DiskSettings {
                id: "vd0".into(),
                base: Some(self.base(site)),
                overlay: self.overlay(site),
            }],
            run_dir: self.path(site).join("run"),
            state_dir: self.path(site).join("state"),
        }
    }

    /// Boots a guest at a site and waits until it writes.
    pub(crate) async fn boot(&self, settings: &Settings) -> Qemu {
        let qemu = Qemu::start(settings.clone(), false).await.unwrap();
        self.writes_again(site_of(settings)).await;
        qemu
    }

    /// The last record that a guest has synced, as it says on the console of a site.
    pub(crate) fn synced(&self, site: &str) -> u64 {
        let text = std::fs::read(self.serial(site)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let mut numbers = complete
            .lines()
            .filter_map(|line| line.trim().strip_prefix("synced ")?.parse().ok());
        numbers.next_back().unwrap_or(0)
    }

    /// Waits until the guest writes at this site.
    pub(crate) async fn writes_again(&self, site: &str) {
        let before = self.synced(site);
        let deadline = Instant::now() + LIMIT;
        while self.synced(site) < before + 3 {
            let console = || {
                String::from_utf8_lossy(&std::fs::read(self.serial(site)).unwrap_or_default())
                    .into_owned()
            };
            assert!(
                Instant::now() < deadline,
                "the guest does not write at {site}; console: {}",
                console()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks an image that nobody writes any more: every record that the guest has synced is
    /// there, and what it never wrote is the base's.
    pub(crate) fn check_disk(&self, overlay: &Path, last: u64) {
        let raw = overlay.with_extension("check");
        let check = |arguments: &[&str], paths: &[&Path]| {
            let output = std::process::Command::new("qemu-img")
                .args(arguments)
                .args(paths)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        check(&["check", "-q"], &[overlay]);
        check(&["convert", "-f", "qcow2", "-O", "raw"], &[overlay, &raw]);
        let file = std::fs::File::open(&raw).unwrap();
        for (number, at) in records(last) {
            let mut sector = [0; 512];
            file.read_exact_at(&mut sector, at).unwrap();
            assert!(sector == record(number), "record {number} of {last}");
        }
        let mut base = vec![0; 8 << 20];
        file.read_exact_at(&mut base, BASE_AT).unwrap();
        assert!(
            base.iter().all(|octet| *octet == 0x5a),
            "the base does not show through"
        );
        std::fs::remove_file(raw).unwrap();
    }

    /// Every file of a site that is worth something, with its length and time.
    pub(crate) fn files(&self, site: &str) -> Vec<(PathBuf, u64, SystemTime)> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.path(site))
            .unwrap()
            .map(Result::unwrap)
        {
            let metadata = entry.metadata().unwrap();
            if metadata.is_file() && entry.path() != self.serial(site) {
                files.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
            }
        }
        files.sort();
        files
    }

    /// Changes one octet of a base image, and sets the time of modification back.
    pub(crate) fn change_base(&self, site: &str) {
        let base = std::fs::File::options()
            .write(true)
            .open(self.base(site))
            .unwrap();
        let modified = base.metadata().unwrap().modified().unwrap();
        base.write_all_at(b"x", BASE_AT).unwrap();
        base.set_modified(modified).unwrap();
    }

    /// A program of a site's own.
    pub(crate) fn program(&self, site: &str, script: &str) -> PathBuf {
        let path = self.path(site).join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A file system of few MiB.
    pub(crate) fn small_disk(&self, site: &str, mebibytes: u32) -> SmallDisk {
        let path = self.path(site).join("small");
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={mebibytes}m");
        mount(
            Some("none"),
            &path,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        SmallDisk(path)
    }

    /// Gives the guest of a site a disk that it has written so many MiB to.
    pub(crate) fn write_overlay(&self, site: &str, mebibytes: u32) {
        let overlay = self.overlay(site);
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            assert!(
                std::process::Command::new(program)
                    .args(arguments)
                    .output()
                    .unwrap()
                    .status
                    .success(),
                "{program}"
            );
        };
        let (base, write) = (self.base(site), format!("write -P 0x11 8M {mebibytes}M"));
        let create = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"].map(std::ffi::OsStr::new);
        run(
            "qemu-img",
            &[&create[..], &[base.as_os_str(), overlay.as_os_str()]].concat(),
        );
        run(
            "qemu-io",
            &["-c".as_ref(), write.as_ref(), overlay.as_os_str()],
        );
    }
}

/// A file system that is unmounted in the end.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// Ends a QEMU at once, and waits until it is gone.
pub(crate) async fn kill(settings: &Settings) {
    let pid = std::fs::read_to_string(settings.run_dir.join("vm1.pid")).unwrap_or_default();
    let process = PathBuf::from(format!("/proc/{}", pid.trim()));
    drop(Ends(settings.clone()));
    let deadline = Instant::now() + LIMIT;
    while !pid.is_empty() && process.exists() {
        assert!(Instant::now() < deadline, "QEMU {pid} does not end");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until all is there that makes a guest.
pub(crate) async fn loaded(incoming: &mut Incoming) -> Result<(), HypervisorError> {
    timeout(LIMIT, incoming.loaded())
        .await
        .expect("the guest is loaded, or fails to be")
}

pub(crate) fn site_of(settings: &Settings) -> &str {
    settings
        .run_dir
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
}

/// A plan that needs nothing.
pub(crate) fn plan(storage: Storage) -> Plan {
    Plan {
        storage,
        max_downtime: Duration::from_millis(300),
        bandwidth: Some(128 << 20),
        compress: false,
        post_copy: false,
    }
}

/// Ends a QEMU that a test has left, whatever becomes of the test.
pub(crate) struct Ends(pub(crate) Settings);

impl Drop for Ends {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.0.run_dir.join("vm1.pid")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}
