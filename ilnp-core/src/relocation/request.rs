//! What an agent asks of a guest.

use core::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::{Instance, Mac, SCHEMA, Unreadable, read};
use crate::id::Locator;

/// A request with the number that its answer will have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToGuest {
    /// [`SCHEMA`].
    schema: u32,
    /// Chosen by the agent.
    pub id: u64,
    /// What it asks.
    #[serde(flatten)]
    pub request: Request,
}

/// What an agent asks of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Who are you? Says which run of the guest this is.
    Hello(Hello),
    /// The guest will be at another site: its correspondents are told, and everything that can be
    /// is put in place. A second one renews the first, or takes its place.
    Prepare(Prepare),
    /// The guest is stopped in a round trip or so: its correspondents are to send to where it will
    /// be.
    Switch(Epoch),
    /// The guest runs at the other site now.
    Resumed(Resumed),
    /// The guest stays where it is: everything is taken back.
    Cancel(Epoch),
    /// This copy of the guest must stop using its identifier, for another one goes on with it.
    Fence(Fence),
}

/// Which run of a guest an agent speaks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hello {
    /// The site of the agent.
    pub site: String,
    /// How often the guest was handed over.
    pub epoch: u64,
    /// The run of the guest.
    pub instance: Instance,
}

/// What a guest will find at its next site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Prepare {
    /// The epoch that the hand-over will begin.
    pub epoch: u64,
    /// The site.
    pub site: String,
    /// The prefixes of its link, best first.
    pub locators: Vec<Locator>,
    /// The link-local address of its router.
    pub router: Ipv6Addr,
    /// The MAC address of the router, where it is known: saves a Neighbour Solicitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_mac: Option<Mac>,
}

/// Which hand-over a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch that the hand-over will begin.
    pub epoch: u64,
}

/// Where a guest runs now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resumed {
    /// The epoch that began.
    pub epoch: u64,
    /// The site of the agent.
    pub site: String,
    /// The run of the guest.
    pub instance: Instance,
}

/// Why a copy of a guest must stop using its identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fence {
    /// The newest epoch that the agent knows of.
    pub epoch: u64,
    /// Why, for people.
    pub reason: String,
}

impl ToGuest {
    /// A request with this number.
    pub const fn new(id: u64, request: Request) -> Self {
        Self {
            schema: SCHEMA,
            id,
            request,
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`Unreadable`], with the number of the request where it can be read.
    pub fn parse(line: &[u8]) -> Result<Self, Unreadable> {
        read(line)
    }
}
