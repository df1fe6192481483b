//! Two hosts and the router between them, with as little else as can be.
//!
//! ```text
//!   a [eth0]----[to-a  router  to-b]----[eth0] b
//! ```

use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use experiments::process::Process;
use experiments::topology::{Namespace, RunId};
use ilnp_core::id::{IlVector, Locator, Nid};
use nix::mount::{MsFlags, mount};
use serde_json::Value;

use crate::{scene, session};

const ROUTER: &str = "fe80::1";
const READY: Duration = Duration::from_secs(10);

/// The pair. Programs end and namespaces go when this is dropped, in the order of the fields.
pub(super) struct Pair {
    /// What speaks for the router.
    radvd: Option<Process>,
    /// The host that starts sessions, and that moves.
    pub(super) a: Host,
    /// Its correspondent.
    pub(super) b: Host,
    /// What is between them.
    pub(super) router: Namespace,
    run: RunId,
}

/// One of the two.
pub(super) struct Host {
    /// Its daemon, once it was started.
    pub(super) daemon: Option<Process>,
    /// Where it lives.
    pub(super) namespace: Namespace,
    /// Its identifier.
    pub(super) nid: Nid,
    /// Where it is.
    pub(super) locator: Locator,
    /// What it is called.
    name: &'static str,
    directory: PathBuf,
}

impl Pair {
    /// Builds the network, without daemons.
    ///
    /// # Errors
    /// As `ip` does.
    pub(super) fn build() -> anyhow::Result<Self> {
        let run = RunId::new()?;
        let router = run.namespace("bench", "router")?;
        router.sysctl(&[("conf/all/forwarding", "1")])?;
        let a = Host::create(&run, &router, "a")?;
        let b = Host::create(&run, &router, "b")?;
        Ok(Self {
            radvd: None,
            a,
            b,
            router,
            run,
        })
    }

    /// Builds the network, lets the router advertise itself as any router does, and starts a daemon
    /// on both hosts that knows of the other.
    ///
    /// # Errors
    /// As `ip` and the daemons do.
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut pair = Self::build()?;
        pair.advertise()?;
        let (a, b) = (pair.a.entry(), pair.b.entry());
        pair.a.start_daemon(&b)?;
        pair.b.start_daemon(&a)?;
        Ok(pair)
    }

    fn advertise(&mut self) -> anyhow::Result<()> {
        let mut text = String::new();
        for host in [&self.a, &self.b] {
            let (port, locator) = (port(host.name), host.locator);
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "interface {port} {{ AdvSendAdvert on; prefix {locator} {{ }}; }};"
            );
            host.namespace.sysctl(&[("conf/eth0/accept_ra", "1")])?;
        }
        let folder = self.run.directory();
        let (file, log) = (folder.join("radvd.conf"), folder.join("radvd.log"));
        std::fs::write(&file, text)?;
        let mut command = self.router.command("radvd");
        command.args(["--nodaemon", "--logmethod", "stderr", "--config"]);
        command
            .arg(file)
            .arg("--pidfile")
            .arg(folder.join("radvd.pid"));
        self.radvd = Some(Process::start("radvd", &mut command, &log)?);
        Ok(())
    }

    /// Switches segmentation and checksum offload off on every interface, `ilnp0` too.
    ///
    /// # Errors
    /// As `ethtool` does.
    pub(super) fn switch_offloads_off(&self) -> anyhow::Result<()> {
        for (namespace, interfaces) in [
            (&self.a.namespace, ["eth0", "ilnp0"]),
            (&self.b.namespace, ["eth0", "ilnp0"]),
            (&self.router, ["to-a", "to-b"]),
        ] {
            for interface in interfaces {
                let features = "tso gso gro tx rx sg".split(' ');
                let mut command = namespace.command("ethtool");
                command.args(["-K", interface]);
                features.for_each(|feature| {
                    command.args([feature, "off"]);
                });
                // A device that lacks one of them has it off already.
                let _ = command.output()?;
            }
        }
        Ok(())
    }

    /// The folder for short-lived files.
    pub(super) fn directory(&self) -> &Path {
        self.run.directory()
    }
}

impl Host {
    fn create(run: &RunId, router: &Namespace, name: &'static str) -> anyhow::Result<Self> {
        let namespace = run.namespace("bench", name)?;
        let (nid, locator) = (scene::nid(name), scene::locator(name));
        let directory = run.directory().join(name);
        std::fs::create_dir_all(directory.join("bpf"))?;
        let mut veth = Command::new("ip");
        veth.args([
            "link",
            "add",
            "eth0",
            "netns",
            namespace.name(),
            "type",
            "veth",
        ]);
        let port = port(name);
        veth.args(["peer", "name", &port, "netns", router.name()]);
        session::output(&mut veth)?;
        router.ip(&[
            format!("link set {port} addrgenmode none"),
            format!("link set {port} up"),
            format!("address add {ROUTER}/64 dev {port} nodad"),
            format!("address add {}1/64 dev {port} nodad", locator.prefix()),
        ])?;
        namespace.sysctl(&[("conf/eth0/accept_ra", "0")])?;
        let host = Self {
            daemon: None,
            namespace,
            nid,
            locator,
            name,
            directory,
        };
        host.namespace.ip(&[
            "link set eth0 up".to_owned(),
            format!("address add {}/64 dev eth0 nodad", host.address()),
            format!("route add ::/0 via {ROUTER} dev eth0"),
        ])?;
        Ok(host)
    }

    /// Its handle.
    pub(super) fn handle(&self) -> Ipv6Addr {
        scene::handle(self.nid)
    }

    /// Its real address.
    pub(super) fn address(&self) -> Ipv6Addr {
        IlVector::new(self.nid, self.locator).address()
    }

    /// The `[[correspondent]]` that others know it by.
    pub(super) fn entry(&self) -> String {
        correspondent(self.nid, self.locator)
    }

    /// Starts a daemon that knows these correspondents, and returns how long it took to be ready.
    ///
    /// # Errors
    /// When it is not ready within ten seconds.
    pub(super) fn start_daemon(&mut self, correspondents: &str) -> anyhow::Result<Duration> {
        let directory = self.directory.display();
        let pins = self.directory.join("bpf");
        if !pins.join("ilnp").exists() {
            mount(
                Some("bpf"),
                &pins,
                Some("bpf"),
                MsFlags::empty(),
                None::<&str>,
            )
            .with_context(|| format!("mount a BPF file system on {}", pins.display()))?;
        }
        let mut text = format!(
            "nid = \"{}\"\nstate-dir = \"{directory}/state\"\n\
             control-socket = \"{directory}/hostd.sock\"\npin-dir = \"{directory}/bpf/ilnp\"\n",
            self.nid
        );
        text.push_str(correspondents);
        let file = self.directory.join("hostd.toml");
        std::fs::write(&file, text)?;
        let log = self.directory.join("hostd.log");
        let mut command = self.namespace.command(crate::program("ilnp-hostd"));
        command.arg("--config").arg(file);
        let start = Instant::now();
        self.daemon = Some(Process::start("ilnp-hostd", &mut command, &log)?);
        while !self.is_ready() {
            ensure!(
                start.elapsed() < READY,
                "ilnp-hostd is not ready:\n{}",
                std::fs::read_to_string(&log)?
            );
            sleep(Duration::from_millis(2));
        }
        Ok(start.elapsed())
    }

    /// Stops the daemon, and removes what it left.
    ///
    /// # Errors
    /// When `--cleanup` fails.
    pub(super) fn stop_daemon(&mut self) -> anyhow::Result<()> {
        self.daemon = None;
        let mut command = self.namespace.command(crate::program("ilnp-hostd"));
        command
            .arg("--config")
            .arg(self.directory.join("hostd.toml"));
        session::output(command.arg("--cleanup")).map(drop)
    }

    /// Gives this host another Locator on the same link, and takes the present one away at once.
    ///
    /// # Errors
    /// As `ip` does.
    pub(super) fn move_to(&mut self, router: &Namespace, locator: Locator) -> anyhow::Result<()> {
        let (old, port) = (self.address(), port(self.name));
        self.locator = locator;
        router.ip(&[format!(
            "address add {}1/64 dev {port} nodad",
            locator.prefix()
        )])?;
        self.namespace.ip(&[
            format!("address delete {old}/64 dev eth0"),
            format!("address add {}/64 dev eth0 nodad", self.address()),
        ])?;
        Ok(())
    }

    /// What `ilnp --json` says.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn ask(&self, verb: &str) -> anyhow::Result<Value> {
        let mut command = self.namespace.command(crate::program("ilnp"));
        command
            .arg("--socket")
            .arg(self.directory.join("hostd.sock"));
        let output = session::output(command.args(["--json", verb]))?;
        Ok(serde_json::from_str(&output)?)
    }

    fn is_ready(&self) -> bool {
        self.directory.join("hostd.sock").exists()
            && self
                .ask("status")
                .is_ok_and(|status| status["ready"] == true)
    }
}

/// The router's interface towards a host; `ip` takes shorter names for keywords.
fn port(name: &str) -> String {
    format!("to-{name}")
}

/// A `[[correspondent]]` of a configuration.
pub(super) fn correspondent(nid: Nid, locator: Locator) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n[[correspondent]]\nname = \"n{:x}.bench\"\nnid = \"{nid}\"\nlocators = [\"{locator}\"]\n",
        nid.bits()
    );
    text
}
