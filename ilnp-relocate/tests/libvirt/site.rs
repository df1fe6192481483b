//! A site: a libvirt daemon of its own, with files and a host name of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ilnp_relocate::libvirt::Domain;

pub(crate) const DOMAIN: &str = "vm1";

/// A daemon tells two hosts apart by name and UUID, and keeps its files in fixed places. So it runs
/// in namespaces in which these places lead to the site's own. Debian makes the user that QEMUs run
/// as in a package that would start a daemon of its own.
const NAMESPACE: &str = r#"
set -e
site=$1
for place in /etc/libvirt /run/libvirt /var/cache/libvirt /var/lib/libvirt /var/log/libvirt; do
    mkdir -p "$place" "$site$place"
    mount --bind "$site$place" "$place"
done
for file in passwd group; do
    grep -v '^libvirt-qemu:' "/etc/$file" > "$site/$file"
done
echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >> "$site/passwd"
echo 'libvirt-qemu:x:64055:' >> "$site/group"
mount --bind "$site/passwd" /etc/passwd
mount --bind "$site/group" /etc/group
hostname "$2"
exec /usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf --pid-file "$site/libvirtd.pid"
"#;

const QEMU: &str = r#"
user = "root"
group = "root"
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"#;

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
        fs::create_dir_all(directory.join("sockets")).unwrap();
        // QEMU runs as a user of its own.
        for open in ["", "images", "sockets"] {
            fs::set_permissions(directory.join(open), fs::Permissions::from_mode(0o777)).unwrap();
        }
        fs::write(etc.join("qemu.conf"), QEMU).unwrap();
        let uuid = if name == "a" { "a" } else { "b" }.repeat(8);
        let conf = format!(
            "host_uuid = \"{uuid}-0001-4001-8001-00000000000{name}\"\nauth_unix_rw = \"none\"\n"
        );
        fs::write(etc.join("libvirtd.conf"), conf).unwrap();
        let log = fs::File::create(directory.join("libvirtd.log")).unwrap();
        let daemon = Command::new("unshare")
            .args(["--mount", "--uts", "sh", "-c", NAMESPACE, "sh"])
            .arg(&directory)
            .arg(format!("site-{name}.example"))
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

    pub(crate) fn try_virsh(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("virsh")
            .args(["--quiet", "--connect", &self.uri()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("libvirt-clients is installed");
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

    /// As a crash does.
    pub(crate) fn kill_daemon(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    fn log(&self) -> String {
        let read = |path: &Path| fs::read_to_string(self.directory.join(path)).unwrap_or_default();
        let qemu = format!("var/log/libvirt/qemu/{DOMAIN}.log");
        read(Path::new("libvirtd.log")) + &read(Path::new(&qemu))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A guest outlives its daemon.
        let _ = self.try_virsh(&["destroy", DOMAIN]);
        let pid = self
            .directory
            .join(format!("run/libvirt/qemu/{DOMAIN}.pid"));
        if let Some(pid) = fs::read_to_string(pid)
            .ok()
            .and_then(|pid| pid.trim().parse().ok())
        {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
