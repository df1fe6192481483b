//! Everything about a move but the move: the checks of both sites, and what it would take.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::orders::{Offered, Order, Readiness, Say};
use super::plan::MoveOrder;
use super::{Shared, arriving, hypervisors};
use crate::channel::Connection;
use crate::custody::Standing;
use crate::hypervisor::{Description, Storage};
use crate::report::SCHEMA;
use crate::site::Site;

/// How long the other site may take for an answer: it may have to read a whole base image.
const ANSWER: Duration = Duration::from_secs(120);

/// What a move would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of which guest.
    pub guest: String,
    /// From where.
    pub from: Site,
    /// To where.
    pub to: Site,
    /// Octets of memory, at most: what a guest never wrote does not travel.
    pub memory: u64,
    /// Octets of disks, about.
    pub disks: u64,
    /// A round trip to the other agent and back, in milliseconds.
    pub round_trip_ms: f64,
    /// How long copying takes at the bandwidth that was asked for, in seconds; none without one.
    pub copy_s: Option<f64>,
}

impl Trial {
    pub(super) fn new(
        (from, to): (Site, Site),
        description: &Description,
        order: &MoveOrder,
        round_trip: Duration,
    ) -> Self {
        let disks = description.disks.iter().map(|disk| match order.storage {
            Storage::None => 0,
            Storage::Delta => disk.delta,
            Storage::Full => disk.whole,
        });
        let disks = disks.sum();
        let octets = description.memory.saturating_add(disks);
        Self {
            schema: SCHEMA,
            guest: description.name.clone(),
            from,
            to,
            memory: description.memory,
            disks,
            round_trip_ms: round_trip.as_secs_f64() * 1e3,
            copy_s: order
                .bandwidth
                .map(|bandwidth| as_f64(octets) / as_f64(bandwidth)),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate of seconds needs no 64 bits"
)]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// At the target: whether a guest could go on here. Nothing is changed.
pub(super) async fn check(
    shared: &Shared,
    guest: &str,
    offered: &Offered,
) -> Result<Readiness, String> {
    let config = shared.config();
    let site = &config.site;
    let Some(settings) = config.guest(guest) else {
        return Err(format!(
            "site {site} has no guest {guest:?} in its configuration"
        ));
    };
    let standing = shared.guest(guest).and_then(|handle| handle.record());
    match standing.map(|record| record.standing) {
        None | Some(Standing::None | Standing::Released { .. } | Standing::Discarded { .. }) => {}
        Some(Standing::Mine { .. }) => return Err(format!("the guest is at site {site} already")),
        Some(Standing::HandedOver { .. } | Standing::Incoming { .. }) => {
            return Err(format!(
                "another relocation of the guest goes on at site {site}"
            ));
        }
    }
    let mut target = hypervisors::target(settings).map_err(|error| error.to_string())?;
    let checked = arriving::check(target.as_mut(), offered, &config.run_dir).await;
    Ok(Readiness {
        network: shared.network(),
        proofs: checked.map_err(|error| error.to_string())?,
    })
}

/// At the source: asks the other site whether a guest could go on there. Returns the round trip, and
/// what it answers.
pub(super) async fn ask(
    connection: &Connection,
    guest: &str,
    offered: Offered,
) -> Result<(Duration, Readiness), String> {
    let round_trip = round_trip(connection, guest).await?;
    match exchange(connection, guest, Say::Check(Box::new(offered))).await? {
        Say::Checked(Ok(ready)) => Ok((round_trip, *ready)),
        Say::Checked(Err(refusal)) => Err(format!("site {} refuses: {refusal}", connection.peer())),
        _ => Err(unexpected(connection)),
    }
}

/// Asks the other site which part it has in a guest.
pub(super) async fn standing(connection: &Connection, guest: &str) -> Result<Standing, String> {
    match exchange(connection, guest, Say::Query).await? {
        Say::Standing { standing, .. } => Ok(standing),
        _ => Err(unexpected(connection)),
    }
}

async fn round_trip(connection: &Connection, guest: &str) -> Result<Duration, String> {
    let begun = Instant::now();
    standing(connection, guest).await?;
    Ok(begun.elapsed())
}

async fn exchange(connection: &Connection, guest: &str, say: Say) -> Result<Say, String> {
    let guest = guest.to_owned();
    let talk = async {
        connection.send(&Order { guest, say }).await?;
        connection.receive::<Order>().await
    };
    match timeout(ANSWER, talk).await {
        Ok(Ok(answer)) => Ok(answer.say),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "site {} does not answer within {} s",
            connection.peer(),
            ANSWER.as_secs()
        )),
    }
}

fn unexpected(connection: &Connection) -> String {
    format!(
        "site {} answers something else than it was asked: are both agents of the same version?",
        connection.peer()
    )
}
