//! What must become of a packet, by `ilnp_core::wire` and the rules of the fast path.

use std::net::Ipv6Addr;

use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator, Nid};
use ilnp_core::node::ClassicFlow;
use ilnp_core::wire::headers::Headers;
use ilnp_core::wire::translate::{self, Inward, Outward};
use ilnp_core::wire::{Nonce, Packet};
use ilnp_hostd::datapath::Verdict;

pub(crate) const ETHERNET: usize = 14;
const IPV6: usize = 40;
const MULTICAST: u8 = 0xff;

const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const NO_NEXT: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;

/// A counter of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Count {
    TranslatedOut,
    TranslatedIn,
    ToDaemon,
    Injected,
    Drop(DropReason),
}

/// What must become of a packet.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) verdict: Verdict,
    pub(crate) octets: Vec<u8>,
    pub(crate) counts: Vec<Count>,
}

impl Expected {
    fn new(verdict: Verdict, octets: &[u8], count: Option<Count>) -> Self {
        Self {
            verdict,
            octets: octets.to_vec(),
            counts: count.into_iter().collect(),
        }
    }

    fn pass(octets: &[u8]) -> Self {
        Self::new(Verdict::Pass, octets, None)
    }

    fn drop(reason: DropReason) -> Self {
        Self::new(Verdict::Drop, &[], Some(Count::Drop(reason)))
    }

    fn to_daemon(octets: &[u8]) -> Self {
        Self::new(Verdict::Redirect, octets, Some(Count::ToDaemon))
    }
}

/// A correspondent in the tables.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) handle: Handle,
    pub(crate) slot: u8,
    pub(crate) nonce_out: Nonce,
    pub(crate) nonce_in: Nonce,
    pub(crate) locators: Vec<Locator>,
}

/// A slot in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) index: u8,
    pub(crate) locator: Locator,
    pub(crate) planned: bool,
}

/// What the tables hold.
pub(crate) struct World {
    pub(crate) nid: Nid,
    pub(crate) slots: Vec<Source>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) classic: Vec<ClassicFlow>,
}

impl World {
    pub(crate) fn new() -> Self {
        let nid = Nid::from_bits(0x0214_4fff_fe20_ee64);
        let locator = |bits: u64| Locator::from_bits(0x2001_0db8_0000_0000 | bits);
        let peer = |bits: u64, alias: u8, slot: u8, length: usize, count: u64| Peer {
            handle: Handle {
                nid: Nid::from_bits(0x0216_6fff_fe22_0000 | bits),
                alias,
            },
            slot,
            nonce_out: nonce(0x10 + bits, length),
            nonce_in: nonce(0x80 + bits + u64::from(alias), length),
            locators: (0..count).map(|n| locator(0xb000 + bits + n)).collect(),
        };
        let source = |index, bits, planned| Source {
            index,
            locator: locator(bits),
            planned,
        };
        let own = IlVector::new(nid, locator(0xa)).address();
        let remote: Ipv6Addr = "2001:db8:cc::5".parse().expect("an address");
        let flow = |protocol, remote_port, local_port| ClassicFlow {
            remote,
            local: own,
            protocol,
            remote_port,
            local_port,
        };
        Self {
            nid,
            slots: vec![
                source(0, 0xa, false),
                source(1, 0xa, false),
                source(2, 0xd, false),
                source(3, 0xe, true),
            ],
            peers: vec![
                peer(1, 0, 0, 12, 1),
                peer(2, 0, 0, 4, 3),
                peer(3, 0, 2, 12, 8),
                // The same identifier at another place, and a slot that holds nothing.
                peer(3, 2, 0, 4, 2),
                peer(4, 0, 9, 12, 1),
            ],
            classic: vec![
                flow(TCP, 443, 50_000),
                flow(UDP, 53, 40_000),
                flow(ICMPV6, 0, 7),
            ],
        }
    }

    fn slot(&self, index: u8) -> Option<Locator> {
        self.slots
            .iter()
            .find(|slot| slot.index == index)
            .map(|slot| slot.locator)
    }

    fn is_own(&self, locator: Locator) -> bool {
        self.slots.iter().any(|slot| slot.locator == locator)
    }

    /// Egress of the ILNP interface.
    pub(crate) fn out(&self, packet: &[u8]) -> Expected {
        let Some((source, destination)) = addresses(packet) else {
            return Expected::pass(packet);
        };
        let Some(handle) = HandlePrefix::DEFAULT.handle(destination) else {
            return Expected::pass(packet);
        };
        self.translated_out(packet, source, handle)
            .unwrap_or_else(|| {
                // It goes on into the TUN device.
                Expected::new(Verdict::Pass, packet, Some(Count::ToDaemon))
            })
    }

    fn translated_out(&self, packet: &[u8], source: Ipv6Addr, handle: Handle) -> Option<Expected> {
        let own = HandlePrefix::DEFAULT.handle(source)? == Handle::new(self.nid);
        let peer = self
            .peers
            .iter()
            .find(|peer| peer.handle == handle && own)?;
        let outward = Outward {
            source: self.slot(peer.slot)?,
            destination: peer.locators[0],
            nonce: peer.nonce_out,
        };
        let headers = Headers::parse(packet).ok()?;
        if headers.end != packet.len() || !is_fast(&headers, packet, IPV6) {
            return None;
        }
        let translated = translate::outward(&Packet::new(packet.to_vec()), &outward).ok()?;
        let octets = [&[0; ETHERNET], &*translated.octets].concat();
        let count = Some(Count::TranslatedOut);
        Some(Expected::new(Verdict::Redirect, &octets, count))
    }

    /// Ingress of an interface with a Locator.
    pub(crate) fn incoming(&mut self, frame: &[u8]) -> Expected {
        let Some((packet, source, destination)) = ipv6(frame) else {
            return Expected::pass(frame);
        };
        if is_handle(source) || is_handle(destination) {
            return Expected::drop(DropReason::HandleOnWire);
        }
        let protocol = packet[6];
        if destination.octets()[0] == MULTICAST {
            return if protocol == DESTINATION_OPTIONS && has_nonce(packet).is_some() {
                Expected::drop(DropReason::NonceToMulticast)
            } else {
                Expected::pass(frame)
            };
        }
        let to_us = IlVector::from(destination).nid == self.nid;
        let concerns_us = match protocol {
            DESTINATION_OPTIONS if to_us => {
                let translated = self.translated_in(frame, packet);
                return translated.unwrap_or_else(|| Expected::to_daemon(frame));
            }
            HOP_BY_HOP | ROUTING => to_us,
            FRAGMENT => {
                to_us
                    && packet
                        .get(IPV6..IPV6 + 8)
                        .is_some_and(|h| h[0] == DESTINATION_OPTIONS)
            }
            ICMPV6 => self.message_concerns_us(packet, to_us) || self.is_classic(packet, false),
            _ => self.is_classic(packet, false),
        };
        if concerns_us {
            Expected::to_daemon(frame)
        } else {
            Expected::pass(frame)
        }
    }

    fn translated_in(&mut self, frame: &[u8], packet: &[u8]) -> Option<Expected> {
        let headers = Headers::parse(packet).ok()?;
        let found = headers.nonce.as_ref()?;
        let length = found.nonce.as_slice().len() + 4;
        // The only header that needs no daemon is as small as it can be.
        if found.header != (IPV6..IPV6 + length) {
            return None;
        }
        let source = headers.source_vector();
        let peer = self
            .peers
            .iter()
            .find(|peer| peer.handle.nid == source.nid && peer.nonce_in == found.nonce)?;
        let known = peer.locators.contains(&source.locator);
        let ours = self.is_own(headers.destination_vector().locator);
        if !known || !ours || !is_fast(&headers, packet, IPV6 + length) {
            return None;
        }
        let inward = Inward {
            source: HandlePrefix::DEFAULT.alias(peer.handle.alias),
            destination: HandlePrefix::DEFAULT.locator(),
        };
        let translated =
            translate::inward(&Packet::new(packet.to_vec()), &headers, &inward).ok()?;
        let trailer = packet.get(headers.end..)?;
        let octets = [&frame[..ETHERNET], &*translated.octets, trailer].concat();
        self.note_arrival(headers.destination_vector().locator);
        let count = Some(Count::TranslatedIn);
        Some(Expected::new(Verdict::Redirect, &octets, count))
    }

    /// The first packet to a planned Locator makes it the preferred one.
    fn note_arrival(&mut self, locator: Locator) {
        for slot in &mut self.slots {
            if slot.locator == locator && std::mem::take(&mut slot.planned) {
                self.slots[0].locator = locator;
                return;
            }
        }
    }

    fn message_concerns_us(&self, packet: &[u8], to_us: bool) -> bool {
        match packet.get(IPV6) {
            Some(156) => to_us,
            Some(1..=4) => packet.get(IPV6 + 8..).is_some_and(|quoted| {
                quoted.len() >= IPV6
                    && if quoted[6] == DESTINATION_OPTIONS {
                        quoted[16..24] == self.nid.octets()
                    } else {
                        self.is_classic(quoted, true)
                    }
            }),
            _ => false,
        }
    }

    fn is_classic(&self, packet: &[u8], ours_is_source: bool) -> bool {
        let Some(&[a, b, c, d, e, f, _, _]) = packet.get(IPV6..IPV6 + 8) else {
            return false;
        };
        let [source, destination] = [8, 24].map(|at| address(packet, at));
        let first = u16::from_be_bytes([a, b]);
        let second = u16::from_be_bytes([c, d]);
        let (local, remote, local_port, remote_port) = if ours_is_source {
            (source, destination, first, second)
        } else {
            (destination, source, second, first)
        };
        let protocol = packet[6];
        let (local_port, remote_port) = match protocol {
            ICMPV6 if a == if ours_is_source { 128 } else { 129 } => {
                (u16::from_be_bytes([e, f]), 0)
            }
            TCP | UDP => (local_port, remote_port),
            _ => return false,
        };
        self.classic.contains(&ClassicFlow {
            remote,
            local,
            protocol,
            remote_port,
            local_port,
        })
    }

    /// Ingress of the ILNP interface. What the daemon would tell a connection ends there when the
    /// connection does not wait, and here there are none.
    pub(crate) fn inject(&self, packet: &[u8]) -> Expected {
        let source = addresses(packet).map(|(source, _)| IlVector::from(source));
        let own = source.filter(|source| source.nid == self.nid);
        match own.map(|source| source.locator) {
            Some(locator) if self.is_own(locator) => {
                let octets = [&[0; ETHERNET], packet].concat();
                Expected::new(Verdict::Redirect, &octets, Some(Count::Injected))
            }
            Some(locator) if locator == HandlePrefix::DEFAULT.locator() => {
                Expected::new(Verdict::Drop, &[], None)
            }
            _ => Expected::pass(packet),
        }
    }

    /// Egress of an interface with a Locator.
    pub(crate) fn guard(&self, frame: &[u8]) -> Expected {
        let leaks = frame.get(12..14) == Some(&[0x86, 0xdd])
            && frame.len() >= ETHERNET + IPV6
            && [22, 38].iter().any(|&at| is_handle(address(frame, at)));
        if leaks {
            Expected::drop(DropReason::HandleOnWire)
        } else {
            Expected::pass(frame)
        }
    }
}

/// Whether the upper layer, or a Fragment header before it, starts at `at` and needs no daemon.
fn is_fast(headers: &Headers, packet: &[u8], at: usize) -> bool {
    let starts = match &headers.fragment {
        Some(fragment) => fragment.header.start == at && headers.upper == at + 8,
        None => headers.upper == at,
    };
    let upper = packet.get(headers.upper..).unwrap_or_default();
    starts
        && match headers.protocol {
            HOP_BY_HOP | ROUTING | FRAGMENT | NO_NEXT | DESTINATION_OPTIONS => false,
            ICMPV6 => {
                headers.fragment.is_none() && upper.len() >= 8 && matches!(upper[0], 128 | 129)
            }
            _ => true,
        }
}

/// Whether a Destination Options header behind the IPv6 header has a Nonce, whatever is wrong with
/// the packet otherwise: none may go to a group.
fn has_nonce(packet: &[u8]) -> Option<()> {
    const MOST_OPTIONS: usize = 32;
    let header = packet.get(IPV6..)?;
    let end = 8 + 8 * usize::from(*header.get(1)?);
    let mut at = 2;
    for _ in 0..MOST_OPTIONS {
        match *header.get(at..at + 2)? {
            _ if at >= end => return None,
            [0x8b, _] => return Some(()),
            [0, _] => at += 1,
            [_, length] => at += 2 + usize::from(length),
            _ => return None,
        }
    }
    None
}

fn is_handle(address: Ipv6Addr) -> bool {
    HandlePrefix::DEFAULT.handle(address).is_some()
}

fn address(octets: &[u8], at: usize) -> Ipv6Addr {
    let octets: [u8; 16] = octets[at..at + 16].try_into().expect("16 octets");
    octets.into()
}

fn addresses(packet: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let complete = packet.len() >= IPV6 && packet[0] >> 4 == 6;
    complete.then(|| (address(packet, 8), address(packet, 24)))
}

fn ipv6(frame: &[u8]) -> Option<(&[u8], Ipv6Addr, Ipv6Addr)> {
    let packet = frame.get(ETHERNET..)?;
    let (source, destination) = addresses(packet)?;
    (frame[12..14] == [0x86, 0xdd]).then_some((packet, source, destination))
}

fn nonce(seed: u64, length: usize) -> Nonce {
    let octets: Vec<u8> = (0..length)
        .map(|n| u8::try_from((seed * 31 + n as u64 * 7) % 251).expect("below 251"))
        .collect();
    Nonce::from_slice(&octets).expect("4 or 12 octets")
}

/// A frame of a flow that the daemon translates.
pub(crate) fn classic_frame(flow: &ClassicFlow) -> Vec<u8> {
    let mut upper = [
        flow.remote_port.to_be_bytes(),
        flow.local_port.to_be_bytes(),
    ]
    .concat();
    upper.resize(20, 0);
    let packet = tests::packets::ipv6(flow.remote, flow.local, flow.protocol, &upper);
    frame(&packet)
}

/// A packet as it comes from a link.
pub(crate) fn frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd]);
    frame.extend_from_slice(packet);
    frame
}
