//! Responses: what they repeat of the request, how long they may be, and their signature.

use super::Transport;
use crate::exchange::unix_now;
use crate::message::{Edns, Message, Rcode};
use crate::tsig::ResponseSigner;

/// The largest UDP message that is sent: no path fragments it (RFC 9715 §3.2).
const MAX_UDP: u16 = 1232;
/// The largest UDP message that every requestor takes (RFC 1035 §4.2.1).
const MIN_UDP: u16 = 512;

/// A response in the making.
#[derive(Debug)]
pub(crate) struct Responder {
    /// The response so far: with the identifier and the question of the request.
    pub(super) response: Message,
    /// Signs it, when the request was signed.
    pub(super) signer: Option<ResponseSigner>,
    limit: u16,
}

impl Responder {
    pub(super) fn new(request: &Message, transport: Transport) -> Self {
        let mut response = Message::request(request.id, request.opcode);
        response.response = true;
        response.recursion_desired = request.recursion_desired;
        response.questions.clone_from(&request.questions);
        response.edns = request.edns.as_ref().map(|edns| Edns {
            version: 0,
            udp_payload: MAX_UDP,
            dnssec_ok: edns.dnssec_ok,
        });
        let payload = request.edns.as_ref().map_or(0, |edns| edns.udp_payload);
        Self {
            response,
            signer: None,
            limit: match transport {
                Transport::Udp => payload.clamp(MIN_UDP, MAX_UDP),
                Transport::Tcp => u16::MAX,
            },
        }
    }

    /// A response of nothing but a code.
    pub(crate) fn reply(&mut self, rcode: Rcode) -> Vec<u8> {
        self.response.rcode = rcode;
        self.finish()
    }

    /// A refusal of the request as one that was signed before others that are forgotten.
    pub(crate) fn too_old(mut self) -> Vec<u8> {
        self.response.rcode = Rcode::NOTAUTH;
        let mut wire = self.response.to_wire(self.limit.into());
        if let Some(signer) = self.signer {
            signer.too_old(unix_now()).attach(&mut wire);
        }
        wire
    }

    /// The octets of the response.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.emit(self.limit.into())
    }

    /// The octets of the response, or of the next one of several, in at most `limit` octets.
    pub(super) fn emit(&mut self, limit: usize) -> Vec<u8> {
        let room = self.signer.as_ref().map_or(0, ResponseSigner::room);
        let mut wire = self.response.to_wire(limit - room.min(limit));
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut wire, unix_now());
        }
        wire
    }
}
