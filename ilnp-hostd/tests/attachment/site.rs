//! Sites with real routers, and a host that can be plugged into either.

use std::time::{Duration, Instant};

use ilnp_core::id::HandlePrefix;
use ilnp_core::wire::NonceLength;
use ilnp_hostd::attachment::Settings;

use super::PATIENCE;
use super::namespace::{Namespace, Running};

pub(super) const NID: &str = "0214:4fff:fe20:ee64";

/// A site: a bridge, and a router with radvd beside it.
pub(super) struct Site {
    pub(super) namespace: Namespace,
    radvd: Option<Running>,
    config: tempfile::TempDir,
}

impl Site {
    /// A site with this prefix (`2001:db8:a::`) whose router has this link-local address.
    pub(super) fn new(what: &str, prefix: &str, router: &str) -> Self {
        let namespace = Namespace::new(what);
        for command in [
            "link set lo up".into(),
            "link add br0 type bridge".into(),
            "link add rtr type veth peer name rtrport".into(),
            "link set rtrport master br0".into(),
            "link set rtr addrgenmode none".into(),
            "link set br0 up".into(),
            "link set rtrport up".into(),
            "link set rtr up".into(),
            format!("address add {router}/64 dev rtr nodad"),
            format!("address add {prefix}1/64 dev rtr nodad"),
        ] {
            let command: String = command;
            namespace.ip(&command);
        }
        namespace.run("sysctl", &["-qw", "net.ipv6.conf.all.forwarding=1"]);
        let mut site = Self {
            namespace,
            radvd: None,
            config: tempfile::tempdir().unwrap(),
        };
        site.advertise(&format!(
            "prefix {prefix}/64 {{ AdvValidLifetime 300; AdvPreferredLifetime 200; }};"
        ));
        site
    }

    /// Starts radvd anew with these prefixes.
    pub(super) fn advertise(&mut self, prefixes: &str) {
        self.radvd = None;
        let config = self.config.path().join("radvd.conf");
        let pid = self.config.path().join("radvd.pid");
        std::fs::write(
            &config,
            format!(
                "interface rtr {{ AdvSendAdvert on; MinRtrAdvInterval 200; MaxRtrAdvInterval 600; \
                 AdvDefaultLifetime 1800; {prefixes} }};"
            ),
        )
        .unwrap();
        let arguments = [
            "-n",
            "-C",
            config.to_str().unwrap(),
            "-p",
            pid.to_str().unwrap(),
        ];
        self.radvd = Some(self.namespace.start("radvd", &arguments));
    }

    /// The router stays, and says nothing of itself.
    pub(super) fn silence_advertisements(&mut self) {
        self.radvd = None;
    }

    /// Makes one link of this site's and another's.
    pub(super) fn join(&self, other: &Self) {
        let other = &other.namespace;
        self.namespace.ip(&format!(
            "link add cable type veth peer name cable netns {}",
            other.name
        ));
        for namespace in [&self.namespace, other] {
            namespace.ip("link set cable master br0");
            namespace.ip("link set cable up");
        }
    }

    /// The router is gone without a word.
    pub(super) fn silence(&mut self) {
        self.radvd = None;
        self.namespace.ip("link set rtrport down");
    }
}

/// A host with one cable.
pub(super) struct Host {
    pub(super) namespace: Namespace,
    pub(super) state: tempfile::TempDir,
}

impl Host {
    /// A host that is plugged into a site; its NIC is `eth0`.
    pub(super) fn new(site: &Site) -> Self {
        let namespace = Namespace::new("host");
        namespace.ip("link set lo up");
        namespace.ip("tuntap add ilnp0 mode tun");
        namespace.ip(&format!(
            "link add eth0 type veth peer name hport netns {}",
            site.namespace.name
        ));
        let host = Self {
            namespace,
            state: tempfile::tempdir().unwrap(),
        };
        site.namespace.ip("link set hport master br0");
        site.namespace.ip("link set hport up");
        host.namespace.ip("link set eth0 up");
        host
    }

    /// Pulls the cable out of one site and puts it into another.
    pub(super) fn replug(&self, from: &Site, to: &Site) {
        from.namespace
            .ip(&format!("link set hport netns {}", to.namespace.name));
        to.namespace.ip("link set hport master br0");
        to.namespace.ip("link set hport up");
    }

    /// Waits until the kernel's own address configuration is done.
    pub(super) fn settle(&self) {
        wait_for("an address from the router", || {
            let addresses = self.namespace.ip("-6 address show dev eth0 scope global");
            addresses.contains("inet6") && !addresses.contains("tentative")
        });
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            fenced: false,
            nid: NID.parse().unwrap(),
            handle_prefix: HandlePrefix::DEFAULT,
            nonce_length: NonceLength::Long,
            interfaces: None,
            ilnp_interface: "ilnp0".into(),
            state_dir: self.state.path().into(),
        }
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
