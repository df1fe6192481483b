//! Locator Updates and their acknowledgements in a capture.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use ilnp_core::id::{IlVector, Locator, Nid};
use ilnp_core::wire::headers::Headers;
use ilnp_core::wire::locator_update::{LocatorUpdate, Operation};
use ilnp_core::wire::protocol;
use serde::Serialize;

use super::frames;
use crate::clock::Clock;
use crate::error::LabError;

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
/// [`LabError::Io`] when the file cannot be read or is no capture.
pub fn read(file: &Path, clock: Clock) -> Result<Vec<Update>, LabError> {
    let mut updates = vec![];
    frames::for_each(file, clock, |at, frame| updates.extend(parse(frame, at)))?;
    Ok(updates)
}

fn parse(frame: &[u8], at: Duration) -> Option<Update> {
    let (headers, update) = locator_update(frame)?;
    Some(Update {
        at,
        acknowledgement: update.operation() == Operation::Acknowledgement,
        source: headers.source,
        destination: headers.destination,
        locators: update.records().iter().map(|r| r.locator).collect(),
    })
}

/// The Locator Update or acknowledgement in an Ethernet frame, when there is one.
pub(crate) fn locator_update(frame: &[u8]) -> Option<(Headers, LocatorUpdate)> {
    let (headers, packet) = frames::ipv6(frame)?;
    let message = (headers.protocol == protocol::ICMPV6).then(|| headers.upper_layer(packet))?;
    let update = LocatorUpdate::parse(message).ok()?;
    Some((headers, update))
}

#[cfg(test)]
mod tests {
    use super::*;

    use ilnp_core::id::{Lifetime, Preference};
    use ilnp_core::wire::locator_update::Record;
    use ilnp_core::wire::{Nonce, build};
    use pcap_file::TsResolution;
    use pcap_file::pcap::{PcapHeader, PcapWriter, RawPcapPacket};

    const MOBILE: Nid = Nid::from_bits(0x0214_4fff_fe20_ee64);
    const FIXED: Nid = Nid::from_bits(0x0216_6fff_fe22_ee66);

    fn frame(update: &LocatorUpdate, nonce: &Nonce, source: Nid, destination: Nid) -> Vec<u8> {
        let vector = |nid| IlVector::new(nid, Locator::from_bits(0x2001_0db8_000b_0000));
        let (source, destination) = (vector(source), vector(destination));
        let message = update.emit(source.address(), destination.address());
        let packet = build::icmpv6(source, destination, nonce, &message);
        let ethernet = [[2; 12].as_slice(), &[0x86, 0xdd], &packet.octets];
        ethernet.concat()
    }

    fn captured(frame: &[u8], seconds: u32, cut_off: u32) -> RawPcapPacket<'_> {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        RawPcapPacket {
            ts_sec: seconds,
            ts_frac: 5,
            incl_len: length,
            orig_len: length + cut_off,
            data: frame.into(),
        }
    }

    #[test]
    fn finds_updates_among_packets_that_were_cut_off() {
        let locator = Locator::from_bits(0x2001_0db8_000b_0000);
        let update = LocatorUpdate::advertisement(vec![Record {
            locator,
            preference: Preference(10),
            lifetime: Lifetime::from_secs_clamped(300),
        }])
        .unwrap();
        let nonce = Nonce::from_slice(&[7; 12]).unwrap();
        let frames = [
            frame(&update, &nonce, MOBILE, FIXED),
            frame(&update.acknowledgement(), &nonce, FIXED, MOBILE),
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        let header = PcapHeader {
            snaplen: 256,
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        let mut writer = PcapWriter::with_header(file.reopen().unwrap(), header).unwrap();
        let long = [0; 256];
        writer.write_raw_packet(&captured(&long, 1, 1244)).unwrap();
        for (seconds, frame) in (2..).zip(&frames) {
            let packet = captured(frame, seconds, 0);
            writer.write_raw_packet(&packet).unwrap();
        }
        let updates = read(file.path(), Clock::start()).unwrap();
        let seen: Vec<_> = updates
            .iter()
            .map(|u| (u.acknowledgement, u.sender()))
            .collect();
        assert_eq!(seen, [(false, MOBILE), (true, MOBILE)]);
        assert_eq!(updates[0].locators, [locator]);
    }
}
