//! What a [`Node`](super::Node) is told.

use core::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use crate::id::{Handle, Lifetime, Locator, Nid, Preference};
use crate::time::Instant;
use crate::wire::Packet;

/// Everything that a node can be told, so that a run can be recorded and played back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A packet that a local program sent to a handle.
    Outbound(Packet),
    /// A packet from the wire that the data path could not place.
    Inbound(Packet),
    /// The Locators of this host, or their routers, changed.
    Link(LinkEvent),
    /// A name was resolved, or a correspondent was configured.
    Resolved(Resolved),
    /// The answer to [`ReadActivity`](super::DatapathUpdate::ReadActivity).
    Activity {
        /// Whose activity.
        handle: Handle,
        /// What the data path saw, or `None` when it has no entry.
        activity: Option<Activity>,
    },
    /// A user asks to act as if the host had moved.
    Move(MoveOrder),
    /// This host is going to be moved by its hypervisor.
    Relocation(Relocation),
    /// A user asks for an echo from a correspondent.
    Ping {
        /// Whom to ask.
        handle: Handle,
        /// Identifier of the Echo Request.
        identifier: u16,
        /// Sequence number of the Echo Request.
        sequence: u16,
    },
    /// The deadline of [`poll_timeout`](super::Node::poll_timeout) passed.
    Timeout,
    /// A copy of this host has its identifier now: it must not be used here.
    Fence,
    /// This host may use its identifier, and whatever its copies knew, they do not know this.
    Release {
        /// Where all randomness comes from now: copies of a host would draw the same numbers.
        seed: [u8; 32],
    },
}

/// What happened to this host's own attachment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkEvent {
    /// The complete set of Locators that this host has now. What is not listed is gone. The order
    /// does not matter: a node prefers the Locator that became working last.
    Locators(Vec<LocalLocator>),
}

/// One of this host's own Locators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The index of the interface that bears it.
    pub interface: u32,
    /// The link-local address of the router that advertised it; `None` leaves the next hop to the
    /// kernel's routes.
    pub router: Option<Ipv6Addr>,
    /// How the way out looks.
    pub health: LocatorHealth,
    /// When its advertised valid lifetime ends; `None` for never.
    pub valid_until: Option<Instant>,
    /// The link's MTU in octets.
    pub mtu: u32,
}

/// Whether a Locator can be sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocatorHealth {
    /// Its address may be used and its router is there.
    Working,
    /// Deprecated, or its router is in doubt: still received on and still announced, but not sent
    /// from while a working one exists.
    Leaving,
}

/// What is known of a correspondent before any packet of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// The name that was asked for.
    pub name: Option<String>,
    /// Whether it comes from the configuration, and is therefore never forgotten.
    #[serde(default)]
    pub configured: bool,
    /// The correspondent's identifier.
    pub nid: Nid,
    /// Its Locators.
    pub locators: Vec<RemoteLocator>,
}

/// A correspondent's Locator with what was said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The lower, the more preferred.
    pub preference: Preference,
    /// For how long, from when it was learnt.
    pub lifetime: Lifetime,
}

/// When the data path last saw packets of a correspondent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The last packet to it.
    pub sent: Instant,
    /// The last packet from it with its own Nonce.
    pub heard: Instant,
}

/// `ilnp move`: act now as if the host had moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MoveOrder {
    /// Send from this Locator from now on.
    pub locator: Option<Locator>,
    /// Give these Locators up at once, as in a hard handoff.
    pub drop: Vec<Locator>,
}

/// A planned move of a host that its hypervisor stops in one place and lets go on in another.
///
/// There is none for the arrival: a [`LinkEvent`] with one of the future Locators tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relocation {
    /// This host will be at these Locators, best first. Correspondents are told of them, and go on
    /// sending to the present ones.
    Prepare(Vec<LocalLocator>),
    /// It is about to be stopped: correspondents are to send to the future Locators.
    Switch,
    /// It stays where it is.
    Cancel,
}

/// An established correspondent that the data path kept while no daemon ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// Whose entry.
    pub handle: Handle,
    /// The entry as it was last written.
    pub entry: super::PathEntry,
    /// When packets were last seen.
    pub activity: Activity,
    /// Its names, where they are remembered: first the one that it was first known by.
    #[serde(default)]
    pub names: Vec<String>,
}
