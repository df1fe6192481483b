//! One of the crowd.

use bytes::Bytes;
use ilnp_core::id::{IlVector, Locator, Nid};
use ilnp_core::wire::translate::{Outward, outward};
use ilnp_core::wire::transport::tcp_flags::{ACK, SYN};
use ilnp_core::wire::{
    Headers, LocatorUpdate, Nonce, Operation, Packet, Transport, build, protocol,
};

use crate::packets::{self, Segment};
use crate::scene::handle;

const PORT: u16 = 40_000;
const SEQUENCE: u32 = 1_000_000;
const LOCATOR_UPDATE: u8 = 156;

/// A correspondent of the host.
pub(super) struct Peer {
    nid: Nid,
    nonce: Nonce,
    /// The host's identifier, and the first of its Locators.
    host: IlVector,
    port: u16,
    /// The Nonce that the host sends, from its answer to the first SYN on.
    nonce_of_host: Option<Nonce>,
    /// What the host's last Locator Update said, best first.
    locators: Vec<Locator>,
}

impl Peer {
    pub(super) fn new(nid: Nid, host: IlVector, port: u16) -> Self {
        let nonce: [u8; 12] = rand::random();
        Self {
            nid,
            nonce: Nonce::from_slice(&nonce).expect("twelve octets"),
            host,
            port,
            nonce_of_host: None,
            locators: vec![host.locator],
        }
    }

    pub(super) const fn is_met(&self) -> bool {
        self.nonce_of_host.is_some()
    }

    /// Whether the host said that `locator` is its best.
    pub(super) fn knows(&self, locator: Locator) -> bool {
        self.locators.first() == Some(&locator)
    }

    /// The SYN, from this correspondent's Locator.
    pub(super) fn hello(&self, locator: Locator) -> Option<Bytes> {
        self.segment(locator, SEQUENCE, 0, SYN)
    }

    /// What this correspondent answers to a packet.
    pub(super) fn hear(
        &mut self,
        headers: &Headers,
        octets: &[u8],
        locator: Locator,
    ) -> Option<Bytes> {
        let nonce = headers.nonce.as_ref()?.nonce;
        if self.nonce_of_host.is_some_and(|known| known != nonce) {
            return None;
        }
        match headers.transport(octets) {
            Transport::Tcp {
                sequence,
                acknowledgement,
                flags,
                ..
            } if flags & (SYN | ACK) == SYN | ACK && acknowledgement == SEQUENCE + 1 => {
                self.nonce_of_host = Some(nonce);
                self.segment(locator, SEQUENCE + 1, sequence.wrapping_add(1), ACK)
            }
            Transport::Icmp {
                kind: LOCATOR_UPDATE,
                ..
            } if self.is_met() => self.acknowledge(headers, headers.upper_layer(octets), locator),
            _ => None,
        }
    }

    fn acknowledge(
        &mut self,
        headers: &Headers,
        message: &[u8],
        locator: Locator,
    ) -> Option<Bytes> {
        let update = LocatorUpdate::parse(message).ok()?;
        if headers.protocol != protocol::ICMPV6 || update.operation() != Operation::Advertisement {
            return None;
        }
        let mut records = update.records().to_vec();
        records.sort_by_key(|record| record.preference);
        self.locators = records.iter().map(|record| record.locator).collect();
        let source = IlVector::new(self.nid, locator);
        let destination = headers.source_vector();
        let answer = update
            .acknowledgement()
            .emit(source.address(), destination.address());
        Some(build::icmpv6(source, destination, &self.nonce, &answer).octets)
    }

    fn segment(
        &self,
        locator: Locator,
        sequence: u32,
        acknowledgement: u32,
        flags: u8,
    ) -> Option<Bytes> {
        let segment = Segment {
            ports: (PORT, self.port),
            sequence,
            acknowledgement,
            flags,
        };
        let way = Outward {
            source: locator,
            destination: *self.locators.first()?,
            nonce: self.nonce,
        };
        let (source, destination) = (handle(self.nid), handle(self.host.nid));
        let octets = packets::tcp(source, destination, &segment);
        let packet = packets::ipv6(source, destination, protocol::TCP, &octets);
        let packet = Packet::new(packet);
        Some(outward(&packet, &way).ok()?.octets)
    }
}
