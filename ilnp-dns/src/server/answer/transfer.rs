//! Transfers of zones, whole (RFC 5936) and incremental (RFC 1995).

use std::sync::Arc;

use super::{Responder, Transport, Verdict};
use crate::message::{Message, Rcode};
use crate::record::{Record, RecordType};
use crate::server::zones::Serving;
use crate::zone::{Change, Serial, Zone, serial_of_soa};

/// About how many octets a message of a transfer has.
const MESSAGE: usize = 16 * 1024;

/// A transfer that is allowed.
#[derive(Debug)]
pub(crate) struct Transfer {
    zone: Arc<Zone>,
    /// What led to it from the version that the secondary server has; `None` for all records.
    changes: Option<Vec<Arc<Change>>>,
    responder: Responder,
}

/// Judges a request for a transfer.
pub(super) fn accept(
    serving: &Serving,
    request: &Message,
    mut responder: Responder,
    transport: Transport,
) -> Verdict {
    let question = &request.questions[0];
    let Some(served) = serving.zones.get(&question.name) else {
        return Verdict::Reply(responder.reply(Rcode::NOTAUTH));
    };
    let key = responder.signer.as_ref().map(|signer| signer.key().name());
    let allowed = served.transfer_key.as_ref().map(|key| key.name());
    if allowed.is_none() || key != allowed {
        let key = key.map(ToString::to_string);
        tracing::info!(zone = %question.name, ?key, "refused a transfer");
        return Verdict::Reply(responder.reply(Rcode::REFUSED));
    }
    let zone = Arc::clone(&served.data.snapshot());
    responder.response.authoritative = true;
    if question.rtype == RecordType::AXFR {
        return match transport {
            Transport::Tcp => whole(zone, responder),
            // RFC 5936 §4.2: not defined.
            Transport::Udp => Verdict::Reply(responder.reply(Rcode::FORMERR)),
        };
    }
    let Some(has) = serial_in(request) else {
        return Verdict::Reply(responder.reply(Rcode::FORMERR));
    };
    // RFC 1995 §2: the SOA record alone says that there is nothing new, or that TCP is needed.
    if transport == Transport::Udp || !zone.serial().is_newer_than(has) {
        responder.response.answers = vec![zone.soa()];
        return Verdict::Reply(responder.finish());
    }
    match served.data.changes_since(has) {
        Some((zone, changes)) => Verdict::Transfer(Box::new(Transfer {
            zone,
            changes: Some(changes),
            responder,
        })),
        None => whole(zone, responder),
    }
}

fn whole(zone: Arc<Zone>, responder: Responder) -> Verdict {
    Verdict::Transfer(Box::new(Transfer {
        zone,
        changes: None,
        responder,
    }))
}

/// The version that whoever asks for an incremental transfer has.
fn serial_in(request: &Message) -> Option<Serial> {
    let soa = request.authorities.first()?;
    (soa.rtype == RecordType::SOA).then(|| serial_of_soa(&soa.rdata))?
}

impl Transfer {
    /// Gives message after message to `send`, as long as that takes them.
    pub(crate) fn send(self, mut send: impl FnMut(Vec<u8>) -> bool) {
        let Self {
            zone,
            changes,
            mut responder,
        } = self;
        let mut records: Box<dyn Iterator<Item = Record> + '_> = match &changes {
            Some(changes) => Box::new(incremental(&zone, changes)),
            None => Box::new(zone.records().chain([zone.soa()])),
        };
        let mut next = records.next();
        while let Some(first) = next {
            next = fill(&mut responder.response.answers, first, &mut records);
            if !send(responder.emit(usize::from(u16::MAX))) {
                return;
            }
            responder.response.answers.clear();
            // RFC 5936 §2.2.1: later messages need none.
            responder.response.questions.clear();
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
