//! Packets: right ones, nearly right ones, and noise. The same ones for the same seed.

use std::net::Ipv6Addr;

use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator, Nid};
use ilnp_core::wire::build;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tests::packets;

use crate::reference::{Peer, World, frame};

const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;

/// Makes packets for a data path.
pub(crate) struct Generator<'a> {
    world: &'a World,
    random: Xoshiro256PlusPlus,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(world: &'a World, seed: u64) -> Self {
        Self {
            world,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// A packet that leaves through the ILNP interface.
    pub(crate) fn outbound(&mut self) -> Vec<u8> {
        let source = self.handle(Handle::new(self.world.nid));
        let peer = self.peer();
        let destination = self.handle(peer.handle);
        let (protocol, upper) = self.upper();
        let packet = packets::ipv6(source, destination, protocol, &upper);
        self.spoil(packet, 0)
    }

    /// A frame that comes from a link.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        let packet = match self.random.random_range(0..20) {
            0..=11 => self.inbound(),
            12 => self.multicast(),
            13..=15 => self.message(),
            16 | 17 => self.classic(),
            _ => self.plain(),
        };
        let frame = frame(&packet);
        self.spoil(frame, 14)
    }

    /// A packet that the daemon writes.
    pub(crate) fn injected(&mut self) -> Vec<u8> {
        let packet = if self.one_in(3) {
            self.plain()
        } else if self.one_in(4) {
            let peer = self.peer();
            let own = self.handle(Handle::new(self.world.nid));
            let remote = self.handle(peer.handle);
            build::no_route((own, 22), (remote, 1000)).octets.to_vec()
        } else {
            let source = self.own();
            let destination = self.remote();
            let (protocol, upper) = self.upper();
            packets::ipv6(source, destination, protocol, &upper)
        };
        self.spoil(packet, 0)
    }

    /// A frame that leaves through a physical interface.
    pub(crate) fn leaving(&mut self) -> Vec<u8> {
        let source = self.own();
        let peer = self.peer();
        let destination = if self.one_in(3) {
            self.handle(peer.handle)
        } else {
            self.remote()
        };
        let (protocol, upper) = self.upper();
        let frame = frame(&packets::ipv6(source, destination, protocol, &upper));
        self.spoil(frame, 14)
    }

    /// A packet of an ILNP session, or nearly so.
    fn inbound(&mut self) -> Vec<u8> {
        let peer = self.peer();
        let locator = if self.one_in(10) {
            self.locator()
        } else {
            self.pick(&peer.locators)
        };
        let nid = if self.one_in(20) {
            self.nid()
        } else {
            peer.handle.nid
        };
        let source = IlVector::new(nid, locator).address();
        let destination = self.own();
        let (protocol, upper) = self.upper();
        let options = self.options(&peer, protocol, &upper);
        packets::ipv6(source, destination, DESTINATION_OPTIONS, &options)
    }

    fn options(&mut self, peer: &Peer, protocol: u8, upper: &[u8]) -> Vec<u8> {
        let right = peer.nonce_in.as_slice().to_vec();
        let wrong = self.octets(12);
        let odd_length = self.random.random_range(0..16);
        let odd = self.octets(odd_length);
        match self.random.random_range(0..16) {
            0 => packets::nonces(&[&wrong], protocol, upper),
            1 => packets::nonces(&[&odd], protocol, upper),
            2 => packets::nonces(&[&right, &right], protocol, upper),
            3 => packets::nonces(&[], protocol, upper),
            4 => {
                let inner = packets::nonces(&[&right], protocol, upper);
                packets::nonces(&[&right], DESTINATION_OPTIONS, &inner)
            }
            5 => {
                // A Nonce with padding in front of it.
                let mut header = vec![protocol, 0, 1, 0];
                header.extend(packets::nonces(&[&right], 0, &[]).split_off(2));
                header.resize(header.len().next_multiple_of(8), 0);
                header[1] = u8::try_from(header.len() / 8 - 1).expect("a short header");
                header.extend_from_slice(upper);
                header
            }
            _ => packets::nonces(&[&right], protocol, upper),
        }
    }

    fn multicast(&mut self) -> Vec<u8> {
        let peer = self.peer();
        let source = IlVector::new(peer.handle.nid, peer.locators[0]).address();
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let (protocol, upper) = self.upper();
        let options = self.options(&peer, protocol, &upper);
        packets::ipv6(source, group, DESTINATION_OPTIONS, &options)
    }

    /// An ICMPv6 message: a Locator Update, or an error about a packet of ours or of others.
    fn message(&mut self) -> Vec<u8> {
        let kind = self.pick(&[1, 2, 3, 4, 5, 0, 128, 129, 135, 156]);
        let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        let quoted = match self.random.random_range(0..4) {
            0 => self.plain(),
            1 => {
                let flow = self.pick(&self.world.classic);
                let mut upper = self.octets(12);
                upper[..2].copy_from_slice(&flow.local_port.to_be_bytes());
                upper[2..4].copy_from_slice(&flow.remote_port.to_be_bytes());
                packets::ipv6(flow.local, flow.remote, flow.protocol, &upper)
            }
            _ => {
                let (source, destination) = (self.own(), self.remote());
                let nonce = self.peer().nonce_out;
                let options = packets::nonces(&[nonce.as_slice()], UDP, &[0; 8]);
                packets::ipv6(source, destination, DESTINATION_OPTIONS, &options)
            }
        };
        message.extend(quoted);
        let source = self.remote();
        let destination = self.own();
        packets::ipv6(source, destination, ICMPV6, &message)
    }

    /// A packet of a flow that fell back, or nearly so.
    fn classic(&mut self) -> Vec<u8> {
        let flow = self.pick(&self.world.classic);
        let mut upper = self.octets(20);
        if flow.protocol == ICMPV6 {
            upper[0] = self.pick(&[128, 129]);
            upper[4..6].copy_from_slice(&flow.local_port.to_be_bytes());
        } else {
            upper[..2].copy_from_slice(&flow.remote_port.to_be_bytes());
            upper[2..4].copy_from_slice(&flow.local_port.to_be_bytes());
        }
        packets::ipv6(flow.remote, flow.local, flow.protocol, &upper)
    }

    fn plain(&mut self) -> Vec<u8> {
        let source = self.remote();
        let destination = self.own();
        let (protocol, upper) = self.upper();
        packets::ipv6(source, destination, protocol, &upper)
    }

    /// What stands behind the addresses and the Nonce.
    fn upper(&mut self) -> (u8, Vec<u8>) {
        let length = self.random.random_range(0..300);
        let mut octets = self.octets(length);
        let protocol = self.pick(&[
            TCP, TCP, UDP, UDP, ICMPV6, ICMPV6, FRAGMENT, FRAGMENT, 0, 43, 50, 51, 59, 60, 132, 139,
        ]);
        let kind = self.pick(&[128, 129, 128, 129, 1, 2, 135, 156]);
        match (protocol, octets.as_mut_slice()) {
            (ICMPV6, [first, ..]) => *first = kind,
            (FRAGMENT, [next, _, high, low, _, _, _, _, rest @ ..]) => {
                *next = self.pick(&[UDP, TCP, ICMPV6, ICMPV6, 44, 60, 59, 0, 132]);
                if self.one_in(2) {
                    [*high, *low] = [0, 1];
                }
                if let (ICMPV6, [first, ..]) = (*next, rest) {
                    *first = kind;
                }
            }
            (43 | 60 | 0, [next, units, ..]) => [*next, *units] = [UDP, 0],
            _ => {}
        }
        (protocol, octets)
    }

    /// Leaves most packets as they are; others lose their end or get wrong octets, from `from` on
    /// so that they are still recognised as IPv6. The kernel tries no program out on less than 14
    /// octets, or on a frame with less than an IPv6 header.
    fn spoil(&mut self, mut packet: Vec<u8>, from: usize) -> Vec<u8> {
        match self.random.random_range(0..12) {
            0 => {
                let least = if from == 0 { 14 } else { from + 40 };
                packet.truncate(self.random.random_range(least..=packet.len().max(least)));
            }
            1 => {
                let trailer = self.random.random_range(1..20);
                packet.extend(self.octets(trailer));
            }
            2 | 3 => {
                for _ in 0..self.random.random_range(1..4) {
                    let at = self
                        .random
                        .random_range(from..(from + 90).min(packet.len()));
                    packet[at] = self.random.random();
                }
            }
            _ => {}
        }
        packet
    }

    fn handle(&mut self, handle: Handle) -> Ipv6Addr {
        let handle = match self.random.random_range(0..30) {
            0 => Handle {
                nid: self.nid(),
                ..handle
            },
            1 => Handle {
                alias: self.random.random_range(0..4),
                ..handle
            },
            2 => return self.remote(),
            _ => handle,
        };
        HandlePrefix::DEFAULT.address(handle)
    }

    fn own(&mut self) -> Ipv6Addr {
        let slot = self.pick(&self.world.slots);
        let locator = if self.one_in(15) {
            self.locator()
        } else {
            slot.locator
        };
        let nid = if self.one_in(15) {
            self.nid()
        } else {
            self.world.nid
        };
        IlVector::new(nid, locator).address()
    }

    fn remote(&mut self) -> Ipv6Addr {
        let locator = self.locator();
        IlVector::new(self.nid(), locator).address()
    }

    fn locator(&mut self) -> Locator {
        if self.one_in(20) {
            return HandlePrefix::DEFAULT.alias(self.random.random_range(0..4));
        }
        Locator::from_bits(0x2001_0db8_0000_0000 | self.random.random::<u64>() & 0xffff)
    }

    fn nid(&mut self) -> Nid {
        Nid::from_random(self.random.random())
    }

    fn peer(&mut self) -> Peer {
        let at = self.random.random_range(0..self.world.peers.len());
        self.world.peers[at].clone()
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.random_range(0..choices.len())]
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.random.random()).collect()
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.random.random_range(0..n) == 0
    }
}
