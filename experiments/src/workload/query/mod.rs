//! Users of an application of three tiers, each tier a virtual machine: a web server, the
//! application, and a database.
//!
//! ```text
//!   users ==HTTP==> nginx ==HTTP==> application ==libpq==> PostgreSQL
//! ```
//!
//! Every user has a connection of its own with the web server, and behind it one of its own from
//! each tier to the next. All are opened once; an answer names those that it came by, so that one
//! that is opened anew is noticed.

mod application;
mod database;
mod http;
mod tiers;
mod user;

pub use application::serve as serve_application;
pub(super) use tiers::{Place as TierPlace, add as add_tier};

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Observed, Session};
use crate::clock::Clock;
use crate::error::LabError;
use crate::measure::flow::{Flow, Unit};
use crate::topology::Host;
use user::User;

/// How many users there are.
const USERS: u32 = 4;

/// Users at work.
pub(super) struct Query {
    users: Vec<User>,
    from: String,
    to: String,
}

impl Query {
    /// Starts the users on a host. Each asks at most once an `interval`.
    ///
    /// # Errors
    /// [`LabError::Io`] when a thread cannot be started.
    pub(super) fn start(
        from: &Host,
        (to, remote): (&str, SocketAddr),
        interval: Duration,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let users = (0..USERS).map(|number| User::start(from, number, remote, interval, clock));
        Ok(Self {
            users: users.collect::<Result<_, _>>()?,
            from: from.name().to_owned(),
            to: to.to_owned(),
        })
    }
}

/// Checks that the server's programs are installed.
///
/// # Errors
/// [`LabError::Missing`] with the Debian package of what is not.
pub(super) fn check_installed() -> Result<(), LabError> {
    database::Release::find().map(drop)
}

impl Session for Query {
    fn is_established(&mut self) -> bool {
        self.users.iter().all(User::is_served)
    }

    fn stop_sending(&mut self) {
        for user in &self.users {
            user.stop_asking();
        }
    }

    fn finish(self: Box<Self>) -> Result<Observed, LabError> {
        let mut rows = HashSet::new();
        let (mut flows, mut failure, mut intact) = (vec![], None, true);
        for user in self.users {
            let seen = user.finish();
            // Each row was added once, and for one request.
            let mut numbers = seen.arrivals.iter().map(|arrival| arrival.number);
            intact &= numbers.all(|row| rows.insert(row));
            failure = failure.or(seen.failure);
            flows.push(Flow {
                from: self.to.clone(),
                to: self.from.clone(),
                unit: Unit::Records,
                sent: Some(seen.asked),
                arrivals: seen.arrivals,
                complete: None,
            });
        }
        Ok(Observed {
            flows,
            failure,
            intact: Some(intact),
        })
    }
}
