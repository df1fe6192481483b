//! The Debian packages that the commands need.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::step;

/// A package, and the file whose presence shows that it is there, however it came.
pub(crate) struct Need {
    package: &'static str,
    /// A program somewhere in the usual places, or a path.
    proof: &'static str,
}

const fn need(package: &'static str, proof: &'static str) -> Need {
    Need { package, proof }
}

/// For the lab: hosts, routers and the programs whose sessions go on.
pub(crate) const LAB: &[Need] = &[
    need("binutils", "strip"),
    need("bind9", "named"),
    need("bind9-dnsutils", "dig"),
    need("busybox-static", "/usr/share/doc/busybox-static"),
    need("curl", "curl"),
    need("ethtool", "ethtool"),
    need("iperf3", "iperf3"),
    need("iproute2", "ip"),
    need("iputils-ping", "ping"),
    need("knot-dnsutils", "kdig"),
    need("nftables", "nft"),
    need("nginx-light", "nginx"),
    need("openssh-client", "ssh"),
    need("openssh-server", "sshd"),
    need("postgresql-15", "/usr/lib/postgresql/15/bin/postgres"),
    need("procps", "sysctl"),
    need("qemu-system-x86", "qemu-system-x86_64"),
    need("qemu-utils", "qemu-nbd"),
    need("radvd", "radvd"),
    need("tcpdump", "tcpdump"),
];

/// For the tests: what judges our packets and certificates, talks, and is not ours.
pub(crate) const JUDGE: &[Need] = &[
    need("cpio", "cpio"),
    need("openssl", "openssl"),
    need("socat", "socat"),
    need("tshark", "tshark"),
];

/// For names: the servers and tools that ours are tried against.
pub(crate) const NAMES: &[Need] = &[
    need("bind9", "named"),
    need("bind9-dnsutils", "nsupdate"),
    need("bind9-utils", "named-checkzone"),
    need("knot", "knotd"),
    need("knot-dnsutils", "knsupdate"),
    need("ldnsutils", "drill"),
    need("nsd", "nsd"),
    need(
        "python3-dnspython",
        "/usr/lib/python3/dist-packages/dns/__init__.py",
    ),
    need("unbound", "unbound"),
    need("util-linux", "taskset"),
];

/// For the tests: the resolvers of programs, and what systemd-resolved runs on (see `unpacked.rs`).
pub(crate) const RESOLVERS: &[Need] = &[
    need("dbus-daemon", "dbus-daemon"),
    need("dbus-system-bus-common", "/usr/share/dbus-1/system.conf"),
    need("libsystemd-shared", "/usr/share/doc/libsystemd-shared"),
    need("musl-tools", "musl-gcc"),
    need("python3-minimal", "python3"),
];

/// For the tests: a libvirt daemon and its guests. The package with its services would start one.
pub(crate) const LIBVIRT: &[Need] = &[
    need("libvirt-clients", "virsh"),
    need("libvirt-daemon", "libvirtd"),
    need(
        "libvirt-daemon-driver-qemu",
        "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
    ),
    need("util-linux", "unshare"),
];

/// For building the BPF object.
pub(crate) const BPF: &[Need] = &[
    need("clang-14", "clang-14"),
    need("libbpf-dev", "/usr/include/bpf/bpf_helpers.h"),
    need("linux-libc-dev", "/usr/include/linux/bpf.h"),
    need("llvm-14", "llvm-strip-14"),
];

const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

impl Need {
    fn is_met(&self) -> bool {
        if self.proof.starts_with('/') {
            return Path::new(self.proof).exists();
        }
        DIRECTORIES
            .iter()
            .any(|directory| Path::new(directory).join(self.proof).exists())
    }
}

/// Installs what is missing, and says what that is.
pub(crate) fn install_missing(needs: &[&[Need]]) -> anyhow::Result<()> {
    // A package of this release may push out one of another that was there, so look twice.
    for _ in 0..2 {
        let missing: Vec<&str> = needs
            .iter()
            .copied()
            .flatten()
            .filter(|need| !need.is_met())
            .map(|need| need.package)
            .collect();
        if missing.is_empty() {
            break;
        }
        step::say(&format!("Needed Debian packages: {}", missing.join(" ")));
        if install(&missing).is_err() {
            // A fresh machine has no package lists, or old ones.
            step::run(Command::new("apt-get").arg("update"))?;
            install(&missing).context("these packages have to be installed by hand")?;
        }
    }
    Ok(())
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    step::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
}
