//! Sites with real routers, and a host that can be plugged into either, in network namespaces.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot be set up fails"
)]

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ilnp_core::id::Locator;
use ilnp_core::node::{LinkEvent, LocalLocator, LocatorHealth};
use ilnp_hostd::attachment::{AttachmentEvent, Attachments, Settings};
use netlink_packet_core::NetlinkMessage;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkEvent as LinkEventAttribute, LinkFlags, LinkLayerType, LinkMessage,
};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) const NID: &str = "0214:4fff:fe20:ee64";

/// A network namespace that goes away with this value.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new(what: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test must run as root: it makes network namespaces"
        );
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ilnp-{what}-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name]);
        Self { name }
    }

    /// `ip ARGUMENTS` in the namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        run("ip", &all)
    }

    /// Runs a program in the namespace.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let inside = ["netns", "exec", &self.name, program];
        run("ip", &[&inside, arguments].concat())
    }

    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.name, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Gets ready to watch for a Router Solicitation on `eth0`.
    pub(crate) fn watch_solicitation(&self) -> Watch {
        let index = self.run("cat", &["/sys/class/net/eth0/ifindex"]);
        let index = index.trim().parse().unwrap();
        let file = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let open = move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            Watch::open(index)
        };
        std::thread::spawn(open).join().unwrap()
    }

    /// Runs `test` in this namespace on a thread and a runtime of its own.
    pub(crate) fn enter<T: Send>(&self, test: impl AsyncFnOnce() -> T + Send) -> T {
        let file = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let thread = move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(test())
        };
        std::thread::scope(|scope| match scope.spawn(thread).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

/// Watches for Router Solicitations, and plays the kernel that announces a migration.
pub(crate) struct Watch {
    interface: u32,
    packets: Socket,
    netlink: netlink_sys::Socket,
    started: std::cell::Cell<Instant>,
}

impl Watch {
    fn open(interface: u32) -> Self {
        let all = (libc::ETH_P_ALL as u16).to_be();
        let packets =
            Socket::new(Domain::PACKET, Type::DGRAM, Some(i32::from(all).into())).unwrap();
        packets.set_read_timeout(Some(PATIENCE)).unwrap();
        let netlink = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
        Self {
            interface,
            packets,
            netlink,
            started: Instant::now().into(),
        }
    }

    /// Sends what a guest's kernel sends to the group of link events when its hypervisor tells it that
    /// it was moved: `RTM_NEWLINK` with `IFLA_EVENT_NOTIFY_PEERS`. Without a virtio device, a bond or a
    /// team, no kernel does this by itself; the group takes it from root too.
    pub(crate) fn announce(&self) {
        let mut message = LinkMessage::default();
        message.header.index = self.interface;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
        message.attributes = vec![
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Event(LinkEventAttribute::NotifyPeers),
        ];
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewLink(message));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        const RTMGRP_LINK: u32 = 1;
        self.started.set(Instant::now());
        let group = netlink_sys::SocketAddr::new(0, RTMGRP_LINK);
        self.netlink.send_to(&octets, &group, 0).unwrap();
    }

    /// How long after the announcement the solicitation left.
    pub(crate) fn delay(mut self) -> Duration {
        let mut packet = [0; 2048];
        loop {
            let length = std::io::Read::read(&mut self.packets, &mut packet).unwrap();
            // ICMPv6 behind an IPv6 header, type 133.
            if matches!(packet[..length], [version, _, _, _, _, _, 58, ..] if version >> 4 == 6)
                && packet[40] == 133
            {
                return self.started.get().elapsed();
            }
        }
    }
}

/// A program that ends with this value.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A site: a bridge, and a router with radvd beside it.
pub(crate) struct Site {
    pub(crate) namespace: Namespace,
    radvd: Option<Running>,
    config: tempfile::TempDir,
}

impl Site {
    /// A site with this prefix (`2001:db8:a::`) whose router has this link-local address.
    pub(crate) fn new(what: &str, prefix: &str, router: &str) -> Self {
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
    pub(crate) fn advertise(&mut self, prefixes: &str) {
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

    /// Makes one link of this site's and another's.
    pub(crate) fn join(&self, other: &Self) {
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
    pub(crate) fn silence(&mut self) {
        self.radvd = None;
        self.namespace.ip("link set rtrport down");
    }
}

/// A host with one cable.
pub(crate) struct Host {
    pub(crate) namespace: Namespace,
    pub(crate) state: tempfile::TempDir,
}

impl Host {
    /// A host that is plugged into a site; its NIC is `eth0`.
    pub(crate) fn new(site: &Site) -> Self {
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
    pub(crate) fn replug(&self, from: &Site, to: &Site) {
        from.namespace
            .ip(&format!("link set hport netns {}", to.namespace.name));
        to.namespace.ip("link set hport master br0");
        to.namespace.ip("link set hport up");
    }

    /// Waits until the kernel's own address configuration is done.
    pub(crate) fn settle(&self) {
        wait_for("an address from the router", || {
            let addresses = self.namespace.ip("-6 address show dev eth0 scope global");
            addresses.contains("inet6") && !addresses.contains("tentative")
        });
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            nid: NID.parse().unwrap(),
            handle_prefix: Default::default(),
            interfaces: None,
            ilnp_interface: "ilnp0".into(),
            state_dir: self.state.path().into(),
        }
    }
}

pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads events until one tells of Locators that fit.
pub(crate) async fn locators_that(
    attachments: &mut Attachments,
    what: &str,
    mut fits: impl FnMut(&[LocalLocator]) -> bool,
) -> Vec<LocalLocator> {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let event = attachments.events.recv().await.expect("the task has ended");
            seen.push(event.clone());
            if let AttachmentEvent::Link(LinkEvent::Locators(locators)) = event
                && fits(&locators)
            {
                return locators;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.unwrap_or_else(|_| panic!("waited in vain for {what}; seen: {seen:#?}"))
}

/// Whether the only Locator is this one, and works.
pub(crate) fn only(prefix: &str) -> impl Fn(&[LocalLocator]) -> bool + use<> {
    let prefix: Locator = prefix.parse().unwrap();
    move |locators| matches!(locators, [one] if one.locator == prefix && one.health == LocatorHealth::Working)
}

/// Whether this Locator is there and works.
pub(crate) fn has(prefix: &str) -> impl Fn(&[LocalLocator]) -> bool + use<> {
    let prefix: Locator = prefix.parse().unwrap();
    move |locators| {
        locators
            .iter()
            .any(|one| one.locator == prefix && one.health == LocatorHealth::Working)
    }
}
