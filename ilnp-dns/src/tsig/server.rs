//! The server's side: requests are checked, answers are signed (RFC 8945 §5.2, §5.3).

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::record::{Malformed, Timers, Tsig, id};
use super::{FUDGE, mac};
use crate::key::TsigKey;
use crate::message::Rcode;
use crate::name::Name;
use crate::utc::Utc;

/// Checks the signature of a request.
///
/// `None` for a request without one. A TSIG record in another place than the last is for
/// [`crate::message::Message::from_wire`] to refuse.
///
/// # Errors
/// [`Refused`]: the request must have no effect.
pub fn verify_request(
    wire: &[u8],
    find_key: impl FnOnce(&Name) -> Option<Arc<TsigKey>>,
    now: u64,
) -> Result<Option<ResponseSigner>, Refused> {
    let Some((message, tsig)) = Tsig::split(wire).map_err(|Malformed| Refused::MALFORMED)? else {
        return Ok(None);
    };
    let Some(key) = find_key(&tsig.key).filter(|key| tsig.is_of(key.algorithm())) else {
        return Err(Refused::unsigned(tsig, Rcode::BADKEY));
    };
    let full = key.algorithm().mac_len();
    if !((full / 2).max(10)..=full).contains(&tsig.mac.len()) {
        return Err(Refused::MALFORMED);
    }
    let expected = mac::whole(&key, None, &message, &tsig);
    if !bool::from(expected[..tsig.mac.len()].ct_eq(&tsig.mac)) {
        return Err(Refused::unsigned(tsig, Rcode::BADSIG));
    }
    if !tsig.timers.hold(now) {
        return Err(Refused::signed(key, tsig, Rcode::BADTIME, now));
    }
    if tsig.mac.len() < full {
        return Err(Refused::signed(key, tsig, Rcode::BADTRUNC, now));
    }
    Ok(Some(ResponseSigner {
        key,
        prior: tsig.mac,
        first: true,
        timers: tsig.timers,
    }))
}

/// Signs the messages that answer a request.
#[derive(Debug)]
pub struct ResponseSigner {
    key: Arc<TsigKey>,
    /// The MAC of the request, then of the message before.
    prior: Vec<u8>,
    first: bool,
    /// When the request was signed.
    timers: Timers,
}

impl ResponseSigner {
    /// The key that signed the request.
    pub fn key(&self) -> &Arc<TsigKey> {
        &self.key
    }

    /// When the request was signed: seconds since 1970.
    pub fn time_signed(&self) -> u64 {
        self.timers.signed
    }

    /// Refuses the request with BADTIME after all: the same key signed later ones, and nobody
    /// remembers whether this one was done before (RFC 8945 §5.2.3).
    pub fn too_old(self, now: u64) -> Refused {
        let tsig = Tsig::unsigned(&self.key, self.timers, 0);
        let tsig = Tsig {
            mac: self.prior,
            ..tsig
        };
        Refused::signed(self.key, tsig, Rcode::BADTIME, now)
    }

    /// The octets that [`Self::sign`] adds: for an answer to leave room.
    pub fn room(&self) -> usize {
        let algorithm = self.key.algorithm();
        let fixed = 10 + 8 + 2 + 2 + 2 + 2;
        self.key.name().wire().len() + fixed + algorithm.wire().len() + algorithm.mac_len()
    }

    /// Signs the next message of the answer; each one, if there are several (RFC 8945 §5.3.1).
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        let timers = Timers {
            signed: now,
            fudge: FUDGE,
        };
        let mut tsig = Tsig::unsigned(&self.key, timers, id(message));
        tsig.mac = if self.first {
            mac::whole(&self.key, Some(&self.prior), message, &tsig)
        } else {
            mac::later(mac::running(&self.key, &self.prior), message, timers)
        };
        tsig.append(message);
        self.first = false;
        self.prior = tsig.mac;
    }
}

/// A request whose signature does not hold, and what to answer.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub struct Refused {
    /// `None` if the record cannot be read.
    answer: Option<Box<Answer>>,
}

/// The record that the answer gets.
#[derive(Debug)]
struct Answer {
    /// The record of the request, with the error in it.
    tsig: Tsig,
    /// The key that signs the answer, and the server's time, if the MAC was right.
    signed: Option<(Arc<TsigKey>, u64)>,
}

impl Refused {
    const MALFORMED: Self = Self { answer: None };

    fn unsigned(tsig: Tsig, error: Rcode) -> Self {
        Self::answered(tsig, error, None)
    }

    fn signed(key: Arc<TsigKey>, tsig: Tsig, error: Rcode, now: u64) -> Self {
        Self::answered(tsig, error, Some((key, now)))
    }

    fn answered(tsig: Tsig, error: Rcode, signed: Option<(Arc<TsigKey>, u64)>) -> Self {
        let tsig = Tsig { error, ..tsig };
        Self {
            answer: Some(Box::new(Answer { tsig, signed })),
        }
    }

    /// The code of the answer: FORMERR or NOTAUTH.
    pub fn rcode(&self) -> Rcode {
        match &self.answer {
            None => Rcode::FORMERR,
            Some(_) => Rcode::NOTAUTH,
        }
    }

    /// Adds to the answer the TSIG record that tells the error (RFC 8945 §5.3.2).
    pub fn attach(&self, response: &mut Vec<u8>) {
        if let Some(answer) = &self.answer {
            answer.attach(response);
        }
    }

    fn said(&self) -> String {
        let Some(answer) = &self.answer else {
            return "FORMERR: the TSIG record is malformed".to_owned();
        };
        let key = &answer.tsig.key;
        match (answer.tsig.error, &answer.signed) {
            (Rcode::BADTIME, Some((_key, now))) => format!(
                "BADTIME: the request was signed with {key} at {}, and it is {} here: set the clocks right",
                Utc(answer.tsig.timers.signed),
                Utc(*now)
            ),
            (Rcode::BADTRUNC, _) => format!("BADTRUNC: the signature with {key} is shortened"),
            (Rcode::BADSIG, _) => format!("BADSIG: the signature with {key} is wrong"),
            _ => format!("BADKEY: there is no key {key} with that algorithm"),
        }
    }
}

impl Answer {
    fn attach(&self, response: &mut Vec<u8>) {
        let mut tsig = Tsig {
            mac: Vec::new(),
            original_id: id(response),
            other: Vec::new(),
            ..self.tsig.clone()
        };
        if let Some((key, now)) = &self.signed {
            if tsig.error == Rcode::BADTIME {
                tsig.other = now.to_be_bytes()[2..].to_vec();
            }
            tsig.mac = mac::whole(key, Some(&self.tsig.mac), response, &tsig);
        }
        tsig.append(response);
    }
}
