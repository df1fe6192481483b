//! From a request's octets to those of its response.

use core::pin::pin;
use core::time::Duration;
use std::sync::Arc;

use ilnp_core::id::{Handle, IlVector};
use tokio::time::timeout;

use super::{Config, Correspondents, Ipv4, Known, Learnt, synthesis};
use crate::exchange::Transport;
use crate::message::{Message, Rcode};
use crate::name::Name;
use crate::raw::{self, Raw, Unsound};
use crate::record::{Class, Record, RecordType};
use crate::resolve::{Found, Query, Records, Resolver, reverse};

/// For how long the daemon may take. Its answer comes from memory.
const DAEMON: Duration = Duration::from_secs(1);
/// For how long the classic answer is waited for when the correspondent is found: it only adds
/// the aliases of the name.
const CLASSIC: Duration = Duration::from_millis(300);
/// For how long the SOA record for an empty answer is looked for; an answer without one is not
/// kept by caches.
const SOA: Duration = Duration::from_millis(200);
/// For how long the name of a node that is known by its packets is looked for.
const MEETING: Duration = Duration::from_secs(1);
/// How many of its Locators are tried for that.
const MEETING_PLACES: usize = 2;
/// Octets of a UDP response to a request without EDNS (RFC 1035 §4.2.1).
const PLAIN_UDP: u16 = 512;

/// See the [module](self).
pub(super) struct Responder<C> {
    pub(super) config: Config,
    pub(super) resolver: Resolver,
    pub(super) correspondents: Arc<C>,
}

impl<C: Correspondents> Responder<C> {
    /// The response; `None` for what must not be answered.
    pub(super) async fn respond(&self, request: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let raw = match Raw::read_request(request) {
            Ok(raw) => raw,
            Err(Unsound::Unanswerable) => return None,
            Err(Unsound::Answer(rcode)) => return Some(raw::refusal(request, rcode)),
        };
        let message = Message::from_wire(request).ok();
        let response = match message.as_ref().filter(|message| is_plain(message)) {
            // A transfer has many messages, and is no business of a stub resolver.
            _ if matches!(raw.question.rtype, RecordType::AXFR | RecordType::IXFR) => None,
            Some(message) => self.answer(message, request, transport).await,
            None => self.resolver.pass(request, transport).await,
        };
        Some(match response {
            Some(response) => fitted(response, message.as_ref(), transport),
            None => failure(&raw, request, message.as_ref()),
        })
    }

    /// The response to a request that might be for a correspondent. `None` when no upstream has
    /// one.
    async fn answer(
        &self,
        request: &Message,
        octets: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let question = request.questions.first()?;
        if let Some(address) = reverse::address(&question.name)
            && let Some(handle) = self.config.handle_prefix.handle(address)
        {
            let name = self.name_of(handle).await;
            let prefix = IlVector::from(address).locator;
            let response = synthesis::pointer(request, prefix, name.as_ref());
            return Some(response.to_wire(limit(Some(request), transport)));
        }
        let host = match question.rtype {
            RecordType::AAAA => true,
            RecordType::A => self.config.ipv4 == Ipv4::Hide,
            _ => false,
        };
        if !host || !self.correspondents.attached() {
            return self.resolver.pass(octets, transport).await;
        }
        let (classic, records) = self.both(&question.name, octets, transport).await;
        let own = self.host(request, classic.as_deref(), &records).await;
        own.map_or(classic, |own| {
            Some(own.to_wire(limit(Some(request), transport)))
        })
    }

    /// What the upstreams reply to the application's own query, and the name's ILNP records: both
    /// asked for at once, and neither waited for much longer than the other.
    async fn both(
        &self,
        name: &Name,
        octets: &[u8],
        transport: Transport,
    ) -> (Option<Vec<u8>>, Records) {
        let mut progress = self.resolver.begin(name);
        let mut classic = pin!(self.resolver.pass(octets, transport));
        tokio::select! {
            biased;
            records = progress.done() => {
                let classic = match records.found() {
                    Some(_) => timeout(CLASSIC, classic).await.unwrap_or_default(),
                    None => classic.await,
                };
                (classic, records)
            }
            reply = &mut classic => {
                let records = match reply {
                    Some(_) => self.resolver.settle(progress).await,
                    None => progress.so_far(),
                };
                (reply, records)
            }
        }
    }

    /// The response for a host that speaks ILNP, once the daemon has learnt of it; `None` when the
    /// classic answer holds.
    async fn host(
        &self,
        request: &Message,
        classic: Option<&[u8]>,
        records: &Records,
    ) -> Option<Message> {
        let found = records.found()?;
        let classic = classic.and_then(|octets| Message::from_wire(octets).ok());
        if validates(request) && classic.as_ref().is_some_and(is_signed) {
            tracing::debug!(name = %found.name, "a signed answer passes to an application that validates");
            return None;
        }
        let ttl = found.ttl;
        let handle = self.learn(found).await?;
        let question = request.questions.first()?;
        if question.rtype == RecordType::AAAA {
            let address = self.config.handle_prefix.address(handle);
            return Some(synthesis::handle(request, classic.as_ref(), address, ttl));
        }
        let is_empty = |reply: &Message| reply.rcode == Rcode::NOERROR && reply.answers.is_empty();
        if classic.as_ref().is_some_and(is_empty) {
            return None;
        }
        // Also where there is no such answer: failure of this question could keep an application
        // from the answer to the other.
        let soa = timeout(SOA, self.soa(&question.name)).await.ok().flatten();
        Some(synthesis::hidden(request, classic.as_ref(), soa, ttl))
    }

    /// Tells the daemon of a correspondent before the application hears of it.
    async fn learn(&self, found: Found) -> Option<Handle> {
        let name = found.name.clone();
        match timeout(DAEMON, self.correspondents.learn(found)).await {
            Ok(Learnt::Handle(handle)) => Some(handle),
            Ok(Learnt::Classic) => None,
            Err(_elapsed) => {
                tracing::warn!(%name, "the daemon did not take in a correspondent in time: its classic answer passes");
                None
            }
        }
    }

    /// The SOA record of the zone that a name is in.
    async fn soa(&self, name: &Name) -> Option<Record> {
        let query = Query {
            name: name.clone(),
            rtype: RecordType::SOA,
        };
        let reply = self.resolver.query(&query).await?;
        let mut records = reply.answers.into_iter().chain(reply.authorities);
        records.find(|record| record.rtype == RecordType::SOA)
    }

    /// The name of a handle: the one that led to it, or one that the reverse zone knows and that
    /// leads back to it.
    async fn name_of(&self, handle: Handle) -> Option<Name> {
        let known = timeout(DAEMON, self.correspondents.known(handle)).await;
        let Known { name, locators } = known.ok()??;
        if name.is_some() {
            return name;
        }
        let meet = async {
            for locator in locators.into_iter().take(MEETING_PLACES) {
                let vector = IlVector::new(handle.nid, locator);
                if let Some(found) = self.resolver.name_of(vector).await {
                    let name = found.name.clone();
                    return (self.learn(found).await == Some(handle)).then_some(name);
                }
            }
            None
        };
        timeout(MEETING, meet).await.ok().flatten()
    }
}

/// Whether a request is understood in full: one question of the Internet class, and EDNS as it is
/// known. Others pass unread.
fn is_plain(request: &Message) -> bool {
    let mut questions = request.questions.iter();
    let internet = questions.all(|question| question.class == Class::IN);
    internet && request.edns.as_ref().is_none_or(|edns| edns.version == 0)
}

/// Whether an application asks for signatures, to check them: a handle has none, and would be taken
/// for a forgery where there should be one. (RFC 6147 §5.5 goes by CD, too, but `delv` and others
/// validate without it.)
fn validates(request: &Message) -> bool {
    request.edns.as_ref().is_some_and(|edns| edns.dnssec_ok)
}

fn is_signed(reply: &Message) -> bool {
    let mut records = reply.answers.iter().chain(&reply.authorities);
    records.any(|record| record.rtype == RecordType::RRSIG)
}

/// What is told when no upstream replies, and for what is not passed on.
fn failure(raw: &Raw<'_>, request: &[u8], message: Option<&Message>) -> Vec<u8> {
    let rcode = match raw.question.rtype {
        RecordType::AXFR | RecordType::IXFR => Rcode::REFUSED,
        _ => Rcode::SERVFAIL,
    };
    match message {
        Some(message) => synthesis::response(message, rcode).to_wire(PLAIN_UDP.into()),
        None => raw::refusal(request, rcode),
    }
}

/// A response that is no longer than the application can take.
fn fitted(response: Vec<u8>, request: Option<&Message>, transport: Transport) -> Vec<u8> {
    if response.len() <= limit(request, transport) {
        return response;
    }
    raw::cut(&response).unwrap_or(response)
}

/// How many octets a response may have.
fn limit(request: Option<&Message>, transport: Transport) -> usize {
    let payload = request.and_then(|request| request.edns.as_ref());
    match transport {
        Transport::Tcp => u16::MAX.into(),
        Transport::Udp => {
            let payload = payload.map_or(PLAIN_UDP, |edns| edns.udp_payload);
            payload.max(PLAIN_UDP).into()
        }
    }
}
