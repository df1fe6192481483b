//! The guest of these tests: Debian's kernel, busybox, and a disk that it writes numbered records to.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A kernel, and an initial file system for it.
pub(crate) struct Image {
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: PathBuf,
}

/// What the guest does. `work=` on the kernel's command line may add to it: `panic` ends the guest
/// after 15 seconds; `hammer` writes from the fourth to the eighth MiB of the disk, as fast as it
/// can. Each record is a sector; the newest 4096 lie in a ring.
const INIT: &str = r#"#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t devtmpfs none /dev
for module in $(cat /modules); do insmod /lib/$module.ko || echo "no module $module"; done
mount -t tmpfs none /tmp
case "$(cat /proc/cmdline)" in
*work=panic*) (sleep 15; echo c > /proc/sysrq-trigger) & ;;
*work=hammer*)
  for at in 0 1 2 3; do
    (while :; do dd if=/proc/kallsyms of=/dev/vda bs=64k count=16 seek=$((64+16*at)) conv=fsync,notrunc 2>/dev/null; done) &
  done ;;
esac
echo BOOTED
n=1
while :; do
  printf 'record %08d\n' $n | dd of=/dev/vda bs=512 seek=$((n%4096)) conv=sync,fsync,notrunc 2>/dev/null && echo "synced $n"
  n=$((n+1))
  usleep 20000
done
"#;

const MODULES: [&str; 6] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
];

/// The image, built when it is needed first.
pub(crate) fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let directory = target().join("tmp/guest");
        fs::create_dir_all(&directory).unwrap();
        let lock = File::create(directory.join("lock")).unwrap();
        lock.lock().unwrap();
        let kernel = kernel(&directory);
        Image {
            initrd: initrd(&directory),
            kernel,
        }
    })
}

/// Where Cargo builds, above the directory of the profile.
fn target() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let mut folders = this.ancestors().skip(1);
    let profile = folders.find(|folder| !folder.ends_with("deps"));
    profile.unwrap().parent().unwrap().to_owned()
}

fn kernel(directory: &Path) -> PathBuf {
    let unpacked = directory.join("kernel");
    if !unpacked.join("boot").exists() {
        let package = kernel_package();
        run(Command::new("apt-get")
            .args(["download", &package])
            .current_dir(directory));
        let file = find(directory, &format!("{package}_"));
        run(Command::new("dpkg").arg("-x").arg(&file).arg(&unpacked));
        fs::remove_file(file).unwrap();
    }
    find(&unpacked.join("boot"), "vmlinuz-")
}

/// The package's name carries a number that changes with every update.
fn kernel_package() -> String {
    let depends = || {
        let output = Command::new("apt-cache")
            .args(["depends", "linux-image-cloud-amd64"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
    };
    depends().unwrap_or_else(|| {
        run(Command::new("apt-get").arg("update"));
        depends().expect("the package linux-image-cloud-amd64 is unknown")
    })
}

fn initrd(directory: &Path) -> PathBuf {
    let root = directory.join("root");
    let _ = fs::remove_dir_all(&root);
    for name in ["bin", "dev", "lib", "proc", "tmp"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox"))
        .expect("the package busybox-static is needed");
    std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
    let init = root.join("init");
    fs::write(&init, INIT).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("modules"), MODULES.join("\n")).unwrap();
    let drivers = find(&directory.join("kernel/lib/modules"), "").join("kernel/drivers");
    for module in MODULES {
        let folder = if module == "virtio_blk" {
            "block"
        } else {
            "virtio"
        };
        let from = drivers.join(folder).join(format!("{module}.ko"));
        fs::copy(&from, root.join("lib").join(format!("{module}.ko")))
            .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
    let initrd = directory.join("initrd");
    let list = Command::new("find")
        .arg(".")
        .current_dir(&root)
        .output()
        .unwrap();
    let mut cpio = Command::new("cpio")
        .args(["--quiet", "-o", "-H", "newc", "-F"])
        .arg(&initrd)
        .current_dir(&root)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the package cpio is needed");
    cpio.stdin.take().unwrap().write_all(&list.stdout).unwrap();
    assert!(cpio.wait().unwrap().success());
    initrd
}

fn find(directory: &Path, prefix: &str) -> PathBuf {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found = entries.filter(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(prefix)
    });
    found
        .next()
        .unwrap_or_else(|| panic!("no {prefix}* in {}", directory.display()))
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
}
