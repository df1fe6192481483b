//! What a [`Node`](super::Node) asks for and reports.

use core::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use crate::drop_reason::DropReason;
use crate::id::{Handle, IlVector, Locator, Preference};
use crate::time::Instant;
use crate::wire::Nonce;

/// Names one of the data path's slots. Slot 0 is always the preferred source; every Locator of this
/// host has another slot besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotIndex(pub u8);

impl SlotIndex {
    /// The slot that follows the preferred source Locator: a move is one write to it.
    pub const PREFERRED: Self = Self(0);
    /// How many slots there are.
    pub const COUNT: usize = 16;
}

/// A source Locator with its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The source Locator.
    pub locator: Locator,
    /// The interface that packets leave by.
    pub interface: u32,
    /// The next hop; `None` leaves it to the kernel's routes. Destinations with the slot's own
    /// Locator are neighbours and reached without it.
    pub router: Option<Ipv6Addr>,
    /// This host is on its way to the Locator and not there yet. The first authenticated packet that
    /// comes to it says that it is: the data path then sends as this slot says, before the daemon
    /// knows. Never set for [`SlotIndex::PREFERRED`].
    #[serde(default)]
    pub planned: bool,
}

/// All that the data path needs to know of an established correspondent, and all that a new daemon
/// needs to take it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathEntry {
    /// The slot that packets to it leave by.
    pub slot: SlotIndex,
    /// The Locator that packets to it are sent to.
    pub destination: Locator,
    /// The Nonce in packets to it.
    pub nonce_out: Nonce,
    /// The Nonce that its packets carry.
    pub nonce_in: Nonce,
    /// Its Locators, best first, with what was said of them: packets with the right Nonce from any
    /// of the first [`PathEntry::FAST_LOCATORS`] need no daemon.
    pub locators: Vec<PathLocator>,
}

/// One of a correspondent's Locators, as the data path keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The lower, the more preferred.
    pub preference: Preference,
    /// When its lifetime ends.
    pub expires: Instant,
}

impl PathEntry {
    /// How many Locators of a correspondent the data path holds.
    pub const FAST_LOCATORS: usize = 8;
}

/// A TCP or UDP flow that fell back to classic IPv6 while its application keeps the handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassicFlow {
    /// The correspondent's real address.
    pub remote: Ipv6Addr,
    /// This host's real address.
    pub local: Ipv6Addr,
    /// 6, 17 or 58.
    pub protocol: u8,
    /// The remote port; 0 for ICMPv6.
    pub remote_port: u16,
    /// The local port; the echo identifier for ICMPv6.
    pub local_port: u16,
}

/// A change to the tables of the data path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatapathUpdate {
    /// Set or clear a slot.
    Slot {
        /// Which.
        index: SlotIndex,
        /// Its new contents.
        slot: Option<Slot>,
    },
    /// Set or remove a correspondent.
    Correspondent {
        /// Which.
        handle: Handle,
        /// Its new contents.
        entry: Option<Box<PathEntry>>,
    },
    /// Divert the inbound packets of a flow to the daemon, or stop doing so.
    ClassicFlow {
        /// Which.
        flow: ClassicFlow,
        /// Whether to divert.
        present: bool,
    },
    /// Answer with [`Input::Activity`](super::Input::Activity).
    ReadActivity(Handle),
}

/// What a node wants of DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsRequest {
    /// This host can be reached at these Locators, best first, and at no other. It replaces what was
    /// wanted before. Without a Locator nothing can be published, and no name is of use as a handle.
    Publish(Vec<OwnLocator>),
    /// A correspondent cannot be reached where it was last. Look its name up past all caches, and
    /// tell the answer, if there is one, by [`Input::Resolved`](super::Input::Resolved) with the
    /// same name. While it cannot be reached this comes again, ever less often.
    LookUp {
        /// Which correspondent.
        handle: Handle,
        /// Its name.
        name: String,
    },
}

/// One of this host's Locators, as DNS is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The lower, the more preferred.
    pub preference: Preference,
}

/// What correspondents are told of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// Where this host will be.
    Prepared,
    /// To send there.
    Switched,
    /// That it stays where it is.
    Cancelled,
    /// That it stays where it is, because nothing became of what was prepared.
    Expired,
    /// That it is somewhere else.
    Moved,
}

/// Something that happened, for logs, monitors and tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A Locator of this host became usable.
    LocatorAdded {
        /// Which.
        locator: Locator,
        /// On which interface.
        interface: u32,
    },
    /// A Locator of this host is gone.
    LocatorRemoved {
        /// Which.
        locator: Locator,
    },
    /// Packets leave from another Locator now; `None` when there is none left.
    SourceChanged {
        /// The new preferred Locator.
        locator: Option<Locator>,
    },
    /// A correspondent entered this state.
    CorrespondentState {
        /// Which.
        handle: Handle,
        /// `tentative`, `established`, `aged`, `classic` or `gone`.
        state: &'static str,
    },
    /// A Locator Update was sent.
    UpdateSent {
        /// To whom.
        handle: Handle,
        /// To which Locator.
        destination: Locator,
        /// What it says, best first.
        locators: Vec<Locator>,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A Locator Update was acknowledged.
    UpdateAcknowledged {
        /// By whom.
        handle: Handle,
        /// Microseconds from the first try to the acknowledgement.
        after_us: u64,
    },
    /// Correspondents are being told of a move. Comes when the first Locator Update is sent, with the
    /// first acknowledgement and with the last one; a later occasion takes the place of an earlier
    /// one.
    Told {
        /// What of.
        occasion: Occasion,
        /// How many are told.
        correspondents: usize,
        /// How many of them have acknowledged it.
        acknowledged: usize,
    },
    /// A correspondent's Locator Update was applied.
    UpdateReceived {
        /// From whom.
        handle: Handle,
        /// What it says, best first.
        locators: Vec<Locator>,
    },
    /// Packets to a correspondent go to another Locator now.
    DestinationChanged {
        /// Which correspondent.
        handle: Handle,
        /// The new Locator.
        locator: Locator,
    },
    /// A correspondent does not speak ILNP; its flows go on as classic IPv6 (RFC 6744 §6).
    FellBack {
        /// Which correspondent.
        handle: Handle,
        /// `parameter-problem` or `silence`.
        why: &'static str,
    },
    /// This host stopped using its identifier, because a copy of it has it.
    Fenced,
    /// This host uses its identifier again.
    Released,
    /// The answer to a ping.
    PingReply {
        /// From whom.
        handle: Handle,
        /// Identifier of the Echo Request.
        identifier: u16,
        /// Sequence number of the Echo Request.
        sequence: u16,
        /// From which of its Locators the answer came.
        remote: Locator,
        /// To which of ours.
        local: Locator,
    },
    /// A packet was refused for a reason that an operator may want to see (RFC 6741 §11).
    Security {
        /// Why.
        reason: DropReason,
        /// The claimed sender.
        source: IlVector,
        /// The address it was sent to.
        destination: IlVector,
        /// The protocol of the innermost header that was read.
        protocol: u8,
        /// Source and destination port, where the protocol has them.
        ports: Option<(u16, u16)>,
    },
}
