//! The question that proves a return path.
//!
//! A challenge is an Echo Request with 64 random bits. It carries our Nonce, so it is the packet
//! that RFC 6741 §13.1 wants a receiver of one-way traffic to send, and every ILNP node answers it
//! without knowing what it is for. Only somebody at the Locator that was asked can know the bits:
//! the Nonce of the answer is the correspondent's.
//!
//! It is sent when a packet with an unproved Nonce arrives, except for a TCP SYN, whose handshake
//! proves the path by itself, and except for the second in which a kernel's own answer to what we
//! sent is due; when a correspondent has not answered for a second; and when an
//! established one is silent. It is repeated only when there is cause again, and ever less often:
//! two nodes cannot play ping-pong with it.

use rand::Rng;

use super::Node;
use crate::id::{IlVector, Locator};
use crate::ilcc::Id;
use crate::ilcc::entry::Challenge;
use crate::time::Instant;
use crate::wire::{Headers, Packet, build, icmpv6};

/// The longest time between two challenges is the shortest one times this.
const LONGEST: u32 = 64;

impl Node {
    /// Asks for an answer from this Locator, unless that was done a short time ago.
    pub(super) fn challenge(&mut self, now: Instant, id: Id, locator: Locator) {
        let shortest = self.config.timers.challenge;
        let token = self.random.next_u64();
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let asked = entry.challenge.get_or_insert_with(|| {
            Box::new(Challenge {
                token,
                sent: now,
                tries: 0,
                refused: false,
            })
        });
        let doubled = 1u32.checked_shl(asked.tries.saturating_sub(1));
        let wait = shortest * doubled.unwrap_or(LONGEST).min(LONGEST);
        if asked.tries > 0 && now - asked.sent < wait {
            return;
        }
        if now - asked.sent > shortest * LONGEST * 2 {
            asked.tries = 0;
        }
        asked.sent = now;
        asked.tries = asked.tries.saturating_add(1);
        self.repeat_challenge(id, locator);
    }

    /// Sends the challenge of a correspondent, if there is one, to this Locator.
    pub(super) fn repeat_challenge(&mut self, id: Id, locator: Locator) {
        let entry = self.table.get(id);
        let Some(asked) = entry.and_then(|entry| entry.challenge.as_ref()) else {
            return;
        };
        let token = asked.token.to_be_bytes();
        let [a, b, c, d, ..] = token;
        let numbers = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        self.send_echo_request(id, locator, numbers, &token);
    }

    /// Sends an Echo Request of our own with this identifier and sequence number.
    pub(super) fn send_echo_request(
        &mut self,
        id: Id,
        locator: Locator,
        (identifier, sequence): (u16, u16),
        data: &[u8],
    ) {
        let Some(entry) = self.table.get(id) else {
            return;
        };
        let Some(source) = self.local.preferred() else {
            return;
        };
        let source = IlVector::new(self.config.nid, source);
        let destination = IlVector::new(entry.handle.nid, locator);
        let message = icmpv6::echo_request(
            source.address(),
            destination.address(),
            identifier,
            sequence,
            data,
        );
        let packet = build::icmpv6(source, destination, &entry.nonces.out(), &message);
        self.outputs.transmit.push_back(packet);
    }

    /// When a challenge was sent that was sent only once.
    pub(super) fn challenged_at(&self, id: Id) -> Option<Instant> {
        let asked = self.table.get(id)?.challenge.as_ref()?;
        (asked.tries == 1).then_some(asked.sent)
    }

    /// The correspondent with the packet's identifier whose challenge it answers.
    pub(super) fn challenged(&self, packet: &Packet, headers: &Headers) -> Option<Id> {
        let message = headers.upper_layer(&packet.octets);
        let (&[kind, ..], data) = message.split_first_chunk::<{ icmpv6::HEADER }>()?;
        if kind != icmpv6::ECHO_REPLY || headers.protocol != crate::wire::protocol::ICMPV6 {
            return None;
        }
        let token = u64::from_be_bytes(data.try_into().ok()?);
        self.table.find_where(headers.source_vector().nid, |entry| {
            let challenge = entry.challenge.as_ref();
            challenge.is_some_and(|challenge| challenge.token == token)
        })
    }
}
