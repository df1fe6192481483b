//! What is published, for whoever asks.

use std::net::SocketAddr;
use std::time::Instant;

use super::problem::Problem;
use super::records::{Publication, Whereabouts};
use crate::name::Name;

/// How publishing stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// Each primary, in the order of [`Publication::primaries`].
    pub primaries: Vec<PrimaryStatus>,
}

/// How publishing stands at one primary. Neither [`Self::confirmed`] nor [`Self::trying`]: nothing
/// was to be published yet.
#[derive(Clone, Debug)]
pub struct PrimaryStatus {
    /// The server.
    pub address: SocketAddr,
    /// The zone of the name, as far as it is known.
    pub zone: Option<Name>,
    /// What it confirmed last; still there while something newer is being tried.
    pub confirmed: Option<Confirmed>,
    /// What goes on if that is not what should be published.
    pub trying: Option<Trying>,
}

/// What a primary has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// What it published.
    pub host: Whereabouts,
    /// Since when this is known.
    pub since: Instant,
}

/// Tries that have not succeeded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trying {
    /// Since when what should be published is not confirmed.
    pub since: Instant,
    /// Failed tries with the present set.
    pub failures: u32,
    /// Why the last one failed.
    pub problem: Option<Problem>,
}

impl Status {
    /// Before anything was tried.
    pub fn new(publication: &Publication) -> Self {
        let primaries = publication.primaries.iter();
        let primaries = primaries.map(|&address| PrimaryStatus {
            address,
            zone: publication.zone.clone(),
            confirmed: None,
            trying: None,
        });
        Self {
            primaries: primaries.collect(),
        }
    }
}
