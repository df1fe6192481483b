//! Transfers of zones, whole (RFC 5936) and incremental (RFC 1995).

use std::sync::Arc;

use super::{Peer, Response, Transport, Verdict, reply};
use crate::message::{Message, Rcode};
use crate::record::{Record, RecordType};
use crate::server::refusals;
use crate::server::zones::Serving;
use crate::tsig::Seal;
use crate::zone::{Change, Serial, Zone, serial_of_soa};

/// About how many octets a message of a transfer has.
const MESSAGE: usize = 16 * 1024;

/// A transfer that is allowed.
#[derive(Debug)]
pub(crate) struct Transfer {
    zone: Arc<Zone>,
    /// What led to it from the version that the secondary server has; `None` for all records.
    changes: Option<Vec<Arc<Change>>>,
    response: Response,
}

/// Judges a request for a transfer.
pub(super) fn accept(
    serving: &Serving,
    request: &Message,
    mut response: Response,
    peer: Peer,
) -> Verdict {
    let question = &request.questions[0];
    let Some(served) = serving.zones.get(&question.name) else {
        return reply(response.with(Rcode::NOTAUTH));
    };
    let key = response.seal.signer().map(|signer| signer.key().name());
    let allowed = served.transfer_key.as_ref().map(|key| key.name());
    if allowed.is_none() || key != allowed {
        let key = key.map_or_else(|| "no key".to_owned(), |key| format!("the key {key}"));
        refusals::log(
            peer,
            format_args!("a transfer of {} with {key}", question.name),
        );
        return reply(response.with(Rcode::REFUSED));
    }
    let zone = Arc::clone(&served.data.snapshot());
    response.message.authoritative = true;
    if question.rtype == RecordType::AXFR {
        return match peer.transport {
            Transport::Tcp => whole(zone, response),
            // RFC 5936 §4.2: not defined.
            Transport::Udp => reply(response.with(Rcode::FORMERR)),
        };
    }
    let Some(has) = serial_in(request) else {
        return reply(response.with(Rcode::FORMERR));
    };
    // RFC 1995 §2: the SOA record alone says that there is nothing new, or that TCP is needed.
    if peer.transport == Transport::Udp || !zone.serial().is_newer_than(has) {
        response.message.answers = vec![zone.soa()];
        return reply(response);
    }
    match served.data.changes_since(has) {
        Some((zone, changes)) => Verdict::Transfer(Box::new(Transfer {
            zone,
            changes: Some(changes),
            response,
        })),
        None => whole(zone, response),
    }
}

fn whole(zone: Arc<Zone>, response: Response) -> Verdict {
    Verdict::Transfer(Box::new(Transfer {
        zone,
        changes: None,
        response,
    }))
}

/// The version that whoever asks for an incremental transfer has.
fn serial_in(request: &Message) -> Option<Serial> {
    let soa = request.authorities.first()?;
    (soa.rtype == RecordType::SOA).then(|| serial_of_soa(&soa.rdata))?
}

impl Transfer {
    /// Takes out what seals all the messages.
    pub(crate) fn take_seal(&mut self) -> Seal {
        self.response.take_seal()
    }

    /// Gives message after message to `send`, as long as that takes them.
    pub(crate) fn send(self, mut send: impl FnMut(Message) -> bool) {
        let Self {
            zone,
            changes,
            response,
        } = self;
        let mut message = response.message;
        let mut records: Box<dyn Iterator<Item = Record> + '_> = match &changes {
            Some(changes) => Box::new(incremental(&zone, changes)),
            None => Box::new(zone.records().chain([zone.soa()])),
        };
        let mut next = records.next();
        while let Some(first) = next {
            let mut answers = Vec::new();
            next = fill(&mut answers, first, &mut records);
            let filled = Message {
                answers,
                ..message.clone()
            };
            if !send(filled) {
                return;
            }
            // RFC 5936 §2.2.1: later messages need none.
            message.questions.clear();
        }
    }
}

/// Takes records up to the length of a message; gives the first of the next one.
fn fill(
    answers: &mut Vec<Record>,
    first: Record,
    records: &mut dyn Iterator<Item = Record>,
) -> Option<Record> {
    let length = |record: &Record| record.name.wire().len() + 10 + record.rdata.len();
    let mut octets = length(&first);
    answers.push(first);
    for record in records {
        octets += length(&record);
        if octets > MESSAGE {
            return Some(record);
        }
        answers.push(record);
    }
    None
}

/// RFC 1995 §4: for each change what it removes and what it adds, each with its SOA record, in
/// front and behind the SOA record of now.
fn incremental<'a>(
    zone: &'a Zone,
    changes: &'a [Arc<Change>],
) -> impl Iterator<Item = Record> + 'a {
    let differences = changes.iter().flat_map(|change| {
        let removed = [&change.old_soa].into_iter().chain(&change.removed);
        removed.chain([&change.new_soa]).chain(&change.added)
    });
    let soa = || [zone.soa()].into_iter();
    soa().chain(differences.cloned()).chain(soa())
}
