//! A host: a namespace with one interface or two, and the cables that lead out of them.

use std::net::Ipv6Addr;
use std::process::Command;

use ilnp_core::id::{Handle, HandlePrefix, IlVector};

use super::core_router::veth;
use super::{Namespace, RunId, Site};
use crate::error::LabError;
use crate::process;
use crate::scenario::{self, Protocol};

/// Programs on a host that resolves names ask its daemon,
const RESOLV_CONF: &str = "nameserver ::1\noptions timeout:1 attempts:3\n";
/// and nothing that belongs to the machine that the lab runs on.
const NSSWITCH_CONF: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";

/// A host of the lab.
#[derive(Debug)]
pub struct Host {
    settings: scenario::Host,
    protocol: Protocol,
    namespace: Namespace,
    /// Where the far end of `eth0`, `eth1` is.
    plugs: Vec<Plug>,
    /// The interface whose site the host belongs to.
    active: usize,
}

/// Where the far end of one of a host's interfaces is.
#[derive(Clone, Debug)]
struct Plug {
    /// The namespace that holds it.
    namespace: String,
    /// The site that it is plugged into, or `None` when the cable hangs loose.
    site: Option<String>,
}

impl Host {
    /// Makes a host with one interface, `eth0`, that is plugged in nowhere.
    pub(super) fn create(
        run: &RunId,
        settings: &scenario::Host,
        protocol: Protocol,
    ) -> Result<Self, LabError> {
        let mut host = Self {
            settings: settings.clone(),
            protocol,
            namespace: run.namespace("host", &settings.name)?,
            plugs: vec![],
            active: 0,
        };
        host.namespace
            .sysctl(&[("conf/default/router_solicitation_delay", "0")])?;
        if host.settings.resolver.is_some() {
            host.namespace.set_etc("resolv.conf", RESOLV_CONF)?;
            host.namespace.set_etc("nsswitch.conf", NSSWITCH_CONF)?;
        }
        host.add_interface()?;
        Ok(host)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the scenario says about it.
    pub fn settings(&self) -> &scenario::Host {
        &self.settings
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A command that will run a program on the host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.namespace.command(program)
    }

    /// Whether a daemon runs on it in this run.
    pub fn speaks_ilnp(&self) -> bool {
        self.protocol == Protocol::Ilnp && self.settings.ilnp
    }

    /// The site that it is in.
    pub fn site(&self) -> &str {
        let plug = self.plugs.get(self.active);
        plug.and_then(|plug| plug.site.as_deref()).unwrap_or("")
    }

    /// Its handle under the default handle prefix.
    pub fn handle(&self) -> Ipv6Addr {
        HandlePrefix::DEFAULT.address(Handle::new(self.settings.nid))
    }

    /// Its address in a site, under the site's first prefix.
    pub fn address_in(&self, site: &scenario::Site) -> Option<Ipv6Addr> {
        let prefix = site.prefixes.first()?;
        Some(IlVector::new(self.settings.nid, *prefix).address())
    }

    /// Its interfaces towards sites.
    pub fn interfaces(&self) -> Vec<String> {
        (0..self.plugs.len()).map(interface).collect()
    }

    /// The interface whose site the host belongs to.
    pub fn active_interface(&self) -> String {
        interface(self.active)
    }

    /// The number of the active interface.
    pub(crate) fn active(&self) -> usize {
        self.active
    }

    /// Says which interface the host belongs to its site by.
    pub(crate) fn set_active(&mut self, number: usize) {
        self.active = number;
    }

    /// The number of an interface that is plugged in nowhere, made when there is none.
    pub(crate) fn spare_interface(&mut self) -> Result<usize, LabError> {
        match self.plugs.iter().position(|plug| plug.site.is_none()) {
            Some(number) => Ok(number),
            None => self.add_interface(),
        }
    }

    /// Puts the far end of an interface into a site's switch: the host sees its carrier come.
    pub(crate) fn plug(&mut self, number: usize, site: &Site) -> Result<(), LabError> {
        let (port, switch) = (self.port(number), site.switch().name().to_owned());
        let plug = self.plug_mut(number)?;
        if plug.namespace != switch {
            let words = [
                "-n",
                &plug.namespace,
                "link",
                "set",
                &port,
                "netns",
                &switch,
            ];
            process::run(Command::new("ip").args(words), "")?;
            plug.namespace = switch;
        }
        plug.site = Some(site.name().to_owned());
        if self.settings.is_static {
            self.configure_by_hand(number, site)?;
        }
        site.switch().ip(&[
            format!("link set {port} master lan"),
            format!("link set {port} up"),
        ])
    }

    /// Cuts an interface off: the host sees its carrier go.
    pub(crate) fn unplug(&mut self, number: usize) -> Result<(), LabError> {
        let port = self.port(number);
        let plug = self.plug_mut(number)?;
        plug.site = None;
        let words = ["-n", &plug.namespace, "link", "set", &port, "down"];
        process::run(Command::new("ip").args(words), "").map(drop)
    }

    /// Lets the site's switch pass nothing to or from the active interface, whose carrier stays.
    pub(crate) fn silence(&self) -> Result<(), LabError> {
        let port = self.port(self.active);
        let plug = self.plugs.get(self.active);
        let switch = plug.map_or("", |plug| &plug.namespace);
        let words = ["-n", switch, "link", "set", "dev", &port, "state", "0"];
        process::run(Command::new("bridge").args(words), "").map(drop)
    }

    fn add_interface(&mut self) -> Result<usize, LabError> {
        let number = self.plugs.len();
        let (name, port) = (interface(number), self.port(number));
        veth((&self.namespace, &name), (&self.namespace, &port))?;
        self.configure(&name)?;
        self.namespace.ip(&[format!("link set {name} up")])?;
        self.plugs.push(Plug {
            namespace: self.namespace.name().to_owned(),
            site: None,
        });
        Ok(number)
    }

    /// A host without a daemon forms `<prefix>:<nid>` by itself, and uses it as soon as the daemon
    /// would, so that the comparison is fair.
    fn configure(&self, name: &str) -> Result<(), LabError> {
        if self.settings.is_static {
            return self
                .namespace
                .sysctl(&[(&format!("conf/{name}/accept_ra"), "0")]);
        }
        if self.speaks_ilnp() {
            return Ok(());
        }
        self.namespace.sysctl(&[
            (&format!("conf/{name}/optimistic_dad"), "1"),
            (&format!("conf/{name}/use_optimistic"), "1"),
        ])?;
        let identifier = IlVector::new(self.settings.nid, ilnp_core::id::Locator::from_bits(0));
        let token = format!("token set {} dev {name}", identifier.address());
        self.namespace.ip(&[token])
    }

    fn configure_by_hand(&self, number: usize, site: &Site) -> Result<(), LabError> {
        let (name, router) = (interface(number), site.settings().router);
        let mut lines = vec![format!("route add ::/0 via {router} dev {name}")];
        lines.extend(site.settings().prefixes.iter().map(|prefix| {
            let address = IlVector::new(self.settings.nid, *prefix).address();
            format!("address add {address}/64 dev {name} nodad")
        }));
        self.namespace.ip(&lines)
    }

    fn plug_mut(&mut self, number: usize) -> Result<&mut Plug, LabError> {
        let name = &self.settings.name;
        self.plugs
            .get_mut(number)
            .ok_or_else(|| LabError::Misuse(format!("{name} has no interface {number}")))
    }

    /// The far end of an interface.
    fn port(&self, number: usize) -> String {
        format!("p-{}-{number}", self.settings.name)
    }
}

fn interface(number: usize) -> String {
    format!("eth{number}")
}
