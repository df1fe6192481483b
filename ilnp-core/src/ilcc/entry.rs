//! What is known of one correspondent (RFC 6741 §5.1).

use crate::id::{Handle, Locator};
use crate::node::Activity;
use crate::time::Instant;

use super::nonces::Nonces;
use super::remote_locators::RemoteLocators;
use super::tentative::{Role, Tentative};

/// How far a correspondent and this host have got.
#[derive(Debug)]
pub enum State {
    /// Nothing was exchanged yet, or not for long.
    Known {
        /// Whether there was a session before.
        met: bool,
        /// Since when.
        since: Instant,
    },
    /// Packets go between the two, and nothing is proved yet.
    Tentative(Box<Tentative>),
    /// Its Nonce is proved.
    Established,
    /// As established, but nothing was sent or heard for minutes: the first to go when room is
    /// needed (RFC 6741 §5.2).
    Aged {
        /// When that was noticed.
        since: Instant,
    },
    /// It does not speak ILNP (RFC 6744 §6).
    Classic {
        /// Until when that is believed.
        until: Instant,
    },
}

impl State {
    /// The name that users see.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Known { met: false, .. } | Self::Tentative(_) => "tentative",
            Self::Established => "established",
            Self::Known { met: true, .. } | Self::Aged { .. } => "aged",
            Self::Classic { .. } => "classic",
        }
    }

    /// Since when nothing would be lost, or little, if the correspondent were forgotten.
    pub const fn spare_since(&self) -> Option<Instant> {
        match *self {
            Self::Known { since, .. } | Self::Aged { since } => Some(since),
            Self::Classic { until } => Some(until),
            Self::Tentative(_) | Self::Established => None,
        }
    }

    /// Whether the correspondent's Nonce is proved.
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Established | Self::Aged { .. })
    }
}

/// How far the Locator Updates to a correspondent have got (RFC 6743 §2).
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateProgress {
    /// The number of the latest update that it acknowledged, or knew when the session began.
    pub acknowledged: u64,
    /// The number of the latest update that was sent to it.
    pub sent: u64,
    /// How often `sent` was sent without an acknowledgement; 0 when none is awaited.
    pub tries: u32,
    /// When it was sent first.
    pub first_sent: Instant,
    /// When it was sent last.
    pub last_sent: Instant,
    /// Whether it waits for its turn to be sent.
    pub queued: bool,
    /// Whether an older update may still be under way by another path and arrive after this one.
    pub overtaking: bool,
    /// Whether it is sent again as soon as a little time has passed since the last time.
    pub postponed: bool,
}

impl UpdateProgress {
    /// Whether an acknowledgement is still to come.
    pub const fn is_awaited(&self) -> bool {
        self.tries > 0 || self.postponed
    }
}

/// When a correspondent's name was looked up again, because it could not be reached.
#[derive(Clone, Copy, Debug)]
pub struct LookedUp {
    /// The last time.
    pub at: Instant,
    /// How often since it was heard of.
    pub times: u32,
}

/// A question that only somebody on the return path can answer: an Echo Request with random
/// contents. The Nonce of the answer is the correspondent's.
#[derive(Clone, Copy, Debug)]
pub struct Challenge {
    /// The random contents.
    pub token: u64,
    /// When it was sent last.
    pub sent: Instant,
    /// How often it was sent.
    pub tries: u32,
    /// Whether the correspondent's place refused our Nonce, as a node does that speaks no ILNP.
    pub refused: bool,
}

/// A correspondent.
#[derive(Debug)]
pub struct Entry {
    /// The name that applications have for it.
    pub handle: Handle,
    /// Whether it comes from the configuration or from DNS, and is therefore kept when the session
    /// ends.
    pub given: bool,
    /// Whether it comes from the configuration, and is therefore never forgotten.
    pub configured: bool,
    /// Whether the data path has it.
    pub in_path: bool,
    /// How far the two have got.
    pub state: State,
    /// The session's Nonces.
    pub nonces: Nonces,
    /// Where it is.
    pub remote: RemoteLocators,
    /// When packets were last seen, as far as is known here.
    pub activity: Activity,
    /// The round-trip time in microseconds, when it was measured.
    pub rtt_us: Option<u32>,
    /// How far the Locator Updates to it have got.
    pub update: UpdateProgress,
    /// The question that it was asked.
    pub challenge: Option<Box<Challenge>>,
    /// When its name was last looked up because it could not be reached.
    pub looked_up: Option<LookedUp>,
    /// Where its name says that it is, when the session says otherwise and neither is proved.
    pub elsewhere: Option<Locator>,
    /// How many of its Locator Updates may still be processed now.
    pub received: crate::node::Bucket,
    /// When its session is looked at again.
    pub session_due: Option<Instant>,
    /// When a Locator Update is sent again.
    pub update_due: Option<Instant>,
}

impl Entry {
    /// A correspondent with which nothing was exchanged.
    pub fn new(now: Instant, handle: Handle, nonces: Nonces, remote: RemoteLocators) -> Self {
        Self {
            handle,
            given: false,
            configured: false,
            in_path: false,
            state: State::Known {
                met: false,
                since: now,
            },
            nonces,
            remote,
            activity: Activity {
                sent: now,
                heard: now,
            },
            rtt_us: None,
            update: UpdateProgress::default(),
            challenge: None,
            looked_up: None,
            elsewhere: None,
            received: crate::node::Bucket::default(),
            session_due: None,
            update_due: None,
        }
    }

    /// A number from 0 to 255 that differs from session to session and stays the same within one.
    pub fn spread(&self) -> u8 {
        self.nonces.out().as_slice().first().copied().unwrap_or(0)
    }

    /// The session as a tentative one.
    pub fn tentative(&self) -> Option<&Tentative> {
        match &self.state {
            State::Tentative(tentative) => Some(tentative),
            _ => None,
        }
    }

    /// The session as a tentative one, to be changed.
    pub fn tentative_mut(&mut self) -> Option<&mut Tentative> {
        match &mut self.state {
            State::Tentative(tentative) => Some(tentative),
            _ => None,
        }
    }

    /// Whether all that is known of it is what it says itself. Nobody is told of such sessions,
    /// since anybody can begin as many as he likes.
    pub fn is_unproved_stranger(&self) -> bool {
        let role = self.tentative().map(|tentative| tentative.role);
        !self.given && matches!(role, Some(Role::Responder(_)))
    }

    /// Notes that a packet from it was seen.
    pub fn heard(&mut self, now: Instant) {
        self.activity.heard = self.activity.heard.max(now);
    }

    /// When anything was last seen of it.
    pub fn last_active(&self) -> Instant {
        self.activity.sent.max(self.activity.heard)
    }
}
