//! Updates (RFC 2136): what can be said before the zone is looked at.

use std::sync::Arc;

use super::{Peer, Response, Verdict, reply};
use crate::message::{Message, Rcode};
use crate::name::Name;
use crate::server::writer::Fingerprint;
use crate::server::zones::{Served, Serving};

/// An update that the writer is to do.
#[derive(Debug)]
pub(crate) struct Update {
    /// The zone that it is for.
    pub(crate) zone: Arc<Served>,
    /// The request.
    pub(crate) message: Message,
    /// The key whose signature was checked.
    pub(crate) key: Option<Name>,
    /// Tells it from others that the key signed.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Who sent it.
    pub(crate) peer: Peer,
    /// Answers it.
    pub(crate) response: Response,
}

/// Hands on an update for a zone that is served here.
pub(super) fn accept(
    serving: &Serving,
    message: Message,
    digest: u64,
    response: Response,
    peer: Peer,
) -> Verdict {
    let [zone] = &*message.questions else {
        return reply(response.with(Rcode::FORMERR));
    };
    // RFC 2136 §3.1.2: the zone itself, not one above.
    let Some(served) = serving.zones.get(&zone.name) else {
        return reply(response.with(Rcode::NOTAUTH));
    };
    let signer = response.seal.signer();
    Verdict::Update(Box::new(Update {
        zone: Arc::clone(served),
        message,
        key: signer.map(|signer| signer.key().name().clone()),
        fingerprint: signer.map(|signer| Fingerprint {
            signed: signer.time_signed(),
            digest,
        }),
        peer,
        response,
    }))
}
