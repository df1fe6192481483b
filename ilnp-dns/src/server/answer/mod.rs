//! From the octets of a request to what is to be done about it.
//!
//! Queries are answered at once, on the thread that received them. Updates wait for the disk and
//! transfers for their reader: they are handed back.

mod query;
mod response;
mod transfer;
mod update;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::refusals;
use super::zones::Serving;
use crate::exchange::unix_now;
use crate::message::{Message, MessageError, Opcode, Rcode};
use crate::record::{Class, RecordType};
use crate::tsig::{self, Seal};
pub(super) use response::Response;
pub(super) use transfer::Transfer;
pub(super) use update::Update;

/// Who sent a request, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
}

/// How a request came, and so how large its answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// What is to be done about a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Send this.
    Reply(Box<Response>),
    /// Send nothing.
    Silence,
    /// Do this update, then answer.
    Update(Box<Update>),
    /// Send these messages.
    Transfer(Box<Transfer>),
}

/// Judges requests.
#[derive(Debug)]
pub(super) struct Answerer {
    pub(super) serving: ArcSwap<Serving>,
    /// With keys of its own, so that nobody can make two requests of the same digest.
    digests: RandomState,
}

impl Answerer {
    pub(super) fn new(serving: Serving) -> Self {
        Self {
            serving: ArcSwap::from_pointee(serving),
            digests: RandomState::new(),
        }
    }

    /// Says what is to be done about a request.
    pub(super) fn judge(&self, wire: &[u8], peer: Peer) -> Verdict {
        let request = match Message::from_wire(wire) {
            // Answers are not answered, or two servers could keep each other busy.
            Ok(request) if request.response => return Verdict::Silence,
            Ok(request) => request,
            Err(MessageError::Header(_)) => return Verdict::Silence,
            Err(_) => return refuse_unreadable(wire),
        };
        let serving = self.serving.load();
        let mut response = Response::new(&request, peer.transport);
        let find = |name: &_| serving.keys.get(name).map(Arc::clone);
        match tsig::verify_request(wire, find, unix_now()) {
            Ok(None) => {}
            Ok(Some(signer)) => response.seal = Seal::Signed(signer),
            Err(refused) => {
                refusals::log(peer, format_args!("a request: {refused}"));
                let response = response.with(refused.rcode());
                return reply(response.sealed(Seal::Refused(refused)));
            }
        }
        if request.edns.as_ref().is_some_and(|edns| edns.version != 0) {
            return reply(response.with(Rcode::BADVERS));
        }
        match request.opcode {
            Opcode::QUERY => query(&serving, &request, response, peer),
            Opcode::UPDATE => update::accept(
                &serving,
                request,
                self.digests.hash_one(wire),
                response,
                peer,
            ),
            _ => reply(response.with(Rcode::NOTIMP)),
        }
    }
}

/// Answers a query, or begins a transfer.
fn query(serving: &Serving, request: &Message, mut response: Response, peer: Peer) -> Verdict {
    let [question] = &*request.questions else {
        return reply(response.with(Rcode::FORMERR));
    };
    if question.class != Class::IN {
        return reply(response.with(Rcode::REFUSED));
    }
    match question.rtype {
        RecordType::AXFR | RecordType::IXFR => transfer::accept(serving, request, response, peer),
        _ => {
            query::answer(serving, question, &mut response.message);
            reply(response)
        }
    }
}

/// FORMERR for a message of which nothing but the header can be believed.
fn refuse_unreadable(wire: &[u8]) -> Verdict {
    let Some(&[id_high, id_low, flags, ..]) = wire.first_chunk::<12>() else {
        return Verdict::Silence;
    };
    if flags & 0x80 != 0 {
        return Verdict::Silence;
    }
    let id = u16::from_be_bytes([id_high, id_low]);
    reply(Response::unreadable(id, Opcode(flags >> 3 & 0xf)))
}

fn reply(response: Response) -> Verdict {
    Verdict::Reply(Box::new(response))
}
