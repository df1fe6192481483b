//! What a node is made with.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::bucket::Rate;
use crate::id::{HandlePrefix, Lifetime, Nid};
use crate::wire::NonceLength;

/// What a node is made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// This host's identifier.
    pub nid: Nid,
    /// What handles are made of.
    pub handle_prefix: HandlePrefix,
    /// How long this host's own Nonces are. Others' may have either length.
    pub nonce_length: NonceLength,
    /// When things happen.
    pub timers: Timers,
    /// How much there may be of everything.
    pub limits: Limits,
}

impl Config {
    /// The defaults for a host with this identifier.
    pub fn new(nid: Nid) -> Self {
        Self {
            nid,
            handle_prefix: HandlePrefix::DEFAULT,
            nonce_length: NonceLength::default(),
            timers: Timers::default(),
            limits: Limits::default(),
        }
    }
}

/// When things happen. The RFCs leave these to implementations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timers {
    /// Changes of this host's Locators that follow each other within this time share one Locator
    /// Update. The first one goes at once. 20 ms.
    pub coalesce: Duration,
    /// A Locator Update is sent again after this time, or after two round-trip times when those are
    /// known and longer; then after twice the time before. 200 ms.
    pub update_first: Duration,
    /// The longest time between two tries. 32 s.
    pub update_longest: Duration,
    /// Lifetime of this host's Locators in Locator Updates, when they were advertised for longer.
    /// 300 s.
    pub locator_lifetime: Lifetime,
    /// Where this host will be is forgotten after this time, if it is not renewed. 1 h: disks are
    /// copied meanwhile.
    pub prepared: Duration,
    /// The same once correspondents send there: nobody receives it if the host stays. 10 s, of which
    /// none passes while the host stands still.
    pub switched: Duration,
    /// A correspondent that answers nothing for this time after the first packet does not speak
    /// ILNP. TCP sends its SYN after 0, 1 and 3 s; the last one is given half a second, so that the
    /// classic session stands within 4 s. 3.5 s.
    pub silence: Duration,
    /// For how long that is believed. 10 minutes.
    pub classic: Duration,
    /// A session that nobody proves is forgotten when nothing was heard for this time. 30 s.
    pub tentative: Duration,
    /// A challenge that was not answered is sent again after this time, when there is cause, then
    /// after twice the time before, up to a minute. 1 s.
    pub challenge: Duration,
    /// Packets from a Locator that was left this long ago or less were merely under way. 1 s.
    pub late: Duration,
    /// A correspondent with several Locators that sends nothing for this time while packets go to
    /// it is tried at another Locator. 5 s.
    pub stalled: Duration,
    /// A correspondent with a name that sends nothing for this time while packets go to it, and has
    /// no other Locator, is asked and then looked up. 30 s.
    pub lost: Duration,
    /// A session without packets for this time is aged: its entry is the first to make room for
    /// others. It keeps working. 5 minutes.
    pub aged: Duration,
    /// A session without packets for this time is forgotten. 24 h: an idle login session must
    /// outlive a night, and its host may move meanwhile. The same holds for a correspondent that is
    /// known from DNS, since it was last asked for: a program may keep a handle.
    pub forgotten: Duration,
    /// A classic flow without packets for this time is forgotten: TCP. 2 h 4 min (RFC 5382 §5).
    pub classic_tcp: Duration,
    /// The same for everything else. 5 minutes.
    pub classic_other: Duration,
    /// A ping that is not answered is given up after this time. 5 s.
    pub ping: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            coalesce: Duration::from_millis(20),
            update_first: Duration::from_millis(200),
            update_longest: Duration::from_secs(32),
            locator_lifetime: Lifetime(300),
            prepared: Duration::from_secs(3600),
            switched: Duration::from_secs(10),
            silence: Duration::from_millis(3500),
            classic: Duration::from_secs(600),
            tentative: Duration::from_secs(30),
            challenge: Duration::from_secs(1),
            late: Duration::from_secs(1),
            stalled: Duration::from_secs(5),
            lost: Duration::from_secs(30),
            aged: Duration::from_secs(300),
            forgotten: Duration::from_secs(24 * 3600),
            classic_tcp: Duration::from_secs(2 * 3600 + 4 * 60),
            classic_other: Duration::from_secs(300),
            ping: Duration::from_secs(5),
        }
    }
}

/// How much there may be of everything, whatever others send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Correspondents in all. 65,536, at about 400 octets each.
    pub correspondents: usize,
    /// Sessions that others began and that are not proved, in all. 4,096.
    pub tentative: usize,
    /// The same from one Locator. 1,024.
    pub tentative_per_locator: usize,
    /// Classic flows of correspondents that do not speak ILNP. 16,384, as many as the data path
    /// diverts.
    pub classic_flows: usize,
    /// Names remembered for one correspondent. 8.
    pub names: usize,
    /// Pings under way. 64.
    pub pings: usize,
    /// Locator Updates of one correspondent that are processed. 20 a second, 20 at once.
    pub updates_received: Rate,
    /// Security events that are reported; all are counted. 10 a second, 20 at once.
    pub security_events: Rate,
    /// Locator Updates sent in one burst; the next follows a millisecond later. 500.
    pub update_burst: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            correspondents: 65_536,
            tentative: 4096,
            tentative_per_locator: 1024,
            classic_flows: 16_384,
            names: 8,
            pings: 64,
            updates_received: Rate {
                per_second: 20,
                burst: 20,
            },
            security_events: Rate {
                per_second: 10,
                burst: 20,
            },
            update_burst: 500,
        }
    }
}
