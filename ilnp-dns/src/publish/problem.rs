//! Why a primary has not taken the records yet, in the words that an operator needs.

use crate::exchange::ExchangeError;
use crate::message::{Message, Rcode};
use crate::name::Name;
use crate::tsig::{AnswerError, FUDGE};

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// Name, algorithm or secret of the key differ.
    #[error("wrong key: {0}")]
    WrongKey(AnswerError),
    /// The clocks differ.
    #[error("wrong clock: {0}")]
    WrongClock(AnswerError),
    /// The server has had updates that were signed later, by this key (RFC 8945 §5.2.3). A fresh
    /// signature helps.
    #[error("the server takes the update for one that was sent before")]
    Overtaken,
    /// The answer may be from anybody.
    #[error("{0}")]
    BadAnswer(String),
    /// The key is right, and may not change these records.
    #[error(
        "the server refuses to let this key change the records of {0}: \
         grant it the types NID, L64, LP and AAAA there"
    )]
    Refused(Name),
    /// The server has no zone with the name, or is not its primary.
    #[error("the server is not the primary of the zone of {0}: compare `primaries` and `name`")]
    NotServed(Name),
    /// The name is an alias.
    #[error("{0} is an alias (CNAME), which can have no other records: publish its target instead")]
    Alias(Name),
    /// The server failed.
    #[error("the server failed (SERVFAIL): its log says why")]
    ServerFailure,
    /// Any other code.
    #[error("the server answers with the unexpected response code {0}")]
    Rcode(u16),
}

impl Problem {
    /// A word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::WrongKey(_) => "wrong-key",
            Self::WrongClock(_) => "wrong-clock",
            Self::Overtaken => "overtaken",
            Self::BadAnswer(_) => "bad-answer",
            Self::Refused(_) => "refused",
            Self::NotServed(_) => "not-served",
            Self::Alias(_) => "alias",
            Self::ServerFailure => "server-failure",
            Self::Rcode(_) => "rcode",
        }
    }

    /// Whether somebody has to change something first, so that hurry is of no use.
    pub(super) fn is_lasting(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable(_) | Self::Overtaken | Self::ServerFailure
        )
    }

    /// What the answer to an update for `name` says.
    pub(super) fn of_update(name: &Name, answer: &Message) -> Result<(), Self> {
        match answer.rcode {
            Rcode::NOERROR => Ok(()),
            Rcode::REFUSED => Err(Self::Refused(name.clone())),
            Rcode::NOTAUTH | Rcode::NOTZONE => Err(Self::NotServed(name.clone())),
            Rcode::SERVFAIL => Err(Self::ServerFailure),
            Rcode(other) => Err(Self::Rcode(other)),
        }
    }

    /// Why there is no answer, or none to be believed, to a request for `name`.
    pub(super) fn of_exchange(name: &Name, error: ExchangeError) -> Self {
        match error {
            ExchangeError::Signature { source, .. } => Self::of_signature(name, source),
            ExchangeError::Malformed { .. } => Self::BadAnswer(error.to_string()),
            ExchangeError::Unreachable { .. } | ExchangeError::Timeout { .. } => {
                Self::Unreachable(error.to_string())
            }
        }
    }

    fn of_signature(name: &Name, error: AnswerError) -> Self {
        match error {
            AnswerError::UnknownKey(_) | AnswerError::WrongSecret(_) => Self::WrongKey(error),
            AnswerError::Clock { theirs, ours } if theirs.abs_diff(ours) <= FUDGE.into() => {
                Self::Overtaken
            }
            AnswerError::Clock { .. } => Self::WrongClock(error),
            AnswerError::Unsigned(Rcode::REFUSED) => Self::Refused(name.clone()),
            AnswerError::Unsigned(Rcode::NOTAUTH | Rcode::NOTZONE) => Self::NotServed(name.clone()),
            other => Self::BadAnswer(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signature_tells_is_told_apart() {
        let clock = |theirs| AnswerError::Clock { theirs, ours: 1000 };
        for (error, kind, is_lasting) in [
            (AnswerError::UnknownKey("k.".into()), "wrong-key", true),
            (AnswerError::WrongSecret("k.".into()), "wrong-key", true),
            (clock(1301), "wrong-clock", true),
            (clock(699), "wrong-clock", true),
            (clock(1300), "overtaken", false),
            (AnswerError::Unsigned(Rcode::REFUSED), "refused", true),
            (AnswerError::Unsigned(Rcode::NOTAUTH), "not-served", true),
            (AnswerError::Unsigned(Rcode::NOERROR), "bad-answer", true),
            (AnswerError::Invalid, "bad-answer", true),
        ] {
            let server = "[::1]:53".parse().unwrap();
            let error = ExchangeError::Signature {
                server,
                source: error,
            };
            let problem = Problem::of_exchange(&"vm1.example.org.".parse().unwrap(), error);
            assert_eq!((problem.kind(), problem.is_lasting()), (kind, is_lasting));
        }
    }
}
