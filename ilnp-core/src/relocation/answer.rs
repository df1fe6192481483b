//! What a guest answers and tells.

use serde::{Deserialize, Serialize};

use super::{Empty, SCHEMA, Unreadable, read};
use crate::id::{Locator, Nid};

/// A line of a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire")]
pub enum FromGuest {
    /// The answer to a request.
    Answer {
        /// The number of the request.
        id: u64,
        /// What is answered.
        answer: Answer,
    },
    /// Something happened that nobody asked for.
    Event(Event),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `hello`.
    Hello(GuestHello),
    /// To `prepare`.
    Prepared(Prepared),
    /// It was done.
    Done(Empty),
    /// It was not done, and nothing was changed.
    Error(Refused),
}

/// Who a guest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuestHello {
    /// Its identifier.
    pub nid: Nid,
    /// The version of its daemon.
    pub version: String,
}

/// A guest is ready to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Prepared {
    /// How many correspondents are being told.
    pub correspondents: usize,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refused {
    /// For people.
    pub reason: String,
}

/// What happens in a guest in the course of a relocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Correspondents acknowledged what they were told before the move: the first of them, and then
    /// all.
    Told(Told),
    /// Packets leave from the new Locator.
    Usable(Usable),
    /// The first correspondent acknowledged the Locator Update from the new Locator.
    Acknowledged(Acknowledged),
    /// Every correspondent acknowledged it.
    AllAcknowledged(AllAcknowledged),
    /// Every primary name server has confirmed the new Locator.
    DnsConfirmed(DnsConfirmed),
}

/// How many correspondents know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Told {
    /// The epoch of the hand-over.
    pub epoch: u64,
    /// What they were told.
    pub step: Step,
    /// How many were told.
    pub correspondents: usize,
    /// How many of them acknowledged it.
    pub acknowledged: usize,
}

/// What correspondents are told before a move, or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Where the guest will be.
    Prepare,
    /// To send there.
    Switch,
    /// That it stays where it is.
    Cancel,
}

/// A Locator is in use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usable {
    /// The epoch of the hand-over.
    pub epoch: u64,
    /// Milliseconds since the guest noticed that it was moved, by its own clock.
    pub after_ms: f64,
    /// The Locator that packets leave from.
    pub locator: Locator,
}

/// A first acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Acknowledged {
    /// The epoch of the hand-over.
    pub epoch: u64,
    /// Milliseconds since the guest noticed that it was moved, by its own clock.
    pub after_ms: f64,
}

/// All acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AllAcknowledged {
    /// The epoch of the hand-over.
    pub epoch: u64,
    /// Milliseconds since the guest noticed that it was moved, by its own clock.
    pub after_ms: f64,
    /// How many correspondents there are; none of them needs to have been told.
    pub correspondents: usize,
}

/// Name servers know.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DnsConfirmed {
    /// The epoch of the hand-over.
    pub epoch: u64,
    /// Milliseconds since the guest noticed that it was moved, by its own clock.
    pub after_ms: f64,
}

/// A line as it is written.
#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(flatten)]
    said: Said,
}

/// [`Answer`] and [`Event`] side by side: what is flattened must be one enumeration.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Event(Event),
    Hello(GuestHello),
    Prepared(Prepared),
    Done(Empty),
    Error(Refused),
}

impl From<FromGuest> for Wire {
    fn from(line: FromGuest) -> Self {
        let (id, said) = match line {
            FromGuest::Event(event) => (None, Said::Event(event)),
            FromGuest::Answer { id, answer } => {
                let said = match answer {
                    Answer::Hello(hello) => Said::Hello(hello),
                    Answer::Prepared(prepared) => Said::Prepared(prepared),
                    Answer::Done(done) => Said::Done(done),
                    Answer::Error(refused) => Said::Error(refused),
                };
                (Some(id), said)
            }
        };
        Self {
            schema: SCHEMA,
            id,
            said,
        }
    }
}

impl TryFrom<Wire> for FromGuest {
    type Error = &'static str;

    fn try_from(line: Wire) -> Result<Self, Self::Error> {
        let answer = match line.said {
            Said::Event(event) => return Ok(Self::Event(event)),
            Said::Hello(hello) => Answer::Hello(hello),
            Said::Prepared(prepared) => Answer::Prepared(prepared),
            Said::Done(done) => Answer::Done(done),
            Said::Error(refused) => Answer::Error(refused),
        };
        let id = line.id.ok_or("an answer without the id of its request")?;
        Ok(Self::Answer { id, answer })
    }
}

impl FromGuest {
    /// Reads a line.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn parse(line: &[u8]) -> Result<Self, Unreadable> {
        read(line)
    }
}

impl Event {
    /// The epoch of the hand-over that it belongs to.
    pub const fn epoch(&self) -> u64 {
        match self {
            Self::Told(told) => told.epoch,
            Self::Usable(usable) => usable.epoch,
            Self::Acknowledged(first) => first.epoch,
            Self::AllAcknowledged(all) => all.epoch,
            Self::DnsConfirmed(confirmed) => confirmed.epoch,
        }
    }
}
