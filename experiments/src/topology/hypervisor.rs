//! A machine that virtual machines run on, at a site.
//!
//! ```text
//!   guest                hypervisor                 switch of site
//!   [eth0]----[t-GUEST  br0 (an address)  uplink]----[v-HYPERVISOR lan router]
//! ```

use std::net::Ipv6Addr;

use ilnp_core::id::{IlVector, Locator, Nid};

use super::core_router::veth;
use super::{Namespace, RunId, Site};
use crate::error::LabError;
use crate::scenario;

/// The bridge with an address of the hypervisor's own.
pub(crate) const BRIDGE: &str = "br0";
/// The interface identifier of a site's first hypervisor.
const FIRST: u64 = 0x10;

/// A hypervisor's namespace.
#[derive(Debug)]
pub struct Hypervisor {
    name: String,
    site: String,
    address: Ipv6Addr,
    namespace: Namespace,
}

impl Hypervisor {
    /// Makes the hypervisor with this number at a site, and plugs it in.
    pub(super) fn create(run: &RunId, site: &Site, number: u8) -> Result<Self, LabError> {
        let name = if number == 0 {
            site.name().to_owned()
        } else {
            format!("{}{}", site.name(), number + 1)
        };
        let namespace = run.namespace("vmm", &name)?;
        // Only the bridge has addresses; frames of guests pass by.
        namespace.sysctl(&[("conf/default/disable_ipv6", "1")])?;
        let port = format!("v-{name}");
        veth((&namespace, "uplink"), (site.switch(), &port))?;
        namespace.ip(&[
            &format!("link add name {BRIDGE} type bridge mcast_snooping 0"),
            "link set uplink up",
            &format!("link set uplink master {BRIDGE}"),
        ])?;
        namespace.sysctl(&[
            (&format!("conf/{BRIDGE}/accept_ra"), "0"),
            (&format!("conf/{BRIDGE}/disable_ipv6"), "0"),
        ])?;
        site.switch().ip(&[
            format!("link set {port} master lan"),
            format!("link set {port} up"),
        ])?;
        let prefix = site.settings().prefixes.first().copied();
        let prefix = prefix.unwrap_or_else(|| Locator::from_bits(0));
        let identifier = Nid::from_bits(FIRST + u64::from(number));
        let address = IlVector::new(identifier, prefix).address();
        namespace.ip(&[
            format!("link set {BRIDGE} up"),
            format!("address add {address}/64 dev {BRIDGE} nodad"),
            format!("route add ::/0 via {} dev {BRIDGE}", site.settings().router),
        ])?;
        Ok(Self {
            name,
            site: site.name().to_owned(),
            address,
            namespace,
        })
    }

    /// Its name: that of its site for the first one there, with a number behind it for others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The site that it is at.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Its own address.
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Makes the interface that a guest is to be plugged into.
    pub(super) fn add_guest(&self, guest: &scenario::Host) -> Result<(), LabError> {
        let port = guest_port(&guest.name);
        self.namespace.ip(&[
            format!("tuntap add dev {port} mode tap"),
            format!("link set {port} master {BRIDGE}"),
            format!("link set {port} up"),
        ])
    }
}

/// The interface of a guest at each hypervisor.
pub(crate) fn guest_port(guest: &str) -> String {
    format!("t-{guest}")
}
