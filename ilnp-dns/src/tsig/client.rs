//! The client's side: requests are signed, answers are checked (RFC 8945 §5.1, §5.4).

use std::sync::Arc;

use ring::hmac::Context;
use subtle::ConstantTimeEq as _;

use super::record::{Malformed, Timers, Tsig, id};
use super::{FUDGE, mac};
use crate::key::TsigKey;
use crate::message::Rcode;
use crate::utc::Utc;

/// How many messages of an answer may come unsigned in a row (RFC 8945 §5.3.1).
const MAX_UNSIGNED: usize = 99;

/// Signs a request. What is given checks the answer.
pub fn sign_request(message: &mut Vec<u8>, key: &Arc<TsigKey>, now: u64) -> ResponseVerifier {
    let timers = Timers {
        signed: now,
        fudge: FUDGE,
    };
    let mut tsig = Tsig::unsigned(key, timers, id(message));
    tsig.mac = mac::whole(key, None, message, &tsig);
    tsig.append(message);
    ResponseVerifier {
        key: Arc::clone(key),
        expected: Expected::First(tsig.mac),
    }
}

/// Checks the messages that answer a request.
pub struct ResponseVerifier {
    key: Arc<TsigKey>,
    expected: Expected,
}

/// What the next message is checked against.
enum Expected {
    /// It is the first: the MAC of the request.
    First(Vec<u8>),
    /// Later: a MAC begun with the one before, and how many unsigned messages went into it.
    Later(Box<Context>, usize),
}

/// Why an answer is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It cannot be read.
    #[error("the answer is malformed")]
    Malformed,
    /// It has no signature. Some servers refuse so.
    #[error("the answer, with response code {}, is not signed", .0.0)]
    Unsigned(Rcode),
    /// It is signed with another key, or wrongly.
    #[error("the signature of the answer is wrong")]
    Invalid,
    /// The server knows no such key, or, being Knot, none that may do this. It says so without a
    /// signature.
    #[error(
        "the server does not know the key {0}: compare its name and algorithm in both key files, \
         and what the server lets it change"
    )]
    UnknownKey(String),
    /// The server finds the signature wrong. It says so without a signature.
    #[error("the server has another secret for the key {0}: compare both key files")]
    WrongSecret(String),
    /// The server's clock and this one differ by more than the five minutes of a signature.
    #[error("the clocks differ: it is {} at the server and {} here", Utc(*.theirs), Utc(*.ours))]
    Clock {
        /// The server's time.
        theirs: u64,
        /// Time here.
        ours: u64,
    },
    /// Another TSIG error.
    #[error("the server refuses the signature with TSIG error {0}")]
    Other(u16),
}

impl ResponseVerifier {
    /// Checks the next message of the answer. `Ok` with the signature checked, or, from the second
    /// message on, with it put off to a later one: [`Self::is_complete`] tells.
    ///
    /// # Errors
    /// [`AnswerError`]. A single message may be from anybody: after a datagram with an error, wait
    /// on for a right one. On TCP, close the connection.
    pub fn verify(&mut self, wire: &[u8], now: u64) -> Result<(), AnswerError> {
        match Tsig::split(wire).map_err(|Malformed| AnswerError::Malformed)? {
            Some((message, tsig)) => self.verify_signed(wire, &message, &tsig, now),
            None => self.put_off(wire),
        }
    }

    /// Whether the last message was signed: else the answer is not to be believed.
    pub fn is_complete(&self) -> bool {
        matches!(self.expected, Expected::Later(_, 0))
    }

    fn verify_signed(
        &mut self,
        wire: &[u8],
        message: &[u8],
        tsig: &Tsig,
        now: u64,
    ) -> Result<(), AnswerError> {
        if tsig.mac.is_empty() && rcode(wire) == Rcode::NOTAUTH {
            return Err(self.told(tsig, now));
        }
        let expected = match &self.expected {
            Expected::First(request) => mac::whole(&self.key, Some(request), message, tsig),
            Expected::Later(running, _) => {
                mac::later(Context::clone(running), message, tsig.timers)
            }
        };
        let ours = tsig.key == *self.key.name()
            && tsig.is_of(self.key.algorithm())
            && bool::from(expected.ct_eq(&tsig.mac));
        if !ours {
            return Err(AnswerError::Invalid);
        }
        if tsig.error != Rcode::NOERROR {
            return Err(self.told(tsig, now));
        }
        if !tsig.timers.hold(now) {
            return Err(AnswerError::Clock {
                theirs: tsig.timers.signed,
                ours: now,
            });
        }
        self.expected = Expected::Later(Box::new(mac::running(&self.key, &tsig.mac)), 0);
        Ok(())
    }

    fn put_off(&mut self, wire: &[u8]) -> Result<(), AnswerError> {
        match &mut self.expected {
            Expected::Later(running, unsigned) if *unsigned < MAX_UNSIGNED => {
                running.update(wire);
                *unsigned += 1;
                Ok(())
            }
            _ => Err(AnswerError::Unsigned(rcode(wire))),
        }
    }

    /// What the error of a TSIG record says.
    fn told(&self, tsig: &Tsig, now: u64) -> AnswerError {
        match tsig.error {
            Rcode::BADKEY => AnswerError::UnknownKey(self.key.name().to_string()),
            Rcode::BADSIG => AnswerError::WrongSecret(self.key.name().to_string()),
            Rcode::BADTIME => AnswerError::Clock {
                theirs: tsig.server_time().unwrap_or(tsig.timers.signed),
                ours: now,
            },
            Rcode(other) => AnswerError::Other(other),
        }
    }
}

/// The response code in the header of a message.
fn rcode(wire: &[u8]) -> Rcode {
    Rcode(wire.get(3).map_or(0, |octet| u16::from(octet & 0x0f)))
}
