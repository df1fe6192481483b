//! Locator Updates and their acknowledgements in a capture.

use std::fs::File;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use ilnp_core::id::{IlVector, Locator, Nid};
use ilnp_core::wire::headers::Headers;
use ilnp_core::wire::locator_update::{LocatorUpdate, Operation};
use ilnp_core::wire::protocol;
use pcap_file::pcap::PcapReader;
use pnet::packet::Packet;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use serde::Serialize;

use crate::clock::Clock;
use crate::error::{Doing, LabError};

/// A Locator Update that was on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Update {
    /// When, on the clock of the lab.
    pub at: Duration,
    /// Whether it is an acknowledgement.
    pub acknowledgement: bool,
    /// Who sent it.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// The Locators that it carries.
    pub locators: Vec<Locator>,
}

impl Update {
    /// Whose Locators it carries: the sender of an update, and who is answered by an
    /// acknowledgement.
    pub fn sender(&self) -> Nid {
        let address = if self.acknowledgement {
            self.destination
        } else {
            self.source
        };
        IlVector::from(address).nid
    }
}

/// Reads the Locator Updates out of a capture.
///
/// # Errors
/// [`LabError::Io`] when the file cannot be read or is no capture. A packet that was cut off at the
/// end of the file is left out.
pub fn read(file: &Path, clock: Clock) -> Result<Vec<Update>, LabError> {
    let what = || format!("read {}", file.display());
    let open = File::open(file).doing(what)?;
    let mut reader = PcapReader::new(std::io::BufReader::new(open))
        .map_err(std::io::Error::other)
        .doing(what)?;
    let mut updates = vec![];
    while let Some(Ok(packet)) = reader.next_packet() {
        if let Some(update) = parse(&packet.data, clock.at_wall(packet.timestamp)) {
            updates.push(update);
        }
    }
    Ok(updates)
}

fn parse(frame: &[u8], at: Duration) -> Option<Update> {
    let frame = EthernetPacket::new(frame)?;
    let packet = Some(frame.payload()).filter(|_| frame.get_ethertype() == EtherTypes::Ipv6)?;
    let (headers, message) = icmpv6_message(packet)?;
    let update = LocatorUpdate::parse(message).ok()?;
    Some(Update {
        at,
        acknowledgement: update.operation() == Operation::Acknowledgement,
        source: headers.source,
        destination: headers.destination,
        locators: update.records().iter().map(|r| r.locator).collect(),
    })
}

/// The ICMPv6 message in an IPv6 packet, when it is one.
pub(crate) fn icmpv6_message(packet: &[u8]) -> Option<(Headers, &[u8])> {
    let headers = Headers::parse(packet).ok()?;
    let message = headers.upper_layer(packet);
    (headers.protocol == protocol::ICMPV6).then_some((headers, message))
}
