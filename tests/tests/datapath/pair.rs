//! Two hosts and a router between them, with data paths and without daemons.

use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use experiments::topology::Namespace;
use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator, Nid, Preference};
use ilnp_core::node::{DatapathUpdate, PathEntry, PathLocator, Restored, Slot, SlotIndex};
use ilnp_core::time::Instant;
use ilnp_core::wire::Nonce;
use ilnp_hostd::datapath::{AttachMethod, DataPath, DataPathConfig, DataPathError, Tun};
use tests::sandbox::Sandbox;
use tokio::runtime::Runtime;

const ROUTER: &str = "fe80::1";
const MTU: u16 = 1500;
const PATIENCE: Duration = Duration::from_secs(5);

/// A host: its namespace, and the data path while somebody holds it open.
pub(crate) struct Host {
    pub(crate) namespace: Namespace,
    pub(crate) config: DataPathConfig,
    pub(crate) held: Option<(DataPath, Tun)>,
    pub(crate) locator: Locator,
}

/// The network.
pub(crate) struct Pair {
    pub(crate) hosts: [Host; 2],
    _router: Namespace,
    runtime: Runtime,
    method: AttachMethod,
    pub(crate) sandbox: Sandbox,
}

impl Pair {
    /// Builds the network, opens both data paths and makes them know each other.
    pub(crate) fn new(method: AttachMethod, nonce_octets: usize) -> anyhow::Result<Self> {
        let sandbox = Sandbox::enter()?;
        let hosts = [host(&sandbox, 0)?, host(&sandbox, 1)?];
        let router = router(&hosts)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut pair = Self {
            hosts,
            _router: router,
            runtime,
            method,
            sandbox,
        };
        for at in 0..2 {
            pair.open(at)?;
            pair.fill(at, nonce_octets)?;
            pair.hosts[at].configure_interface()?;
        }
        Ok(pair)
    }

    /// Opens a host's data path, as its daemon does when it starts.
    pub(crate) fn open(&mut self, at: usize) -> anyhow::Result<Vec<Restored>> {
        let host = &mut self.hosts[at];
        anyhow::ensure!(host.held.is_none(), "it is open");
        let (runtime, config, method) = (self.runtime.handle(), &host.config, self.method);
        let opened = host.namespace.inside(|| {
            let _inside = runtime.enter();
            when_free(|| DataPath::open_with(config, method))
        })?;
        let (data_path, tun, restored) = opened?;
        host.held = Some((data_path, tun));
        Ok(restored)
    }

    /// Opens a data path that is expected to be refused.
    pub(crate) fn refused(
        &self,
        at: usize,
        config: &DataPathConfig,
    ) -> anyhow::Result<DataPathError> {
        let (runtime, method) = (self.runtime.handle(), self.method);
        let opened = self.hosts[at].namespace.inside(|| {
            let _inside = runtime.enter();
            DataPath::open_with(config, method)
        })?;
        opened.err().context("it was not refused")
    }

    /// Where both devices are read.
    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Switches checksum and segmentation offload off.
    pub(crate) fn segment_early(&self) -> anyhow::Result<()> {
        for host in &self.hosts {
            for interface in ["eth0", "ilnp0"] {
                let mut ethtool = host.namespace.command("ethtool");
                ethtool.args(["-K", interface, "tx", "off", "tso", "off", "gso", "off"]);
                anyhow::ensure!(ethtool.output()?.status.success(), "{ethtool:?}");
            }
        }
        Ok(())
    }

    fn fill(&mut self, at: usize, nonce_octets: usize) -> anyhow::Result<()> {
        let other = &self.hosts[1 - at];
        let (nid, locator) = (other.config.nid, other.locator);
        let host = &mut self.hosts[at];
        let entry = PathEntry {
            slot: SlotIndex::PREFERRED,
            destination: locator,
            nonce_out: nonce(host.config.nid, nonce_octets),
            nonce_in: nonce(nid, nonce_octets),
            locators: vec![PathLocator {
                locator,
                preference: Preference(10),
                expires: Instant::from_nanos(u64::MAX),
            }],
        };
        let interface = host
            .namespace
            .inside(|| nix::net::if_::if_nametoindex("eth0"))??;
        let slot = Slot {
            locator: host.locator,
            interface,
            router: Some(ROUTER.parse()?),
            planned: false,
        };
        let namespace = &host.namespace;
        let (data_path, _) = host.held.as_mut().context("it is closed")?;
        for index in [0, 1] {
            let index = SlotIndex(index);
            let slot = Some(slot);
            data_path.apply(DatapathUpdate::Slot { index, slot })?;
        }
        let handle = Handle::new(nid);
        let entry = Some(Box::new(entry));
        data_path.apply(DatapathUpdate::Correspondent { handle, entry })?;
        namespace.inside(|| data_path.attach(interface))??;
        Ok(())
    }
}

/// Does something with an interface that nobody holds open any more. A program that another test of
/// this process starts has copies of all that was open, until it runs.
pub(crate) fn when_free<T>(
    mut work: impl FnMut() -> Result<T, DataPathError>,
) -> Result<T, DataPathError> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match work() {
            Err(DataPathError::InterfaceBusy(_)) if std::time::Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

impl Host {
    /// Lets the data path go on without anybody, as when a daemon is killed.
    pub(crate) fn abandon(&mut self) {
        self.held = None;
    }

    pub(crate) fn handle(&self) -> Ipv6Addr {
        HandlePrefix::DEFAULT.address(Handle::new(self.config.nid))
    }

    pub(crate) fn data_path(&mut self) -> &mut DataPath {
        &mut self.held.as_mut().expect("it is open").0
    }

    pub(crate) fn listen(&self) -> anyhow::Result<TcpListener> {
        Ok(self
            .namespace
            .inside(|| TcpListener::bind((self.handle(), 0)))??)
    }

    pub(crate) fn connect(&self, to: std::net::SocketAddr) -> anyhow::Result<TcpStream> {
        let stream = self
            .namespace
            .inside(|| TcpStream::connect_timeout(&to, PATIENCE))??;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub(crate) fn datagrams(&self) -> anyhow::Result<UdpSocket> {
        let socket = self
            .namespace
            .inside(|| UdpSocket::bind((self.handle(), 0)))??;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(socket)
    }

    fn configure_interface(&self) -> anyhow::Result<()> {
        self.namespace
            .sysctl(&[("conf/ilnp0/addr_gen_mode", "1")])?;
        self.namespace.ip(&[
            format!("link set ilnp0 mtu {} up", MTU - 16),
            format!("addr add {}/64 dev ilnp0 nodad", self.handle()),
        ])?;
        Ok(())
    }
}

fn host(sandbox: &Sandbox, at: u64) -> anyhow::Result<Host> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ilnp-dp-{}-{count}", std::process::id());
    Ok(Host {
        config: DataPathConfig {
            interface_name: "ilnp0".to_owned(),
            pin_dir: sandbox.pin_dir(&name).join("ilnp"),
            nid: Nid::from_bits(0x0214_4fff_fe20_0001 + at),
            handle_prefix: HandlePrefix::DEFAULT,
        },
        namespace: Namespace::create(name)?,
        held: None,
        locator: Locator::from_bits(0x2001_0db8_0000_000a + at),
    })
}

fn router(hosts: &[Host; 2]) -> anyhow::Result<Namespace> {
    let router = Namespace::create(format!("{}-r", hosts[0].namespace.name()))?;
    router.sysctl(&[("conf/all/forwarding", "1")])?;
    for (host, port) in hosts.iter().zip(["p0", "p1"]) {
        let name = host.namespace.name();
        let network = host.locator.prefix();
        let address = IlVector::new(host.config.nid, host.locator).address();
        router.ip(&[
            format!("link add name {port} type veth peer name eth0 netns {name}"),
            format!("addr add {ROUTER}/64 dev {port} nodad"),
            format!("link set {port} up"),
            format!("route add {network}/64 dev {port}"),
        ])?;
        host.namespace.ip(&[
            format!("addr add {address}/64 dev eth0 nodad"),
            "link set eth0 up".to_owned(),
            format!("route add default via {ROUTER} dev eth0"),
        ])?;
    }
    Ok(router)
}

fn nonce(nid: Nid, octets: usize) -> Nonce {
    // As `ilnp_core` makes them: nine words, as far as the router can tell.
    let value = [nid.octets().as_slice(), &[0x91, 2, 3, 4]].concat();
    Nonce::from_slice(&value[12 - octets..]).expect("4 or 12 octets")
}

/// The pins that are left below a directory.
pub(crate) fn files(directory: &std::path::Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
