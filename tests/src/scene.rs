//! The network that most tests use: a mobile host, its correspondent, and sites to be in.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use experiments::error::LabError;
use experiments::lab::{Lab, MoveTimes, Options};
use experiments::measure::capture::Capture;
use experiments::scenario::{Host, LinkSettings, MoveKind, Protocol, Protocols, Scenario, Site};
use experiments::topology::Namespace;
use ilnp_core::id::{Handle, HandlePrefix, Locator, Nid};
use nix::unistd::geteuid;
use serde_json::Value;

use crate::session::{Conversation, Numbered};

/// The host that moves.
pub const MOBILE: &str = "m";
/// The host that it talks to.
pub const PEER: &str = "c";

const POLL: Duration = Duration::from_millis(20);

/// A running network with daemons.
#[derive(Debug)]
pub struct Scene {
    lab: Lab,
}

/// What `setup` changes before the network is built.
pub type Setup = fn(&mut Scenario);

impl Scene {
    /// The mobile host at site `a`, the correspondent at site `c`, sites `b` and `d` to move to,
    /// and a daemon on both hosts. `name` is that of the folder for logs and captures.
    ///
    /// # Errors
    /// As the lab; without root at once.
    pub fn start(name: &str) -> anyhow::Result<Self> {
        Self::start_with(name, |_| {})
    }

    /// The same with changes.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(name: &str, setup: Setup) -> anyhow::Result<Self> {
        let mut scene = Self::build(name, Protocol::Ilnp, setup)?;
        scene.lab.start_daemons()?;
        Ok(scene)
    }

    /// The network without daemons.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn build(
        name: &str,
        protocol: Protocol,
        setup: impl FnOnce(&mut Scenario),
    ) -> anyhow::Result<Self> {
        if !geteuid().is_root() {
            return Err(LabError::NotRoot.into());
        }
        let mut scenario = scenario(name);
        setup(&mut scenario);
        let out = results().join(name);
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        let options = Options { out, bin_dir: None };
        Ok(Self {
            lab: Lab::build(&scenario, protocol, &options)?,
        })
    }

    /// The lab that this is.
    pub const fn lab(&mut self) -> &mut Lab {
        &mut self.lab
    }

    /// The namespace of a host.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn host(&self, name: &str) -> anyhow::Result<&Namespace> {
        Ok(self.lab.host(name)?.namespace())
    }

    /// The namespace of a site's router: `lan` leads to its hosts, `wan` to the other sites.
    ///
    /// # Errors
    /// When there is no such site.
    pub fn router(&self, site: &str) -> anyhow::Result<&Namespace> {
        Ok(self.lab.site(site)?.router())
    }

    /// Captures what passes the first interface of a host, into a file of this name.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn capture(&self, host: &str, name: &str) -> anyhow::Result<Capture> {
        let file = self.out().join(format!("{name}.pcap"));
        Ok(Capture::to_file(self.host(host)?, "eth0", file)?)
    }

    /// Where logs and captures are.
    pub fn out(&self) -> &Path {
        self.lab.out()
    }

    /// The address that programs use for a host: its handle.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn handle(&self, name: &str) -> anyhow::Result<Ipv6Addr> {
        Ok(self.lab.host(name)?.handle())
    }

    /// A TCP connection from the mobile host to its correspondent.
    ///
    /// # Errors
    /// When it does not come.
    pub fn talk(&self) -> anyhow::Result<Conversation> {
        Conversation::open(self.host(MOBILE)?, self.host(PEER)?, self.handle(PEER)?)
    }

    /// Numbered datagrams from one host to the handle of another.
    ///
    /// # Errors
    /// When there is no such host.
    pub fn numbered(&self, from: &str, to: &str) -> anyhow::Result<Numbered> {
        Numbered::open(self.host(from)?, self.host(to)?, self.handle(to)?)
    }

    /// Cuts a host off and attaches it to another site.
    ///
    /// # Errors
    /// As the lab.
    pub fn move_hard(&mut self, host: &str, site: &str) -> anyhow::Result<MoveTimes> {
        Ok(self
            .lab
            .move_host(host, site, MoveKind::Hard, Duration::ZERO)?)
    }

    /// Attaches a host to another site as well, and cuts the first one off after `overlap`.
    ///
    /// # Errors
    /// As the lab.
    pub fn move_soft(
        &mut self,
        host: &str,
        site: &str,
        overlap: Duration,
    ) -> anyhow::Result<MoveTimes> {
        Ok(self.lab.move_host(host, site, MoveKind::Soft, overlap)?)
    }

    /// What `ilnp --json` says on a host.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn ask(&mut self, host: &str, verb: &[&str]) -> anyhow::Result<Value> {
        let (daemon, host) = self.lab.daemon(host)?;
        let output = daemon.ilnp(host).arg("--json").args(verb).output()?;
        ensure!(
            output.status.success(),
            "ilnp {verb:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).with_context(|| format!("ilnp {verb:?}"))
    }

    /// The packets that a host dropped, by reason.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn drops(&mut self, host: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut counters = self.ask(host, &["counters"])?;
        Ok(serde_json::from_value(counters["drops"].take())?)
    }

    /// Waits until a host has dropped `count` packets for a reason.
    ///
    /// # Errors
    /// When that takes more than three seconds.
    pub fn await_drops(&mut self, host: &str, reason: &str, count: u64) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(3);
        loop {
            let drops = self.drops(host)?;
            if drops.get(reason).copied().unwrap_or(0) >= count {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{host} did not count {count} {reason} but {drops:?}");
            }
            std::thread::sleep(POLL);
        }
    }

    /// What a host knows of its correspondents.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn correspondents(&mut self, host: &str) -> anyhow::Result<Vec<Value>> {
        let mut answer = self.ask(host, &["correspondents"])?;
        Ok(serde_json::from_value(answer["correspondents"].take())?)
    }

    /// Waits until what a host knows of its correspondents is as it should be.
    ///
    /// # Errors
    /// When that takes longer than `limit`, with what it knows.
    pub fn await_correspondents(
        &mut self,
        host: &str,
        limit: Duration,
        is_right: impl Fn(&[Value]) -> bool,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        loop {
            let known = self.correspondents(host)?;
            if is_right(&known) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{host} knows {known:?}");
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the preferred Locator that `host` knows of a correspondent is in `site`.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn await_correspondent_at(
        &mut self,
        host: &str,
        site: &str,
        limit: Duration,
    ) -> anyhow::Result<()> {
        let wanted = locator(site).to_string();
        self.await_correspondents(host, limit, |known| {
            known
                .iter()
                .any(|one| one["locators"][0]["locator"] == wanted.as_str())
        })
        .with_context(|| format!("nobody is preferred at {wanted}"))
    }
}

/// Where tests leave logs and captures: the last run of each stays.
pub fn results() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("scenes")
}

/// The Locator of a site of the scene.
pub fn locator(site: &str) -> Locator {
    let word = u64::from(site.bytes().next().unwrap_or(b'a') - b'a' + 10);
    Locator::from_bits(0x2001_0db8_0000_0000 | word << 16)
}

/// The identifier of a host of the scene.
pub fn nid(host: &str) -> Nid {
    let word = u64::from(host.bytes().next().unwrap_or(b'a'));
    Nid::from_bits(0x0200_0000_0000_0000 | word)
}

/// The handle of an identifier.
pub fn handle(nid: Nid) -> Ipv6Addr {
    HandlePrefix::DEFAULT.address(Handle::new(nid))
}

/// A site with the Locator that its name stands for.
pub fn site(name: &str) -> Site {
    Site {
        name: name.to_owned(),
        prefixes: vec![locator(name)],
        router: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
        ra_interval: Duration::from_secs(600),
        source_filter: true,
        hypervisors: 1,
        link: LinkSettings::default(),
    }
}

/// A host that runs the daemon.
pub fn host(name: &str, site: &str) -> Host {
    Host::new(name, site, nid(name))
}

/// The sites and hosts of the scene; nothing happens in them yet.
pub fn scenario(name: &str) -> Scenario {
    Scenario {
        name: name.to_owned(),
        published: None,
        protocol: Protocols::Ilnp,
        duration: Duration::from_secs(10),
        seed: 1,
        captures: true,
        sites: ["a", "b", "c", "d"].map(site).into(),
        hosts: vec![host(MOBILE, "a"), host(PEER, "c")],
        name_servers: vec![],
        repeat: None,
        moves: vec![],
        workloads: vec![],
    }
}
