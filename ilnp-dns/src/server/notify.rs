//! Telling secondary servers that a zone changed (RFC 1996).
//!
//! One message at a time is on its way to each of them, so that a zone that changes a thousand
//! times a second is told of as often as the secondary server can take it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::zones::{Served, Serving};
use crate::exchange::{ExchangeError, exchange, exchange_signed, fresh_id};
use crate::message::{Message, Opcode, Question, Rcode};
use crate::record::RecordType;
use crate::zone::Serial;

/// How long the first message may stay unanswered; the double each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// After how many messages a secondary server is left to its own timers.
const TRIES: u32 = 8;

/// Tells the secondary servers of all zones of every change, until what is given is dropped.
pub(super) fn start(serving: &Serving) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for zone in serving.zones.values() {
        for &secondary in &zone.notify {
            tasks.spawn(keep_told(Arc::clone(zone), secondary));
        }
    }
    tasks
}

async fn keep_told(zone: Arc<Served>, secondary: SocketAddr) {
    let mut serial = zone.data.watch();
    loop {
        // Changes from here on are told of next; those before, made while this server was down
        // maybe, are told of now.
        serial.mark_unchanged();
        tell(&zone, secondary).await;
        if serial.changed().await.is_err() {
            return;
        }
    }
}

/// Sends a message until it is answered.
async fn tell(zone: &Served, secondary: SocketAddr) {
    for attempt in 0..TRIES {
        let wait = FIRST_WAIT * 2_u32.pow(attempt);
        let started = Instant::now();
        match send(zone, secondary, wait).await {
            Ok((serial, Rcode::NOERROR)) => {
                tracing::debug!(zone = %zone.data.origin, %secondary, %serial, "told");
                return;
            }
            Ok((_, rcode)) => {
                let zone = &zone.data.origin;
                tracing::warn!(%zone, %secondary, ?rcode, "the secondary server refuses NOTIFY");
                return;
            }
            Err(error) => tracing::debug!(%error, "NOTIFY was not answered"),
        }
        // An error may have come at once.
        sleep_until(started + wait).await;
    }
    let zone = &zone.data.origin;
    tracing::warn!(%zone, %secondary, "the secondary server does not answer NOTIFY: it will find changes at its next refresh");
}

/// Sends one message; how it was answered.
async fn send(
    zone: &Served,
    secondary: SocketAddr,
    wait: Duration,
) -> Result<(Serial, Rcode), ExchangeError> {
    let (serial, message) = message(zone);
    let answer = match &zone.transfer_key {
        Some(key) => exchange_signed(secondary, &message, key, wait).await?,
        None => {
            let octets = exchange(secondary, &message.to_wire(usize::from(u16::MAX)), wait).await?;
            Message::from_wire(&octets).map_err(|source| ExchangeError::Malformed {
                server: secondary,
                source,
            })?
        }
    };
    Ok((serial, answer.rcode))
}

/// The SOA record of now goes with it, which spares the secondary server a needless transfer
/// (RFC 1996 §3.7).
fn message(zone: &Served) -> (Serial, Message) {
    let snapshot = zone.data.snapshot();
    let mut message = Message::request(fresh_id(), Opcode::NOTIFY);
    message.authoritative = true;
    message.questions.push(Question {
        name: zone.data.origin.clone(),
        rtype: RecordType::SOA,
        class: snapshot.class(),
    });
    message.answers.push(snapshot.soa());
    (snapshot.serial(), message)
}
