//! A site: a libvirt daemon of its own, with files and a host name of its own.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ilnp_relocate::libvirt::Domain;

pub(crate) const DOMAIN: &str = "vm1";
/// `libvirt-qemu`, at every Debian.
pub(crate) const QEMU_USER: u32 = 64055;

/// A daemon tells two hosts apart by name and UUID, and keeps its files in fixed places. So it runs
/// in namespaces in which these places lead to the site's own. Debian makes the user that QEMUs run
/// as in a package that would start a daemon of its own. Where that user may not open /dev/kvm, libvirt
/// would probe QEMU again with every call: the device is not there.
const NAMESPACE: &str = r#"
set -e
site=$1
for place in /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt; do
    mkdir -p "$place" "$site$place"
    mount --bind "$site$place" "$place"
done
mkdir -p /var/cache/libvirt
mount --bind "$3" /var/cache/libvirt
for file in passwd group; do
    grep -v '^libvirt-qemu:' "/etc/$file" > "$site/$file"
done
echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >> "$site/passwd"
echo 'libvirt-qemu:x:64055:' >> "$site/group"
mount --bind "$site/passwd" /etc/passwd
mount --bind "$site/group" /etc/group
mkdir -p "$site/dev/pts"
for device in full null ptmx random urandom zero; do
    touch "$site/dev/$device"
    mount --bind "/dev/$device" "$site/dev/$device"
done
mount --bind /dev/pts "$site/dev/pts"
umount --recursive --lazy /dev
mount --rbind "$site/dev" /dev
mount --bind "$3" /mnt
hostname "$2"
exec /usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf --pid-file "$site/libvirtd.pid"
"#;

/// As Debian configures it, but for a daemon more that would write QEMU's log.
const QEMU: &str = "stdio_handler = \"file\"\n";

/// What libvirt finds out about QEMU takes it 10 s. It remembers it here, for all sites.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/libvirt-cache");

/// QEMU, as [`NAMESPACE`] shows it. Version 7.2 loses writes of an emulated guest while it copies memory
/// of whole 256 KiB, and libvirt gives no other: the tests' guest has 8 KiB more.
pub(crate) const EMULATOR: &str = "/mnt/emulator";
const PROGRAM: &str = r#"#!/bin/sh
for argument; do
    shift
    case $argument in
        16) argument=size=16392K ;;
        '{"qom-type":"memory-backend-ram","id":"pc.ram","size":16777216}')
            argument='{"qom-type":"memory-backend-ram","id":"pc.ram","size":16785408}' ;;
    esac
    set -- "$@" "$argument"
done
exec /usr/bin/qemu-system-x86_64 "$@"
"#;

/// libvirt looks at the file's time: it is written once.
fn make_emulator() {
    static MADE: Mutex<()> = Mutex::new(());
    let _one = MADE.lock().unwrap();
    fs::create_dir_all(CACHE).unwrap();
    let path = Path::new(CACHE).join("emulator");
    if fs::read_to_string(&path).is_ok_and(|program| program == PROGRAM) {
        return;
    }
    fs::write(&path, PROGRAM).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    daemon: Child,
}

impl Site {
    /// Starts the daemon of site `name` and waits until it answers.
    pub(crate) fn start(name: &str, directory: PathBuf) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root");
        let etc = directory.join("etc/libvirt");
        fs::create_dir_all(&etc).unwrap();
        fs::create_dir_all(directory.join("images")).unwrap();
        let sockets = directory.join("sockets");
        fs::create_dir_all(&sockets).unwrap();
        fs::set_permissions(&sockets, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(etc.join("qemu.conf"), QEMU).unwrap();
        let uuid = if name == "a" { "a" } else { "b" }.repeat(8);
        let conf = format!(
            "host_uuid = \"{uuid}-0001-4001-8001-00000000000{name}\"\nauth_unix_rw = \"none\"\n"
        );
        fs::write(etc.join("libvirtd.conf"), conf).unwrap();
        make_emulator();
        let log = fs::File::create(directory.join("libvirtd.log")).unwrap();
        let daemon = Command::new("unshare")
            .args(["--mount", "--uts", "sh", "-c", NAMESPACE, "sh"])
            .arg(&directory)
            .arg(format!("site-{name}.example"))
            .arg(CACHE)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("util-linux is installed");
        let site = Self { directory, daemon };
        site.wait_for("the daemon answers", |site| {
            site.try_virsh(&["list"]).is_ok()
        });
        site
    }

    pub(crate) fn uri(&self) -> String {
        let socket = self.directory.join("run/libvirt/libvirt-sock");
        format!("qemu+unix:///system?socket={}", socket.display())
    }

    pub(crate) fn domain(&self) -> Domain {
        Domain {
            guest: "guest".to_owned(),
            uri: self.uri(),
            name: DOMAIN.to_owned(),
            directory: self.directory.join("sockets"),
            state_directory: self.directory.join("state"),
        }
    }

    pub(crate) fn virsh(&self, arguments: &[&str]) -> String {
        self.try_virsh(arguments)
            .unwrap_or_else(|error| panic!("virsh {arguments:?}: {error}\n{}", self.log()))
    }

    /// What [`virsh`](Self::virsh) runs.
    pub(crate) fn virsh_command(&self, arguments: &[&str]) -> Command {
        // A daemon that hangs says nothing at all.
        let mut command = Command::new("timeout");
        command
            .args(["--verbose", "--kill-after=5", "60", "virsh"])
            .args(["--quiet", "--connect", &self.uri()])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn try_virsh(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.virsh_command(arguments).output();
        let output = output.expect("libvirt-clients is installed");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    pub(crate) fn state(&self) -> String {
        self.virsh(&["domstate", DOMAIN])
    }

    pub(crate) fn wait_for(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(
                Instant::now() < deadline,
                "not within 60 s: {what}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The daemon, in whose namespaces the site's files are in their places.
    pub(crate) fn daemon_process(&self) -> u32 {
        self.daemon.id()
    }

    /// Whom the guest's QEMU runs as.
    pub(crate) fn qemu_user(&self) -> u32 {
        let pid = self.qemu().expect("a QEMU runs");
        fs::metadata(format!("/proc/{pid}")).unwrap().uid()
    }

    fn qemu(&self) -> Option<i32> {
        let file = self
            .directory
            .join(format!("run/libvirt/qemu/{DOMAIN}.pid"));
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// As a crash does.
    pub(crate) fn kill_daemon(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        let read = |path: &Path| fs::read_to_string(self.directory.join(path)).unwrap_or_default();
        let qemu = format!("var/log/libvirt/qemu/{DOMAIN}.log");
        read(Path::new("libvirtd.log")) + &read(Path::new(&qemu))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A guest outlives its daemon.
        let _ = self.try_virsh(&["destroy", DOMAIN]);
        if let Some(pid) = self.qemu() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
