//! What a node has to say, until it is polled.

use std::collections::VecDeque;

use pnet_packet::ipv6::Ipv6Packet;

use super::bucket::{Bucket, Rate};
use super::{DatapathUpdate, DnsRequest, Event};
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::wire::{Headers, Packet};

/// Queues of outputs, and the counters.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) transmit: VecDeque<Packet>,
    pub(super) deliver: VecDeque<Packet>,
    pub(super) datapath: VecDeque<DatapathUpdate>,
    pub(super) dns: VecDeque<DnsRequest>,
    pub(super) events: VecDeque<Event>,
    dropped: [u64; DropReason::ALL.len()],
    security: Bucket,
    security_rate: Rate,
}

impl Outputs {
    pub(super) fn new(security_rate: Rate) -> Self {
        Self {
            transmit: VecDeque::new(),
            deliver: VecDeque::new(),
            datapath: VecDeque::new(),
            dns: VecDeque::new(),
            events: VecDeque::new(),
            dropped: [0; DropReason::ALL.len()],
            security: Bucket::default(),
            security_rate,
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Counts a dropped packet.
    pub(super) fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(usize::from(reason.code())) {
            *count += 1;
        }
    }

    /// Counts a dropped packet that an operator may want to hear of, and reports it at a limited
    /// rate (RFC 6741 §11.1).
    pub(super) fn security(
        &mut self,
        now: Instant,
        reason: DropReason,
        packet: &Packet,
        headers: &Headers,
    ) {
        self.drop(reason);
        if self.security.take(now, self.security_rate) {
            self.event(Event::Security {
                reason,
                source: headers.source_vector(),
                destination: headers.destination_vector(),
                protocol: headers.protocol,
                ports: headers.transport(&packet.octets).ports(),
            });
        }
    }

    /// Counts a packet whose headers cannot be read. More than one Nonce is a failed authentication
    /// (RFC 6744 §2) and reported.
    pub(super) fn unreadable(&mut self, now: Instant, reason: DropReason, packet: &Packet) {
        self.drop(reason);
        let Some(header) = Ipv6Packet::new(&packet.octets) else {
            return;
        };
        let reported = reason == DropReason::NonceRepeated;
        if reported && self.security.take(now, self.security_rate) {
            self.event(Event::Security {
                reason,
                source: header.get_source().into(),
                destination: header.get_destination().into(),
                protocol: header.get_next_header().0,
                ports: None,
            });
        }
    }

    /// How many packets were dropped, by reason.
    pub(super) fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().copied().zip(self.dropped)
    }
}
