//! The frames of a capture, and what they say of where packets went.

use std::fs::File;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use ilnp_core::id::{IlVector, Locator, Nid};
use ilnp_core::wire::headers::Headers;
use pcap_file::TsResolution;
use pcap_file::pcap::PcapReader;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};

use crate::clock::Clock;
use crate::error::{Doing, LabError};

/// Shows each frame of a capture with its time to `look`.
///
/// # Errors
/// [`LabError::Io`] when the file cannot be read or is no capture. A packet that was cut off at the
/// end of the file is left out.
pub(crate) fn for_each(
    file: &Path,
    clock: Clock,
    mut look: impl FnMut(Duration, &[u8]),
) -> Result<(), LabError> {
    let what = || format!("read {}", file.display());
    let open = File::open(file).doing(what)?;
    let mut reader = PcapReader::new(std::io::BufReader::new(open))
        .map_err(std::io::Error::other)
        .doing(what)?;
    let resolution = reader.header().ts_resolution;
    // The reader's own packets refuse what the capture cut off at its snapshot length.
    while let Some(Ok(packet)) = reader.next_raw_packet() {
        let fraction = match resolution {
            TsResolution::MicroSecond => packet.ts_frac.saturating_mul(1000),
            TsResolution::NanoSecond => packet.ts_frac,
        };
        let wall = Duration::new(packet.ts_sec.into(), fraction);
        look(clock.at_wall(wall), &packet.data);
    }
    Ok(())
}

/// The headers of the IPv6 packet in an Ethernet frame, with the packet.
pub(crate) fn ipv6(frame: &[u8]) -> Option<(Headers, &[u8])> {
    let is_ipv6 = EthernetPacket::new(frame)?.get_ethertype() == EtherTypes::Ipv6;
    let packet = frame.get(EthernetPacket::minimum_packet_size()..)?;
    let headers = is_ipv6.then(|| Headers::parse(packet).ok())?;
    Some((headers?, packet))
}

/// When the first packet came from an address, at `from` or later.
///
/// # Errors
/// As [`for_each`].
pub(crate) fn first_from(
    address: Ipv6Addr,
    file: &Path,
    clock: Clock,
    from: Duration,
) -> Result<Option<Duration>, LabError> {
    let mut first = None;
    for_each(file, clock, |at, frame| {
        let is_first = first.is_none() && at >= from;
        if is_first && ipv6(frame).is_some_and(|(headers, _)| headers.source == address) {
            first = Some(at);
        }
    })?;
    Ok(first)
}

/// Where the first ILNP packet to a node went that was sent at `from` or later: its Locator.
///
/// # Errors
/// As [`for_each`].
pub(crate) fn first_locator_of(
    nid: Nid,
    file: &Path,
    clock: Clock,
    from: Duration,
) -> Result<Option<(Duration, Locator)>, LabError> {
    let mut first = None;
    for_each(file, clock, |at, frame| {
        if first.is_none() && at >= from {
            first = locator_of(nid, frame).map(|locator| (at, locator));
        }
    })?;
    Ok(first)
}

/// The Locator of a node in an ILNP packet for it.
fn locator_of(nid: Nid, frame: &[u8]) -> Option<Locator> {
    let (headers, _) = ipv6(frame)?;
    let to = IlVector::from(headers.destination);
    (headers.nonce.is_some() && to.nid == nid).then_some(to.locator)
}
