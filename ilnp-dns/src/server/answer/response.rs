//! Responses: what they repeat of the request, how long they may be, and their signature.

use std::mem;

use super::Transport;
use crate::exchange::unix_now;
use crate::message::{Edns, Message, Opcode, Rcode};
use crate::tsig::Seal;

/// The largest UDP message that is sent: no path fragments it (RFC 9715 §3.2).
const MAX_UDP: u16 = 1232;
/// The largest UDP message that every requestor takes (RFC 1035 §4.2.1).
const MIN_UDP: u16 = 512;

/// A response, in the making or ready.
#[derive(Debug)]
pub(crate) struct Response {
    /// What it says: at first with the identifier and the question of the request.
    pub(crate) message: Message,
    /// How it is sealed.
    pub(crate) seal: Seal,
    limit: u16,
}

impl Response {
    pub(super) fn new(request: &Message, transport: Transport) -> Self {
        let mut message = Message::request(request.id, request.opcode);
        message.response = true;
        message.recursion_desired = request.recursion_desired;
        message.questions.clone_from(&request.questions);
        message.edns = request.edns.as_ref().map(|edns| Edns {
            version: 0,
            udp_payload: MAX_UDP,
            dnssec_ok: edns.dnssec_ok,
        });
        let payload = request.edns.as_ref().map_or(0, |edns| edns.udp_payload);
        Self {
            message,
            seal: Seal::Open,
            limit: match transport {
                Transport::Udp => payload.clamp(MIN_UDP, MAX_UDP),
                Transport::Tcp => u16::MAX,
            },
        }
    }

    /// FORMERR for a request of which nothing but these can be believed.
    pub(super) fn unreadable(id: u16, opcode: Opcode) -> Self {
        let request = Message::request(id, opcode);
        Self::new(&request, Transport::Udp).with(Rcode::FORMERR)
    }

    /// The response with this code.
    pub(crate) fn with(mut self, rcode: Rcode) -> Self {
        self.message.rcode = rcode;
        self
    }

    /// The response with this seal.
    pub(super) fn sealed(self, seal: Seal) -> Self {
        Self { seal, ..self }
    }

    /// A refusal of the request as one that was signed before others that are forgotten.
    pub(crate) fn too_old(self) -> Self {
        let mut response = self.with(Rcode::NOTAUTH);
        if let Seal::Signed(signer) = response.take_seal() {
            response.seal = Seal::Refused(signer.too_old(unix_now()));
        }
        response
    }

    /// The octets of the response.
    pub(crate) fn into_wire(mut self) -> Vec<u8> {
        let room = usize::from(self.limit) - self.seal.room().min(self.limit.into());
        let mut wire = self.message.to_wire(room);
        self.seal.apply(&mut wire, unix_now());
        wire
    }

    /// Takes the seal out, for the messages of a transfer.
    pub(super) fn take_seal(&mut self) -> Seal {
        mem::take(&mut self.seal)
    }
}
