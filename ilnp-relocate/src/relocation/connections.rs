//! Reads what other sites say, and brings it to the guests that it is about.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::Shared;
use super::guest::Request;
use super::orders::{Details, Order, Say};
use crate::channel::{ChannelError, Connection};
use crate::custody::{Kind, Message};
use crate::report::Told;
use crate::site::Site;

/// A connection with its number in this run of the agent.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) connection: Connection,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            connection,
        }
    }

    pub(super) fn peer(&self) -> &Site {
        self.connection.peer()
    }

    /// Ends the connection, after the orders that wait. Who reads its orders keeps it open otherwise.
    pub(super) fn close(self) {
        tokio::spawn(async move { self.connection.close().await });
    }

    /// Says something about a guest. What cannot be sent is lost, as it may be on its way.
    pub(super) async fn say(&self, guest: &str, say: Say) {
        let guest = guest.to_owned();
        if let Err(error) = self.connection.send(&Order { guest, say }).await {
            tracing::debug!(%error, "an order is lost");
        }
    }
}

/// Something that another site says about one guest.
#[derive(Debug)]
pub(super) enum Heard {
    /// About its custody.
    Custody(Message, Details),
    /// The guest told something after its move.
    Told(Told),
}

/// Reads the orders of a connection until it is gone. A connection that was dialled belongs to a
/// guest from the beginning.
pub(super) async fn read(shared: Arc<Shared>, link: Link, guest: Option<String>) {
    let mut guests = BTreeSet::from_iter(guest);
    // Nobody waits for their answers once the connection is gone.
    let mut checks = JoinSet::new();
    let gone = loop {
        match link.connection.receive::<Order>().await {
            Ok(order) => {
                guests.insert(order.guest.clone());
                while checks.try_join_next().is_some() {}
                dispatch(&shared, &link, order, &mut checks).await;
            }
            Err(error @ ChannelError::Unreadable { .. }) => tracing::warn!("{error}"),
            Err(error) => break error,
        }
    };
    for guest in guests {
        if let Some(handle) = shared.guest(&guest) {
            handle
                .tell(Request::Lost(link.clone(), gone.to_string()))
                .await;
        }
    }
}

async fn dispatch(
    shared: &Arc<Shared>,
    link: &Link,
    Order { guest, say }: Order,
    checks: &mut JoinSet<()>,
) {
    let heard = match say {
        Say::Query => return query(shared, link, &guest).await,
        Say::Check(offered) => {
            let (shared, link) = (shared.clone(), link.clone());
            checks.spawn(async move {
                let checked = super::trial::check(&shared, &guest, &offered).await;
                link.say(&guest, Say::Checked(checked.map(Box::new))).await;
            });
            return;
        }
        Say::Custody { message, details } => Heard::Custody(message, details),
        Say::Told(told) => Heard::Told(told),
        Say::Checked(_) | Say::Standing { .. } => {
            tracing::warn!(guest, site = %link.peer(), "an answer to nothing");
            return;
        }
    };
    match (shared.guest(&guest), heard) {
        (Some(handle), heard) => handle.tell(Request::Heard(link.clone(), heard)).await,
        (None, Heard::Custody(message, _)) => decline_unknown(shared, link, &guest, message).await,
        (None, Heard::Told(_)) => {}
    }
}

async fn query(shared: &Shared, link: &Link, guest: &str) {
    let standing = match shared.guest(guest) {
        Some(handle) => Ok(handle.record()),
        // What is not configured may be on record all the same.
        None => shared
            .journal
            .read(guest)
            .map(|entry| entry.map(|entry| entry.record)),
    };
    match standing {
        Ok(record) => {
            let record = record.unwrap_or_default();
            let (epoch, standing) = (record.epoch, record.standing);
            link.say(guest, Say::Standing { epoch, standing }).await;
        }
        // Who asked takes silence for "perhaps".
        Err(error) => tracing::error!(guest, "{error}"),
    }
}

/// A guest that is not configured here is not taken; whatever else is said of it is not answered,
/// for nobody looks after its record.
async fn decline_unknown(shared: &Shared, link: &Link, guest: &str, message: Message) {
    let site = &shared.config().site;
    let reason = format!("site {site} has no guest {guest:?} in its configuration");
    tracing::warn!(from = %link.peer(), relocation = %message.relocation, "{reason}");
    if message.kind == Kind::Offer {
        let message = Message {
            kind: Kind::Declined,
            ..message
        };
        let details = Details::reason(&reason);
        link.say(guest, Say::Custody { message, details }).await;
    }
}
