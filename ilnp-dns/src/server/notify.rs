//! Telling secondary servers that a zone changed (RFC 1996).
//!
//! One message at a time is on its way to each of them, so that a zone that changes a thousand
//! times a second is told of as often as the secondary server can take it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::zones::{Served, Serving};
use crate::exchange::{ExchangeError, exchange, exchange_signed, fresh_id};
use crate::message::{Message, Opcode, Question, Rcode};
use crate::record::RecordType;
use crate::zone::Serial;

/// How long the first message may stay unanswered; the double each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long the first message may stay unanswered when there is a newer one to send; the double
/// each time.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// After how many unanswered messages a secondary server is left to its own timers.
const TRIES: u32 = 7;

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
    let mut unanswered = 0;
    loop {
        // At the start, too: it may have missed changes while this server was down.
        unanswered = tell(&zone, secondary, &mut serial, unanswered).await;
        if serial.changed().await.is_err() {
            return;
        }
    }
}

/// Sends messages until one is answered, a newer one at once when the zone changes; says how many
/// were not answered.
async fn tell(
    zone: &Served,
    secondary: SocketAddr,
    serial: &mut watch::Receiver<Serial>,
    mut unanswered: u32,
) -> u32 {
    loop {
        serial.mark_unchanged();
        let sent = Instant::now();
        let wait = FIRST_WAIT * 2_u32.pow(unanswered);
        let answered = async {
            let answered = is_answered(zone, secondary, wait).await;
            if !answered {
                // An error may have come at once.
                sleep_until(sent + wait).await;
            }
            answered
        };
        let newer = async {
            // Without an end: the zone is there as long as this runs.
            let _changed = serial.changed().await;
            sleep_until(sent + SHORTEST_WAIT * 2_u32.pow(unanswered)).await;
        };
        let is_newer = tokio::select! {
            answered = answered => {
                if answered {
                    return 0;
                }
                false
            }
            () = newer => true,
        };
        if unanswered < TRIES {
            unanswered += 1;
        } else if !is_newer {
            let zone = &zone.data.origin;
            tracing::warn!(%zone, %secondary, "the secondary server does not answer NOTIFY: it will find changes at its next refresh");
            return unanswered;
        }
    }
}

/// Sends one message; whether it was answered.
async fn is_answered(zone: &Served, secondary: SocketAddr, wait: Duration) -> bool {
    let origin = &zone.data.origin;
    match send(zone, secondary, wait).await {
        Ok((serial, Rcode::NOERROR)) => {
            tracing::debug!(zone = %origin, %secondary, %serial, "told");
            true
        }
        Ok((_, rcode)) => {
            tracing::warn!(zone = %origin, %secondary, ?rcode, "the secondary server refuses NOTIFY");
            true
        }
        Err(error) => {
            tracing::debug!(%error, "NOTIFY was not answered");
            false
        }
    }
}

/// Sends one message; the version that it tells, and how it was answered.
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
