//! What the answers to one request get as TSIG record.

use super::{Refused, ResponseSigner};

/// Seals answers: each in turn, when there are several.
#[derive(Debug, Default)]
pub enum Seal {
    /// The request was not signed, and its answer is not.
    #[default]
    Open,
    /// The request was signed rightly, and its answer is signed.
    Signed(ResponseSigner),
    /// The answer says what is wrong with the signature of the request.
    Refused(Refused),
}

impl Seal {
    /// The octets that [`Self::apply`] adds to a signed answer: for it to leave room. An error has
    /// next to nothing else in it.
    pub fn room(&self) -> usize {
        self.signer().map_or(0, ResponseSigner::room)
    }

    /// Adds the record to the next message of the answer. `now` is in seconds since 1970.
    pub fn apply(&mut self, message: &mut Vec<u8>, now: u64) {
        match self {
            Self::Open => {}
            Self::Signed(signer) => signer.sign(message, now),
            Self::Refused(refused) => refused.attach(message),
        }
    }

    /// What signs the answer, if the request was signed.
    pub fn signer(&self) -> Option<&ResponseSigner> {
        match self {
            Self::Signed(signer) => Some(signer),
            Self::Open | Self::Refused(_) => None,
        }
    }
}
